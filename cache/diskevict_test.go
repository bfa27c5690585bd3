package cache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

func mustScan(t *testing.T, d *Disk) []cached {
	t.Helper()
	list, _, err := d.scan()
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// du is what du(1) says of the directory, in bytes.
func du(t *testing.T, dir string) (total int64) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, _ os.DirEntry, err error) error {
		n, err2 := blocksAt(path)
		total += n
		return errors.Join(err, err2)
	})
	if err != nil {
		t.Fatal(err)
	}
	return total
}

// setUsed says when v was used last.
func setUsed(t *testing.T, d *Disk, v Version, at time.Time) {
	t.Helper()
	if err := os.Chtimes(d.path(nameOf(v, 0, 0), indexFile), time.Time{}, at); err != nil {
		t.Fatal(err)
	}
}

func isCached(d *Disk, v Version) bool {
	_, err := os.Stat(d.path(nameOf(v, 0, 0), dataFile))
	return err == nil
}

func TestDiskEvictsTheLeastRecentlyUsed(t *testing.T) {
	d := testDisk(t, DiskOptions{Dir: diskDir(t)})
	base := time.Now().Add(-time.Hour)
	var all []Version
	for i := range 4 {
		v := testVersion(fmt.Sprint(i), 4_000_000)
		storeAll(t, d, v)
		setUsed(t, d, v, base.Add(time.Duration((i*3)%4)*time.Second)) // 0, 3, 2, 1
		all = append(all, v)
	}
	wantLeft := func(want ...bool) {
		t.Helper()
		var got []bool
		for _, v := range all {
			got = append(got, isCached(d, v))
		}
		if !slices.Equal(got, want) {
			t.Errorf("left: %v, want %v", got, want)
		}
	}
	if d.look() != 0 {
		t.Error("the limit is not kept")
	}
	wantLeft(false, true, true, true) // 16 MB of 16 MiB are more than 95 %
	f := d.Open(all[3])
	defer f.Close()
	wantCached(t, f, diskContent(all[3])) // used now
	if d.evict(mustScan(t, d), 1) != 0 {
		t.Error("not evicted")
	}
	wantLeft(false, true, false, true)
	setUsed(t, d, all[3], base.Add(-time.Hour)) // old, but open
	d.evict(mustScan(t, d), 1)
	wantLeft(false, false, false, true)
	d.evict(mustScan(t, d), 1)
	wantLeft(false, false, false, false)
	if d.Stats().Evicted != 4 || d.Stats().Files != 0 {
		t.Errorf("stats: %+v", d.Stats())
	}
	if cached, _ := f.Have(Range{0, 1}); cached.Len() > 0 {
		t.Error("what was evicted here is still held")
	}
}

func TestDiskKeepsItsBound(t *testing.T) {
	dir := diskDir(t)
	d := testDisk(t, DiskOptions{Dir: dir})
	var f *DiskFile
	for i := range 20 {
		v := testVersion(fmt.Sprint(i), int64(i%7+1)*1_000_000) // some are split
		f = d.Open(v)
		for content, at := diskContent(v), 0; at < len(content); at += 2 * ChunkSize {
			f.Store(int64(at), [][]byte{content[at:min(at+2*ChunkSize, len(content))]})
			if len(d.wake) > 0 {
				d.look()
			}
			if used := du(t, dir); used > d.size {
				t.Fatalf("%d bytes used of %d", used, d.size)
			}
		}
		if i < 19 {
			f.Close()
		}
	}
	defer f.Close()
	wantCached(t, f, diskContent(f.v))
	if s := d.Stats(); s.Dropped > 0 || s.Evicted < 15 {
		t.Errorf("stats: %+v", s)
	}
	if used, s := du(t, dir), d.Stats(); used > s.Bytes+DiskBlock || used < s.Bytes-1<<20 {
		t.Errorf("%d bytes used, and %d said", used, s.Bytes)
	}
}

