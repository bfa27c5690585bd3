package cache

import (
	"bytes"
	"log/slog"
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// change writes b at off, counted from the end if negative, or cuts there.
func change(t *testing.T, name string, off int64, b []byte) {
	t.Helper()
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if off < 0 {
		off += info.Size()
	}
	if b == nil {
		err = f.Truncate(off)
	} else {
		_, err = f.WriteAt(b, off)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestDiskDamage(t *testing.T) {
	const size = 10*DiskBlock + 100
	junk := []byte("junk")
	for _, c := range []struct {
		name   string
		suffix string
		off    int64
		bytes  []byte // nil: cut
		left   int64  // bytes that are still served at the next open
		live   int64  // and while it is open; complete, so it goes as a whole
	}{
		{"data", dataFile, 3*DiskBlock + 7, junk, 0, 3 * DiskBlock},
		{"data of the last block", dataFile, -1, junk[:1], 0, 10 * DiskBlock},
		{"checksum", indexFile, headerSize + 4*5 + 1, junk[:1], 0, 5 * DiskBlock},
		{"checksum gone", indexFile, headerSize + 4*5, make([]byte, 4), size - DiskBlock, size - DiskBlock},
		{"data cut", dataFile, 4*DiskBlock + 1, nil, 0, 4 * DiskBlock},
		{"data longer", dataFile, size, junk, 0, size},
		{"index cut", indexFile, headerSize + 4*2 + 2, nil, 0, 2 * DiskBlock},
		{"header cut", indexFile, 5, nil, 0, 0},
		{"index empty", indexFile, 0, nil, 0, 0},
		{"magic", indexFile, 2, junk, 0, size},
		{"identity", indexFile, 20, junk, 0, size},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, live := range []bool{false, true} {
				dir := diskDir(t)
				d := testDisk(t, DiskOptions{Dir: dir})
				v := testVersion("a", size)
				content := storeAll(t, d, v)
				f := d.Open(v)
				want := c.left
				if live {
					wantCached(t, f, content)
					want = c.live
				}
				change(t, pairFiles(t, dir, c.suffix)[0], c.off, c.bytes)
				got := wantRight(t, f, content)
				if again := wantRight(t, f, content); again > got {
					t.Errorf("live %v: %d bytes, then %d", live, got, again)
				}
				if got < want || !live && want == 0 && got > 10*DiskBlock {
					t.Errorf("live %v: %d bytes served, want %d", live, got, want)
				}
				f.Store(0, [][]byte{content})
				f.Store(0, [][]byte{content})
				wantCached(t, f, content)
				f.Close()
				f = d.Open(v)
				if wantRight(t, f, content) < size {
					f.Store(0, [][]byte{content})
				}
				wantCached(t, f, content)
				f.Close()
			}
		})
	}
}

func TestDiskDamageIsReported(t *testing.T) {
	var log bytes.Buffer
	dir := diskDir(t)
	d := testDisk(t, DiskOptions{Dir: dir, Log: slog.New(slog.NewTextHandler(&log, nil))})
	v := testVersion("some/key", 6<<20) // of two segments
	f := d.Open(v)
	defer f.Close()
	content := diskContent(v)
	f.Store(0, [][]byte{content[:5<<20]})
	list := pairFiles(t, dir, dataFile)
	i := slices.IndexFunc(list, func(name string) bool {
		info, err := os.Stat(name)
		return err == nil && info.Size() == 2<<20
	})
	change(t, list[i], 2*DiskBlock, []byte("x"))
	p := make([]byte, 6<<20)
	const bad = 4<<20 + 2*DiskBlock
	if n := f.ReadAt(p, 0); n != bad || !bytes.Equal(p[:n], content[:n]) {
		t.Errorf("read %d bytes", n)
	}
	if !strings.Contains(log.String(), "key=some/key offset=4202496") {
		t.Errorf("log: %s", &log)
	}
	cached, hole := f.Have(Range{4<<20 + 1, 6 << 20})
	if cached.End != bad || hole != (Range{bad, bad + DiskBlock}) {
		t.Errorf("Have = %v, %v", cached, hole)
	}
	f.Store(bad-1, [][]byte{content[bad-1 : bad+DiskBlock-1]}) // not the whole block
	if n := f.ReadAt(p, bad); n != 0 {
		t.Errorf("read %d bytes", n)
	}
	f.Store(bad-1, [][]byte{content[bad-1:]})
	wantCached(t, f, content)
	wantStats(t, d, DiskStats{
		Files: 2, Hits: bad + 6<<20, Misses: 6<<20 - bad + 6<<20 - bad,
		Stored: 6<<20 + DiskBlock, Corrupt: 1,
	})
}

// sameFile says that the file of that name is still f.
func sameFile(t *testing.T, name string, f *os.File) bool {
	t.Helper()
	a, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.Stat(name)
	return err == nil && os.SameFile(a, b)
}

func passed(t *testing.T, f *DiskFile, content []byte) *os.File {
	t.Helper()
	file, ok := f.Passthrough()
	if !ok {
		t.Fatal("not passed through")
	}
	t.Cleanup(func() { file.Close() })
	wantFile(t, file.File, content)
	return file.File
}

func wantFile(t *testing.T, file *os.File, content []byte) {
	t.Helper()
	got := make([]byte, len(content)+1)
	if n, _ := file.ReadAt(got, 0); n != len(content) || !bytes.Equal(got[:n], content) {
		t.Errorf("the file has %d bytes of %d, or wrong ones", n, len(content))
	}
	if _, err := file.WriteAt([]byte("x"), 0); err == nil {
		t.Error("the file can be written to")
	}
}

func notPassed(t *testing.T, f *DiskFile) {
	t.Helper()
	if file, ok := f.Passthrough(); ok {
		file.Close()
		t.Error("passed through")
	}
	f.d.wg.Wait() // what it began
}

func TestDiskPassthroughOfOwn(t *testing.T) {
	dir := diskDir(t)
	d := testDisk(t, DiskOptions{Dir: dir})
	v := testVersion("a", 500_001)
	f := d.Open(v)
	content := diskContent(v)
	notPassed(t, f)
	f.Store(100_000, [][]byte{content[100_000:]})
	f.Store(100_000, [][]byte{content[100_000:]})
	notPassed(t, f)
	f.Close()
	f = d.Open(v)
	defer f.Close()
	f.Store(0, [][]byte{content[:110_000]})
	file := passed(t, f, content)
	f.Store(0, [][]byte{content}) // writes nothing
	passed(t, f, content)

	d.evict(mustScan(t, d), 1)
	wantFile(t, file, content)
	notPassed(t, f)
	if list := pairFiles(t, dir, ""); len(list) > 0 || f.Complete() {
		t.Errorf("not evicted: %v", list)
	}
	f.Store(0, [][]byte{content})
	if again := passed(t, f, content); sameFile(t, again.Name(), file) {
		t.Error("the evicted file is back")
	}
	large := d.Open(testVersion("large", 5<<20))
	defer large.Close()
	large.Store(0, [][]byte{diskContent(large.v)})
	if !large.Complete() {
		t.Error("not complete")
	}
	notPassed(t, large)
}

func TestDiskPassthroughOfOthers(t *testing.T) {
	dir := diskDir(t)
	v := testVersion("a", 700_001)
	content := storeAll(t, testDisk(t, DiskOptions{Dir: dir}), v)
	data := pairFiles(t, dir, dataFile)[0]

	d := testDisk(t, DiskOptions{Dir: dir, Log: slog.New(slog.NewTextHandler(t.Output(), nil))})
	f := d.Open(v)
	defer f.Close()
	notPassed(t, f)
	notPassed(t, f) // and it is verified now
	file := passed(t, f, content)

	// Any change of the file ends the trust, until it is verified again.
	change(t, data, 5, content[5:6])
	if err := os.Chmod(data, 0o640); err != nil { // another ctime at any rate
		t.Fatal(err)
	}
	if err := os.Chtimes(data, longAgo(), longAgo()); err != nil {
		t.Fatal(err)
	}
	notPassed(t, f)
	notPassed(t, f)
	passed(t, f, content)

	// Damage is found by the verification, and the file is given up as a whole.
	change(t, data, 400_000, []byte("junk"))
	if err := os.Chtimes(data, longAgo(), longAgo().Add(1)); err != nil {
		t.Fatal(err)
	}
	notPassed(t, f)
	notPassed(t, f)
	if _, err := os.Stat(data); err == nil {
		t.Error("the damaged file is still there")
	}
	if d.Stats().Corrupt != 1 {
		t.Errorf("corrupt = %d", d.Stats().Corrupt)
	}
	f.Store(0, [][]byte{content})
	passed(t, f, content)
	if sameFile(t, data, file) {
		t.Error("the damaged file is used again")
	}
}

// What reads have checked needs no other check, wherever it was written.
func TestDiskPassthroughAfterReads(t *testing.T) {
	for _, c := range []struct {
		name   string
		parts  []Range
		damage bool // in what was read already, with another mtime
		passes bool
	}{
		{"all of it", []Range{{0, 700_001}}, false, true},
		{"in any order, and twice", []Range{{400_000, 700_001}, {0, 4096}, {0, 5000}, {4096, 400_001}}, false, true},
		{"but for a block", []Range{{0, 400_000}, {409_600, 700_001}}, false, false},
		{"and then it changed", []Range{{0, 700_001}}, true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := diskDir(t)
			v := testVersion("a", 700_001)
			content := storeAll(t, testDisk(t, DiskOptions{Dir: dir}), v)
			d := testDisk(t, DiskOptions{Dir: dir})
			f := d.Open(v)
			defer f.Close()
			for _, r := range c.parts {
				p := make([]byte, r.Len())
				if n := f.ReadAt(p, r.Off); int64(n) != r.Len() || !bytes.Equal(p, content[r.Off:r.End]) {
					t.Fatalf("%d bytes of %v, or wrong ones", n, r)
				}
			}
			if c.damage {
				data := pairFiles(t, dir, dataFile)[0]
				change(t, data, 5, []byte("junk"))
				if err := os.Chtimes(data, longAgo(), longAgo()); err != nil {
					t.Fatal(err)
				}
			}
			d.cancel() // nothing is verified behind the scenes
			if c.passes {
				passed(t, f, content)
			} else {
				notPassed(t, f)
				notPassed(t, f)
			}
		})
	}
}

