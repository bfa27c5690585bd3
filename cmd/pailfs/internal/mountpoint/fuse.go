package mountpoint

import (
	"bufio"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// CheckFUSE says in one line why this machine or user cannot mount, or nil.
func CheckFUSE(allowOther bool) error {
	if err := checkDevice("/dev/fuse"); err != nil {
		return err
	}
	if _, err := Fusermount(); err != nil {
		return err
	}
	if allowOther && os.Getuid() != 0 && !userAllowOther("/etc/fuse.conf") {
		return errors.New("--allow-other needs a line `user_allow_other` in /etc/fuse.conf")
	}
	return nil
}

func checkDevice(path string) error {
	const help = "load it with `modprobe fuse`, or start the container with --device /dev/fuse --cap-add SYS_ADMIN"
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	switch {
	case err == nil:
		return f.Close()
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("no %s: %s", path, help)
	case errors.Is(err, syscall.ENODEV), errors.Is(err, syscall.ENXIO), errors.Is(err, syscall.EPERM):
		return fmt.Errorf("%s cannot be used (%w): %s", path, unwrapPath(err), help)
	case errors.Is(err, syscall.EACCES):
		return nil // fusermount3, set-user-id root, may still open it
	}
	return fmt.Errorf("%s: %w", path, unwrapPath(err))
}

// Fusermount finds the helper that mounts and unmounts for users.
func Fusermount() (string, error) {
	for _, name := range []string{"fusermount3", "fusermount", "/bin/fusermount3", "/bin/fusermount"} {
		if path, err := exec.LookPath(name); err == nil {
			return path, nil
		}
	}
	return "", errors.New("fusermount3 is missing: install it with `apt-get install -y fuse3`")
}

// userAllowOther reads fuse.conf; where it cannot be read, fusermount3 is left
// to judge.
func userAllowOther(path string) bool {
	f, err := os.Open(path)
	if err != nil {
		return !errors.Is(err, fs.ErrNotExist)
	}
	defer f.Close()
	for sc := bufio.NewScanner(f); sc.Scan(); {
		if strings.TrimSpace(sc.Text()) == "user_allow_other" {
			return true
		}
	}
	return false
}
