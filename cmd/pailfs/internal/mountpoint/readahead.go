package mountpoint

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// SetReadAhead makes the kernel read so many bytes ahead of a sequential reader
// of the mount at dir, an absolute path. A file system may only lower the 128 KiB
// that the kernel begins with; this is the one way up, and it takes root.
func SetReadAhead(dir string, bytes int64) error {
	m, ok, err := At(dir)
	if err != nil {
		return err
	}
	if !ok {
		return fmt.Errorf("read-ahead of %s: %w", dir, os.ErrNotExist)
	}
	file := filepath.Join("/sys/class/bdi", m.Device, "read_ahead_kb")
	if err := os.WriteFile(file, strconv.AppendInt(nil, bytes>>10, 10), 0); err != nil {
		return fmt.Errorf("read-ahead of %s: %w", dir, err)
	}
	return nil
}