func TestDiskDropsWhatDoesNotFit(t *testing.T) {
	dir := diskDir(t)
	d := testDisk(t, DiskOptions{Dir: dir})
	for i := range 10 { // nobody looks
		put(d, testVersion(fmt.Sprint(i), 3_000_000))
	}
	if used := du(t, dir); used > d.size || used < d.size-1<<20 {
		t.Errorf("%d bytes used of %d", used, d.size)
	}
	if s := d.Stats(); s.Stored+s.Dropped != 30_000_000 || s.Dropped == 0 {
		t.Errorf("stats: %+v", s)
	}
}

func TestDiskBeforeTheFirstLook(t *testing.T) {
	dir := diskDir(t)
	d, err := newDisk(DiskOptions{Dir: dir, Size: minDiskSize})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	f := d.Open(testVersion("a", 4_000_000))
	defer f.Close()
	f.Store(0, [][]byte{diskContent(f.v)})
	if used := du(t, dir); used > d.size/16+8192 || used < d.size/32 {
		t.Errorf("%d bytes used", used)
	}
	d.look()
	f.Store(0, [][]byte{diskContent(f.v)})
	wantCached(t, f, diskContent(f.v))
}

func TestDiskLeavesSpaceFree(t *testing.T) {
	dir := diskDir(t)
	d := testDisk(t, DiskOptions{Dir: dir, MinFree: 1000 << 20})
	clock := time.Now()
	d.now = func() time.Time { return clock }
	others := int64(0) // bytes
	d.free = func() (int64, error) { return 1010<<20 - du(t, dir) - others, nil }
	for i := range 5 {
		v := testVersion(fmt.Sprint(i), 1_500_000)
		storeAll(t, d, v)
		setUsed(t, d, v, clock.Add(-time.Hour+time.Duration(i)))
	}
	others = 5 << 20
	clock = clock.Add(time.Second)
	put(d, testVersion("no", 1_000_000)) // 3 MB too many, and nothing is stored
	if isCached(d, testVersion("no", 1_000_000)) || d.Stats().Dropped != 1_000_000 || len(d.wake) == 0 {
		t.Errorf("stats: %+v", d.Stats())
	}
	if d.look() != 0 {
		t.Error("the limit is not kept")
	}
	for i := range 5 {
		if got, want := isCached(d, testVersion(fmt.Sprint(i), 1_500_000)), i >= 2; got != want {
			t.Errorf("file %d is cached: %v", i, got)
		}
	}
	storeAll(t, d, testVersion("yes", 1_000_000)) // at once

	others = 1 << 30
	if d.look() == 0 {
		t.Error("it says that the limit is kept")
	}
	if list := pairFiles(t, dir, ""); len(list) > 0 {
		t.Errorf("left: %v", list)
	}
	d.free = func() (int64, error) { return 0, syscall.EIO }
	clock = clock.Add(time.Second)
	storeAll(t, d, testVersion("blind", 1_000_000)) // stores will tell
}

func TestDiskEvictionByAnother(t *testing.T) {
	dir := diskDir(t)
	a, b := testDisk(t, DiskOptions{Dir: dir}), testDisk(t, DiskOptions{Dir: dir})
	v := testVersion("a", 1_000_000)
	content := diskContent(v)
	fa, fb := a.Open(v), b.Open(v)
	defer fa.Close()
	defer fb.Close()
	fa.Store(0, [][]byte{content[:500_000]})
	fb.Store(499_000, [][]byte{content[499_000:]})
	wantCached(t, fa, content) // it sees what b stored
	wantCached(t, fb, content)

	b.evict(mustScan(t, b), 1)
	wantCached(t, fa, content) // still readable
	fa.Store(0, [][]byte{content[:8192]})
	if cached, hole := fa.Have(Range{0, v.Size}); cached.End != 8192 || hole.End != v.Size {
		t.Errorf("Have = %v, %v", cached, hole) // a new one
	}
	fb.Store(8192, [][]byte{content[8192:]})
	wantCached(t, fa, content)

	before := descriptors(t)
	b.evict(mustScan(t, b), 1)
	a.look()
	if closed := before - descriptors(t); closed != 4 {
		t.Errorf("%d descriptors closed", closed)
	}
	if cached, _ := fa.Have(Range{0, v.Size}); cached.Len() > 0 {
		t.Error("the evicted file is still held")
	}
	flock(t, b.evictor)
	fa.Store(0, [][]byte{content})
	if a.evict(mustScan(t, a), 1) != busyRest || !isCached(a, v) {
		t.Error("two evict at the same time")
	}
}