// What is read while this process stores other blocks of the file counts as well.
func TestDiskPassthroughAfterReadsAndStores(t *testing.T) {
	dir := diskDir(t)
	v := testVersion("a", 100*DiskBlock)
	content := diskContent(v)
	other := testDisk(t, DiskOptions{Dir: dir}).Open(v)
	other.Store(0, [][]byte{content[:50*DiskBlock]})
	other.Close()

	d := testDisk(t, DiskOptions{Dir: dir})
	f := d.Open(v)
	defer f.Close()
	f.Store(50*DiskBlock, [][]byte{content[50*DiskBlock : 60*DiskBlock]})
	s := f.take(0, false)
	defer d.give(s)
	early := s.reading()
	f.Store(60*DiskBlock, [][]byte{content[60*DiskBlock:]})
	s.checked(early, Range{0, 50})
	passed(t, f, content)
}

// A file that is read here and there costs no more memory than one read as a whole.
func TestDiskTrustIsBounded(t *testing.T) {
	tr := &trust{}
	for b := int64(0); b < 10_000; b += 2 {
		tr.add(Range{b, b + 1})
		if n := len(tr.right.List()); n > mostRights {
			t.Fatalf("%d ranges", n)
		}
	}
	// What lies between ranges as many as may be can be added as well.
	tr = &trust{}
	for i := range int64(2 * mostRights) {
		b := i * 2 % (2 * mostRights) // first each other block
		if i >= mostRights {
			b++
		}
		tr.add(Range{b, b + 1})
	}
	if !tr.right.Covers(0, 2*mostRights) {
		t.Errorf("forgotten: %v", tr.right.List())
	}
	if tr.add(Range{0, 10_000}); !tr.right.Covers(0, 10_000) {
		t.Error("what was read as a whole is forgotten")
	}
}

