package fs

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// availableMemory is the machine's memory in bytes, or the cgroup's limit
// where that is lower.
func availableMemory() int64 {
	var si unix.Sysinfo_t
	total := int64(1 << 30)
	if unix.Sysinfo(&si) == nil {
		total = int64(si.Totalram) * int64(si.Unit)
	}
	for _, name := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		data, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(string(data)), 10, 64); err == nil && n > 0 {
			total = min(total, n)
		}
	}
	return total
}

// DefaultMemoryLimit is Options.MemoryLimit where it is 0, in bytes.
func DefaultMemoryLimit() int64 { return min(maxDefaultMemory, availableMemory()/defaultMemoryPart) }

// detach unmounts dir even while it is in use: it vanishes from the tree now,
// and ends when its last user is gone.
func detach(dir string) error {
	if err := unix.Unmount(dir, unix.MNT_DETACH); err == nil {
		return nil
	}
	return fusermountLazy(dir)
}

// fusermountLazy is detach for users who may not call umount(2).
func fusermountLazy(dir string) error {
	if out, err := exec.Command("fusermount3", "-u", "-z", dir).CombinedOutput(); err != nil {
		return fmt.Errorf("fusermount3 -uz %s: %w: %s", dir, err, bytes.TrimSpace(out))
	}
	return nil
}
