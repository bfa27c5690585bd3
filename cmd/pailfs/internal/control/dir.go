package control

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// EnvDir names the variable that overrides the directory of the sockets.
const EnvDir = "PAILFS_RUNTIME_DIR"

const suffix = ".sock"

// Dir returns the private directory of this user's sockets and creates it. It
// must not depend on how a process was started: a mount from fstab or cron has
// no XDG_RUNTIME_DIR, and `pailfs status` in a login shell must find it.
func Dir() (string, error) {
	uid := os.Getuid()
	if dir := os.Getenv(EnvDir); dir != "" {
		abs, err := filepath.Abs(dir)
		if err != nil {
			return "", err
		}
		return abs, private(abs, uid)
	}
	for _, parent := range parents(uid) {
		if owned(parent, uid) {
			dir := filepath.Join(parent, "pailfs")
			if err := private(dir, uid); err == nil {
				return dir, nil
			}
		}
	}
	dir := filepath.Join("/tmp", "pailfs-"+strconv.Itoa(uid))
	return dir, private(dir, uid)
}

func parents(uid int) []string {
	if uid == 0 {
		return []string{"/run"}
	}
	return []string{"/run/user/" + strconv.Itoa(uid), os.Getenv("XDG_RUNTIME_DIR")}
}

func owned(dir string, uid int) bool {
	var st unix.Stat_t
	return dir != "" && unix.Lstat(dir, &st) == nil && st.Uid == uint32(uid) && st.Mode&unix.S_IFMT == unix.S_IFDIR
}

// private creates dir with mode 0700, or refuses one that another user could
// have planted: in /tmp anybody may come first.
func private(dir string, uid int) error {
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("control socket: %w", err)
	}
	var st unix.Stat_t
	if err := unix.Lstat(dir, &st); err != nil {
		return fmt.Errorf("control socket: %s: %w", dir, err)
	}
	if st.Mode&unix.S_IFMT != unix.S_IFDIR || st.Uid != uint32(uid) || st.Mode&0o077 != 0 {
		return fmt.Errorf("control socket: %s must be a directory of yours with mode 0700", dir)
	}
	return nil
}

// socketPath is where the socket of a mount point lies within dir.
func socketPath(dir, mount string) string {
	sum := sha256.Sum256([]byte(mount))
	return filepath.Join(dir, hex.EncodeToString(sum[:8])+suffix)
}

// lock keeps two processes from cleaning up and creating sockets at once; the
// caller closes the file.
func lock(dir string) (*os.File, error) {
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	for {
		err = unix.Flock(int(f.Fd()), unix.LOCK_EX)
		if !errors.Is(err, syscall.EINTR) {
			break
		}
	}
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("control socket: lock: %w", err)
	}
	return f, nil
}