// Another process has evicted a pair that is open here, and made it anew with a
// part of the object. What is read of the old one is right, and says nothing of
// the new one, which is mostly holes.
func TestDiskPassthroughOfAnotherPair(t *testing.T) {
	dir := diskDir(t)
	v := testVersion("a", 700_001)
	d, other := testDisk(t, DiskOptions{Dir: dir}), testDisk(t, DiskOptions{Dir: dir})
	content := storeAll(t, other, v)
	f, g := d.Open(v), other.Open(v)
	defer f.Close()
	defer g.Close()
	f.ReadAt(make([]byte, 10), 0) // it is open now
	other.evict(mustScan(t, other), 1)
	g.Store(0, [][]byte{content[:2*DiskBlock]})
	d.cancel() // nothing is verified behind the scenes
	for range 2 {
		notPassed(t, f)
		wantRight(t, f, content)
	}
	g.Store(0, [][]byte{content})
	notPassed(t, f)
	d.look() // the old pair is let go of
	wantRight(t, f, content)
	passed(t, f, content)
}

func TestDiskPassthroughAfterDamageFoundByRead(t *testing.T) {
	dir := diskDir(t)
	d := testDisk(t, DiskOptions{Dir: dir})
	v := testVersion("a", 70_000)
	content := storeAll(t, d, v)
	f := d.Open(v)
	defer f.Close()
	file := passed(t, f, content)
	change(t, file.Name(), 0, []byte("junk"))
	before, err := os.ReadFile(file.Name())
	if err != nil {
		t.Fatal(err)
	}
	if n := f.ReadAt(make([]byte, 10), 0); n != 0 {
		t.Errorf("read %d bytes", n)
	}
	notPassed(t, f)
	f.Store(0, [][]byte{content})
	passed(t, f, content)
	wantFile(t, file, before) // what the kernel has is left as it is
}

