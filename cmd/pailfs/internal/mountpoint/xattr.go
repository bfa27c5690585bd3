package mountpoint

import (
	"errors"
	"fmt"
	"syscall"

	"golang.org/x/sys/unix"
)

// Getxattr reads an extended attribute of a file in a pailfs mount. Its errors
// say what the file is instead; they do not name it.
func Getxattr(file, name string) (string, error) {
	value, err := bounded(4*patience, func() (string, error) { return getxattr(file, name) })
	switch {
	case err == nil:
		return value, nil
	case errors.Is(err, syscall.ENODATA), errors.Is(err, syscall.ENOTSUP):
		return "", errors.New(whyNone(file))
	case errors.Is(err, syscall.ENOENT):
		return "", errors.New("no such file")
	case errors.Is(err, syscall.EPERM), errors.Is(err, syscall.EACCES):
		return "", errors.New("permission denied: only the user who mounted and root may create links")
	case errors.Is(err, syscall.ENOTCONN):
		return "", errors.New("the mount is dead: its process has ended")
	case errors.Is(err, syscall.EBUSY):
		return "", errors.New("it is still being written: close it first")
	}
	return "", fmt.Errorf("attribute %s: %w", name, err)
}

func getxattr(file, name string) (string, error) {
	for size := 8 << 10; ; size *= 2 {
		buf := make([]byte, size)
		n, err := unix.Getxattr(file, name, buf)
		if err == nil {
			return string(buf[:n]), nil
		}
		// 64 KiB is the kernel's limit for a value.
		if !errors.Is(err, syscall.EINTR) && (!errors.Is(err, syscall.ERANGE) || size >= 64<<10) {
			return "", err
		}
	}
}

// whyNone tells a directory of a mount from what is no pailfs file at all.
func whyNone(file string) string {
	isDir, err := bounded(patience, func() (bool, error) {
		var st unix.Stat_t
		err := unix.Stat(file, &st)
		return st.Mode&unix.S_IFMT == unix.S_IFDIR, err
	})
	if err == nil && isDir {
		return "it is a directory: only files have links"
	}
	return "it is not a file in a pailfs mount"
}