func flock(t *testing.T, f *os.File) {
	t.Helper()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		t.Fatal(err)
	}
}

func TestDiskGateIsHeld(t *testing.T) {
	dir := diskDir(t)
	a, b := testDisk(t, DiskOptions{Dir: dir}), testDisk(t, DiskOptions{Dir: dir})
	clock := time.Now()
	a.now = func() time.Time { return clock }
	flock(t, b.gate) // by a process that was stopped
	v := testVersion("a", 10_000)
	cachedOf := func() int64 {
		f := a.Open(v)
		defer f.Close()
		f.Store(0, [][]byte{diskContent(v)})
		return wantRight(t, f, diskContent(v))
	}
	if n := cachedOf(); n != 0 {
		t.Errorf("%d bytes stored", n)
	}
	b.unlockFile(t)
	if n := cachedOf(); n != 0 {
		t.Errorf("it waited again: %d bytes stored", n)
	}
	clock = clock.Add(pauseTime)
	if n := cachedOf(); n != 10_000 {
		t.Errorf("%d bytes stored", n)
	}
}

func (d *Disk) unlockFile(t *testing.T) {
	t.Helper()
	if err := syscall.Flock(int(d.gate.Fd()), syscall.LOCK_UN); err != nil {
		t.Fatal(err)
	}
}

func TestDiskLeavesForeignFilesAlone(t *testing.T) {
	dir := diskDir(t)
	d := testDisk(t, DiskOptions{Dir: dir})
	v := testVersion("a", 3_000_000)
	storeAll(t, d, v)
	data := pairFiles(t, dir, dataFile)[0]
	sub, name := filepath.Dir(data), filepath.Base(data)
	foreign := []string{
		filepath.Join(dir, "note"), filepath.Join(dir, name), filepath.Join(sub, "note.data"),
		filepath.Join(sub, strings.ToUpper(name)), filepath.Join(sub, name+".bak"), filepath.Join(sub, name[1:]),
		filepath.Join(dir, "zz", name), filepath.Join(dir, "dir", name),
	}
	for _, path := range foreign {
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	odd := filepath.Join(sub, "11"+name[2:]) // of our name, but a directory
	if err := os.Mkdir(odd, 0o700); err != nil {
		t.Fatal(err)
	}
	if list := mustScan(t, d); len(list) != 1 {
		t.Errorf("found %d", len(list))
	}
	d.free = func() (int64, error) { return 0, nil }
	d.minFree = 1 << 40
	d.look()
	for _, path := range append(foreign, odd) {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	if isCached(d, v) {
		t.Error("nothing was evicted")
	}
}

func TestDiskHalfPairsAreEvicted(t *testing.T) {
	dir := diskDir(t)
	d := testDisk(t, DiskOptions{Dir: dir})
	a, b := testVersion("a", 100_000), testVersion("b", 100_000)
	storeAll(t, d, a)
	storeAll(t, d, b)
	os.Remove(d.path(nameOf(a, 0, 0), indexFile)) // as after kill -9
	os.Remove(d.path(nameOf(b, 0, 0), dataFile))
	list := mustScan(t, d)
	if len(list) != 2 {
		t.Errorf("found %d", len(list))
	}
	d.evict(list, 1<<20)
	if list := pairFiles(t, dir, ""); len(list) > 0 {
		t.Errorf("left: %v", list)
	}
}
