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

func TestDiskFullDisk(t *testing.T) {
	top := t.TempDir()
	if err := syscall.Mount("none", top, "tmpfs", 0, "size=1m"); err != nil {
		if os.Geteuid() == 0 {
			t.Fatal(err)
		}
		t.Skip("a disk that fills up is a small tmpfs, and to mount one takes root:", err)
	}
	t.Cleanup(func() { syscall.Unmount(top, syscall.MNT_DETACH) })
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
