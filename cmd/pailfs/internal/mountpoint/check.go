package mountpoint

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// Resolve returns the absolute path of dir as the mount table writes it. It
// also works where dir itself is a dead mount.
func Resolve(dir string) (string, error) {
	if dir == "" {
		return "", errors.New("the mount point is empty")
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if full, err := bounded(patience, func() (string, error) { return filepath.EvalSymlinks(abs) }); err == nil {
		return full, nil
	}
	// The last part may be dead, missing or hang; its parents count.
	parent, err := bounded(patience, func() (string, error) { return filepath.EvalSymlinks(filepath.Dir(abs)) })
	if err != nil {
		return abs, nil //nolint:nilerr // the caller's own look at abs says what is wrong
	}
	return filepath.Join(parent, filepath.Base(abs)), nil
}

// Prepare checks that dir, as given by the user, can become a mount point and
// returns its resolved path. A dead pailfs mount there is detached first.
func Prepare(dir string, log *slog.Logger) (string, error) {
	path, err := Resolve(dir)
	if err != nil {
		return "", err
	}
	if err := clearStale(path, log); err != nil {
		return "", err
	}
	_, err = bounded(patience, func() (struct{}, error) { return struct{}{}, checkDir(path) })
	if errors.Is(err, ErrHangs) {
		return "", fmt.Errorf("%s does not answer: it lies in a mount that hangs", path)
	}
	return path, err
}

// clearStale fails where path is a live mount and detaches a dead one of ours.
func clearStale(path string, log *slog.Logger) error {
	m, mounted, err := At(path)
	if err != nil || !mounted {
		return err
	}
	err = Probe(path)
	switch {
	case err == nil && m.Type == FSType:
		return fmt.Errorf("%s is busy: %s is mounted there; `pailfs umount %s` ends that", path, m.Source, path)
	case err == nil:
		return fmt.Errorf("%s is busy: it is a mount point already (%s, type %s)", path, m.Source, m.Type)
	case errors.Is(err, ErrHangs):
		return fmt.Errorf("%s is busy: a mount there (%s, type %s) hangs; `pailfs umount --lazy %s` detaches it", path, m.Source, m.Type, path)
	case !errors.Is(err, syscall.ENOTCONN):
		return fmt.Errorf("%s is busy: a mount there (%s, type %s) fails: %w", path, m.Source, m.Type, err)
	case m.Type != FSType:
		return fmt.Errorf("%s holds a dead mount (%s, type %s): detach it with `fusermount3 -u -z %s`", path, m.Source, m.Type, path)
	}
	if err := Unmount(path, true); err != nil {
		return fmt.Errorf("%s holds a dead pailfs mount that cannot be detached: %w", path, err)
	}
	log.Warn("detached a dead pailfs mount", "dir", path, "source", m.Source)
	return nil
}

// Probe asks a mounted directory for an answer. The errors of note are
// syscall.ENOTCONN (the server is dead) and ErrHangs.
func Probe(path string) error {
	_, err := bounded(patience, func() (struct{}, error) {
		var st unix.Stat_t
		return struct{}{}, unix.Lstat(path, &st)
	})
	return err
}

func checkDir(path string) error {
	info, err := os.Stat(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("mount point %s does not exist: create it with `mkdir -p %s`", path, path)
	case errors.Is(err, syscall.ENOTCONN):
		return fmt.Errorf("%s lies in a dead mount", path)
	case err != nil:
		return fmt.Errorf("mount point %s: %w", path, unwrapPath(err))
	case !info.IsDir():
		return fmt.Errorf("mount point %s is not a directory", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("mount point %s: %w", path, unwrapPath(err))
	}
	defer f.Close()
	if _, err := f.ReadDir(1); !errors.Is(err, io.EOF) {
		if err != nil {
			return fmt.Errorf("mount point %s: %w", path, unwrapPath(err))
		}
		return fmt.Errorf("mount point %s is not empty: choose an empty directory", path)
	}
	// fusermount3 demands this of users other than root.
	if err := unix.Access(path, unix.W_OK); err != nil {
		return fmt.Errorf("mount point %s must be writable by you", path)
	}
	return nil
}

// unwrapPath drops the path that the message already names.
func unwrapPath(err error) error {
	var pe *fs.PathError
	if errors.As(err, &pe) {
		return pe.Err
	}
	return err
}
