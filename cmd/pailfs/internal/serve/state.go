package serve

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/pailfs/pailfs/cmd/pailfs/internal/options"
)

// EnvState names the variable that overrides the state directory.
const EnvState = "PAILFS_STATE_DIR"

// stateDir holds logs and drafts. They must survive a reboot, so it is neither
// a cache nor a runtime directory.
func stateDir() (string, error) {
	if dir := os.Getenv(EnvState); dir != "" {
		return filepath.Abs(dir)
	}
	if os.Getuid() == 0 {
		return "/var/lib/pailfs", nil
	}
	if dir := os.Getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "pailfs"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("state directory: %w; set %s", err, EnvState)
	}
	return filepath.Join(home, ".local", "state", "pailfs"), nil
}

// stageBase is where mounts have their stage directories.
func stageBase(m *options.Mount) (string, error) {
	if dir := m.StageDir(); dir != "" {
		return dir, nil
	}
	state, err := stateDir()
	return filepath.Join(state, "stage"), err
}

// uploadsName is the record of uploads in a mount's stage directory.
const uploadsName = "uploads"

// mountName names the files of one mount: the same bucket, prefix, endpoint and
// mount point find their kept drafts again.
func mountName(m *options.Mount, dir string) string {
	sum := sha256.Sum256([]byte(strings.Join([]string{m.Endpoint(), m.Source.String(), dir}, "\x00")))
	return m.Source.Bucket + "-" + hex.EncodeToString(sum[:6])
}

// stage is the directory of one mount's drafts, held by a lock.
type stage struct {
	path string
	dir  *os.File
}

var errStageBusy = errors.New("another pailfs process still works on the files of this mount")

// openStage creates and locks base/name. The lock is on the directory itself,
// so nothing but drafts lies in it.
func openStage(base, name string) (*stage, error) {
	path := filepath.Join(base, name)
	for {
		if err := os.MkdirAll(path, 0o700); err != nil {
			return nil, fmt.Errorf("stage directory: %w", err)
		}
		dir, err := os.Open(path)
		if errors.Is(err, os.ErrNotExist) {
			continue // its last holder removed it just now
		}
		if err != nil {
			return nil, fmt.Errorf("stage directory: %w", err)
		}
		switch err := lockDir(dir, path); {
		case err == nil:
			return &stage{path: path, dir: dir}, nil
		case errors.Is(err, os.ErrNotExist):
			dir.Close()
		default:
			dir.Close()
			return nil, fmt.Errorf("stage directory %s: %w", path, err)
		}
	}
}

// lockDir fails with os.ErrNotExist where path is no longer the open directory.
func lockDir(dir *os.File, path string) error {
	err := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errStageBusy
	}
	if err != nil {
		return err
	}
	held, err := dir.Stat()
	if err != nil {
		return err
	}
	there, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !os.SameFile(held, there) {
		return os.ErrNotExist
	}
	return nil
}

// release gives the directory up and removes it where no draft is in it.
func (s *stage) release() {
	_ = unix.Rmdir(s.path) // ENOTEMPTY: drafts are kept
	s.dir.Close()
}
