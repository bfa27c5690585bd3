package mountpoint

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// ErrBusy says that programs still use the mount.
var ErrBusy = errors.New("in use")

// unmountPatience bounds one attempt; a lazy one never takes long.
const unmountPatience = 30 * time.Second

// Unmount detaches the mount at path, an absolute path, dead or alive. Lazily
// it goes out of sight at once and ends when the last program leaves it.
func Unmount(path string, lazy bool) error {
	if os.Geteuid() == 0 {
		return unmountAsRoot(path, lazy)
	}
	return unmountByHelper(path, lazy)
}

func unmountAsRoot(path string, lazy bool) error {
	flags := unix.UMOUNT_NOFOLLOW
	if lazy {
		flags |= unix.MNT_DETACH
	}
	_, err := bounded(unmountPatience, func() (struct{}, error) { return struct{}{}, unix.Unmount(path, flags) })
	switch {
	case errors.Is(err, syscall.EBUSY):
		return fmt.Errorf("%s is %w", path, ErrBusy)
	case errors.Is(err, syscall.EPERM):
		return unmountByHelper(path, lazy) // root of a container without CAP_SYS_ADMIN
	case err != nil:
		return fmt.Errorf("unmount %s: %w", path, err)
	}
	return nil
}

func unmountByHelper(path string, lazy bool) error {
	helper, err := Fusermount()
	if err != nil {
		return err
	}
	args := []string{"-u", "--", path}
	if lazy {
		args = []string{"-u", "-z", "--", path}
	}
	ctx, cancel := context.WithTimeout(context.Background(), unmountPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, helper, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		return nil
	case bytes.Contains(out, []byte("busy")):
		// The helper has no exit code of its own for EBUSY.
		return fmt.Errorf("%s is %w", path, ErrBusy)
	}
	text := strings.Join(strings.Fields(string(out)), " ")
	if text == "" {
		text = err.Error()
	}
	return fmt.Errorf("unmount %s: %s", path, text)
}
