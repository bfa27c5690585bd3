package cache

import (
	"bytes"
	"crypto/sha256"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// testDisk is a Disk without its goroutine: a test looks when it wants to.
func testDisk(t testing.TB, o DiskOptions) *Disk {
	t.Helper()
	if o.Size == 0 {
		o.Size = minDiskSize
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d, err := newDisk(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	if d.look() != 0 {
		t.Fatal("the first look failed")
	}
	return d
}

func diskDir(t testing.TB) string { return filepath.Join(t.TempDir(), "cache") }

func testVersion(key string, size int64) Version {
	return Version{Store: "http://here/bucket", Key: key, ETag: "e1", Size: size}
}

// diskContent is what the object of that version holds: the same in all processes.
func diskContent(v Version) []byte {
	p := make([]byte, v.Size)
	_, _ = rand.NewChaCha8(sha256.Sum256([]byte(v.Key + "\x00" + v.ETag))).Read(p)
	return p
}

// storeAll stores all of v, in one slice.
func storeAll(t testing.TB, d *Disk, v Version) []byte {
	t.Helper()
	content := put(d, v)
	f := d.Open(v)
	defer f.Close()
	wantCached(t, f, content)
	return content
}

// put stores all of v, if there is room.
func put(d *Disk, v Version) []byte {
	f := d.Open(v)
	defer f.Close()
	content := diskContent(v)
	f.Store(0, [][]byte{content})
	return content
}

func wantCached(t testing.TB, f *DiskFile, content []byte) {
	t.Helper()
	all := Range{0, int64(len(content))}
	if cached, hole := f.Have(all); cached != all || hole.Len() != 0 {
		t.Errorf("Have = %v, %v of %v", cached, hole, all)
	}
	if !f.Complete() {
		t.Error("not complete")
	}
	got := make([]byte, len(content))
	if n := f.ReadAt(got, 0); n != len(got) || !bytes.Equal(got, content) {
		t.Errorf("read %d of %d bytes, or wrong ones", n, len(got))
	}
}

// wantRight reads all that is cached, and returns how much that is.
func wantRight(t testing.TB, f *DiskFile, content []byte) (total int64) {
	t.Helper()
	p := make([]byte, 100_000)
	for at := int64(0); at < int64(len(content)); {
		n := int64(f.ReadAt(p, at))
		if !bytes.Equal(p[:n], content[at:at+n]) {
			t.Fatalf("wrong bytes in the %d at %d", n, at)
		}
		total += n
		if n == 0 {
			n = DiskBlock - at%DiskBlock
		}
		at += n
	}
	return total
}

func wantStats(t testing.TB, d *Disk, want DiskStats) {
	t.Helper()
	got := d.Stats()
	got.Bytes = want.Bytes // it depends on the file system
	if got != want {
		t.Errorf("stats = %+v, want %+v", got, want)
	}
}

func TestDiskSurvivesReopen(t *testing.T) {
	dir := diskDir(t)
	d := testDisk(t, DiskOptions{Dir: dir})
	small, large := testVersion("small", 100_000), testVersion("large", 9_000_000)
	storeAll(t, d, small)
	storeAll(t, d, large)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	d = testDisk(t, DiskOptions{Dir: dir})
	for _, v := range []Version{small, large} {
		f := d.Open(v)
		wantCached(t, f, diskContent(v))
		f.Close()
	}
	wantStats(t, d, DiskStats{Files: 4, Hits: 9_100_000}) // 1, and 3 segments
	if used := d.Stats().Bytes; used < 9_100_000 || used > 9_300_000 {
		t.Errorf("%d bytes used", used)
	}
	for _, other := range []Version{
		testVersion("small", 99_999), testVersion("smal", 100_000),
		{Store: small.Store, Key: small.Key, ETag: "e2", Size: small.Size},
		{Store: "elsewhere", Key: small.Key, ETag: small.ETag, Size: small.Size},
	} {
		f := d.Open(other)
		if cached, hole := f.Have(Range{0, 99_999}); cached.Len() != 0 || hole != (Range{0, 99_999}) {
			t.Errorf("%v: Have = %v, %v", other, cached, hole)
		}
		f.Close()
	}
}

// pairFiles are the files of the cache, sorted by name.
func pairFiles(t interface{ Fatal(...any) }, dir, suffix string) []string {
	list, err := filepath.Glob(filepath.Join(dir, "??", "*"+suffix))
	if err != nil {
		t.Fatal(err)
	}
	return list
}

func TestDiskWithoutIdentity(t *testing.T) {
	d := testDisk(t, DiskOptions{Dir: diskDir(t)})
	for _, v := range []Version{{Key: "no etag", Size: 5000}, {Key: "empty", ETag: "e"}, {Key: "odd", ETag: "e", Size: -1}} {
		f := d.Open(v)
		f.Store(0, [][]byte{make([]byte, 5000)})
		cached, _ := f.Have(Range{0, 5000})
		if _, ok := f.Passthrough(); ok || cached.Len() > 0 || f.Complete() || f.ReadAt(make([]byte, 10), 0) > 0 {
			t.Errorf("%v is cached", v)
		}
		f.Close()
	}
	if list := pairFiles(t, d.dir, ""); len(list) > 0 {
		t.Errorf("files: %v", list)
	}
}

func TestDiskClosed(t *testing.T) {
	d := testDisk(t, DiskOptions{Dir: diskDir(t)})
	f := d.Open(testVersion("a", 10_000))
	content := storeAll(t, d, f.v)
	before := descriptors(t)
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	if left := before - descriptors(t); left != 4 {
		t.Errorf("%d descriptors closed, want a pair and two locks", left)
	}
	f.Store(0, [][]byte{content})
	if n := f.ReadAt(content, 0); n != 0 {
		t.Errorf("read %d bytes", n)
	}
	if _, ok := f.Passthrough(); ok {
		t.Error("passed through")
	}
	f.Close()
}

func TestDiskTouch(t *testing.T) {
	d := testDisk(t, DiskOptions{Dir: diskDir(t)})
	clock := time.Now()
	d.now = func() time.Time { return clock }
	v := testVersion("a", 10_000)
	storeAll(t, d, v)
	index := pairFiles(t, d.dir, indexFile)[0]
	old := clock.Add(-time.Hour)
	setUsed := func() {
		t.Helper()
		if err := os.Chtimes(index, time.Time{}, old); err != nil {
			t.Fatal(err)
		}
	}
	wantUsed := func(want time.Time) {
		t.Helper()
		info, err := os.Stat(index)
		if err != nil || !info.ModTime().Equal(want) {
			t.Fatalf("last used %v, want %v, %v", info.ModTime(), want, err)
		}
	}
	setUsed()
	f := d.Open(v)
	defer f.Close()
	wantCached(t, f, diskContent(v))
	wantUsed(clock)
	setUsed()
	clock = clock.Add(touchEvery - 1)
	wantCached(t, f, diskContent(v))
	wantUsed(old)
	clock = clock.Add(1)
	wantCached(t, f, diskContent(v))
	wantUsed(clock)
}

func TestDiskDirectory(t *testing.T) {
	top := t.TempDir()
	file := filepath.Join(top, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(top, "open")
	if err := os.Mkdir(open, 0o755); err != nil {
		t.Fatal(err)
	}
	foreign := "/"
	if os.Geteuid() == 0 {
		foreign = filepath.Join(top, "foreign")
		if err := os.Mkdir(foreign, 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(foreign, 12345, 12345); err != nil {
			t.Fatal(err)
		}
	}
	for dir, want := range map[string]string{
		file: "not a directory", file + "/sub": "not a directory", open: "chmod 700", foreign: "another user",
	} {
		d, err := OpenDisk(DiskOptions{Dir: dir, Size: minDiskSize, Log: slog.New(slog.DiscardHandler)})
		if err == nil {
			d.Close()
			t.Errorf("%s was taken", dir)
		} else if !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), dir) {
			t.Errorf("%s: %v", dir, err)
		}
	}
	if _, err := OpenDisk(DiskOptions{Dir: top, Size: 1}); err == nil || !strings.Contains(err.Error(), "too small") {
		t.Errorf("size 1: %v", err)
	}
	made := filepath.Join(top, "a", "b")
	d := testDisk(t, DiskOptions{Dir: made})
	storeAll(t, d, testVersion("a", 1))
	err := filepath.Walk(made, func(path string, info os.FileInfo, err error) error {
		if err != nil || info.Mode().Perm()&0o077 != 0 {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
