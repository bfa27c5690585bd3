package cache

import (
	"bytes"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// smallDisk makes dir a disk that fills up, until the test ends.
func smallDisk(t *testing.T, dir, size string) {
	t.Helper()
	if os.Geteuid() != 0 {
		// Only root may mount one. CI runs as root, and never skips this.
		t.Skip("a disk that fills up is a small tmpfs, and to mount one takes root")
	}
	if err := syscall.Mount("none", dir, "tmpfs", 0, "size="+size); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
}

func TestDiskFullDisk(t *testing.T) {
	top := t.TempDir()
	smallDisk(t, top, "1m")
	var log bytes.Buffer
	d := testDisk(t, DiskOptions{Dir: filepath.Join(top, "cache"), Log: slog.New(slog.NewTextHandler(&log, nil))})
	clock := time.Now()
	d.now = func() time.Time { return clock }
	f := d.Open(testVersion("a", 2_000_000))
	defer f.Close()
	content := diskContent(f.v)
	f.Store(0, [][]byte{content})
	stored := wantRight(t, f, content)
	if s := d.Stats(); stored < 500_000 || s.Stored != stored || s.Stored+s.Dropped != f.v.Size || s.Corrupt > 0 {
		t.Errorf("%d bytes stored: %+v", stored, s)
	}
	fill := filepath.Join(top, "fill")
	if err := os.WriteFile(fill, make([]byte, 1<<20), 0o600); err == nil {
		t.Error("there was room")
	}
	for range 3 {
		clock = clock.Add(pauseTime)
		f.Store(0, [][]byte{content})
		put(d, testVersion("other", 5000))
	}
	if wantRight(t, f, content) != stored {
		t.Error("something was lost or stored")
	}
	// Once for what could not be written, once for what could not be made.
	if n := strings.Count(log.String(), "level=WARN"); n < 1 || n > 2 || !strings.Contains(log.String(), "no space left") {
		t.Errorf("%d warnings: %s", n, &log)
	}
	// There is room again. It is used when the disk was left alone for a while.
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	d.evict(mustScan(t, d), 1)
	small := testVersion("small", 100_000)
	put(d, small)
	if isCached(d, small) {
		t.Error("stored at once")
	}
	clock = clock.Add(pauseTime)
	storeAll(t, d, small)
}

func TestDiskDescriptorsAreBounded(t *testing.T) {
	d := testDisk(t, DiskOptions{Dir: diskDir(t)})
	before := descriptors(t)
	var files []*DiskFile
	for i := range 2 * openPairs {
		f := d.Open(testVersion(strings.Repeat("k", i), 1))
		files = append(files, f)
		f.Store(0, [][]byte{diskContent(f.v)})
	}
	if got := descriptors(t) - before; got != 2*openPairs {
		t.Errorf("%d descriptors are open", got)
	}
	for _, f := range files {
		wantCached(t, f, diskContent(f.v))
		f.Close()
	}
	if got := descriptors(t) - before; got != 0 {
		t.Errorf("%d descriptors are open", got)
	}
}

func descriptors(t *testing.T) int {
	t.Helper()
	list, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(list)
}