func TestDiskPassthroughOfBoth(t *testing.T) {
	dir := diskDir(t)
	d := testDisk(t, DiskOptions{Dir: dir})
	f := d.Open(testVersion("a", 10*DiskBlock))
	defer f.Close()
	content := diskContent(f.v)
	f.Store(0, [][]byte{content[:4*DiskBlock]})
	// Somebody else changes the file between two stores of our own.
	data := pairFiles(t, dir, dataFile)[0]
	change(t, data, 5, []byte("junk"))
	if err := os.Chtimes(data, longAgo(), longAgo()); err != nil {
		t.Fatal(err)
	}
	f.Store(0, [][]byte{content})
	notPassed(t, f)
	notPassed(t, f) // and it is found damaged
	f.Store(0, [][]byte{content})
	passed(t, f, content)
	if d.Stats().Corrupt != 1 {
		t.Errorf("corrupt = %d", d.Stats().Corrupt)
	}
}

// TestDiskPassthroughCountsNoBlockTwice has a block that another process dropped.
func TestDiskPassthroughCountsNoBlockTwice(t *testing.T) {
	for _, rest := range []int64{3, 9} { // the block that is stored next
		dir := diskDir(t)
		d := testDisk(t, DiskOptions{Dir: dir})
		f := d.Open(testVersion("a", 10*DiskBlock))
		defer f.Close()
		content := diskContent(f.v)
		f.Store(0, [][]byte{content[:9*DiskBlock]})
		if f.Complete() { // and it remembers how far it looked
			t.Error("complete")
		}
		change(t, pairFiles(t, dir, indexFile)[0], headerSize+4*3, make([]byte, 4))
		f.Store(rest*DiskBlock, [][]byte{content[rest*DiskBlock : (rest+1)*DiskBlock]})
		notPassed(t, f)
		if n := wantRight(t, f, content); n != 9*DiskBlock {
			t.Errorf("%d bytes are there", n)
		}
		notPassed(t, f)
		if f.Complete() {
			t.Error("complete")
		}
		f.Store(0, [][]byte{content})
		passed(t, f, content)
		passed(t, f, content)
	}
}

func TestDiskVerificationStopsAtClose(t *testing.T) {
	dir := diskDir(t)
	v := testVersion("a", 3<<20)
	storeAll(t, testDisk(t, DiskOptions{Dir: dir}), v)
	d := testDisk(t, DiskOptions{Dir: dir})
	f := d.Open(v)
	defer f.Close()
	d.cancel()
	notPassed(t, f)
	notPassed(t, f)
	notPassed(t, f)
	if trust, _ := d.mu.trust.Get(f.name); len(trust.right.List()) > 0 || len(d.mu.verifying) > 0 {
		t.Error("it went on")
	}
}

func TestDiskPassedFileIsUsed(t *testing.T) {
	dir := diskDir(t)
	d := testDisk(t, DiskOptions{Dir: dir})
	clock := d.now()
	v := testVersion("a", 70_000)
	content := storeAll(t, d, v)
	f := d.Open(v)
	passed(t, f, content)
	f.Close() // as who passes it on does
	d.now = func() time.Time { return clock.Add(2 * touchEvery) }
	d.look()
	info, err := os.Stat(pairFiles(t, dir, indexFile)[0])
	if err != nil || !info.ModTime().Equal(d.now()) {
		t.Errorf("last used %v, %v", info, err)
	}
	// What nobody has open is evicted before it, however lately it was used.
	d.now = func() time.Time { return clock.Add(4 * touchEvery) }
	storeAll(t, d, testVersion("b", 70_000))
	d.evict(mustScan(t, d), 1)
	g := d.Open(v)
	defer g.Close()
	if !g.Complete() {
		t.Error("what the kernel reads was evicted")
	}
}

func longAgo() time.Time { return time.Unix(1_000_000_000, 0) }
