package cache

import (
	"bytes"
	"log/slog"
	"os"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// diskModel compares Disk with what it was told.
type diskModel struct {
	dir     string
	d       *Disk
	v       []Version
	content [][]byte
	files   []*DiskFile
	stored  []map[int64]bool // blocks
	harmed  bool
}

func (m *diskModel) open(t *rapid.T) {
	d, err := newDisk(DiskOptions{Dir: m.dir, Size: minDiskSize, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	d.look()
	m.d, m.files = d, nil
	for _, v := range m.v {
		m.files = append(m.files, d.Open(v))
	}
}

func (m *diskModel) rangeOf(t *rapid.T, i int) Range {
	size := int(m.v[i].Size)
	off := rapid.IntRange(0, size-1).Draw(t, "off")
	n := rapid.OneOf(rapid.IntRange(0, 20_000), rapid.IntRange(0, size)).Draw(t, "n")
	if rapid.Bool().Draw(t, "aligned") {
		off -= off % DiskBlock
		n = (n + DiskBlock - 1) / DiskBlock * DiskBlock
	}
	return Range{int64(off), int64(min(off+n, size))}
}

func (m *diskModel) step(t *rapid.T) {
	i := rapid.IntRange(0, len(m.v)-1).Draw(t, "object")
	switch rapid.IntRange(0, 9).Draw(t, "op") {
	case 0, 1, 2, 3:
		m.store(t, i)
	case 4, 5, 6:
		m.read(t, i)
	case 7:
		m.files[i].Close()
		m.files[i] = m.d.Open(m.v[i])
	case 8:
		m.d.Close()
		m.open(t)
	case 9:
		if rapid.IntRange(0, 3).Draw(t, "harm") == 0 {
			m.harm(t, i)
		}
	}
}

func (m *diskModel) store(t *rapid.T, i int) {
	r := m.rangeOf(t, i)
	var data [][]byte
	for rest := m.content[i][r.Off:r.End]; len(rest) > 0; {
		n := min(rapid.SampledFrom([]int{0, 1, 1000, DiskBlock, 5000, ChunkSize}).Draw(t, "slice"), len(rest))
		if n < 1000 && len(data) > 20 {
			n = len(rest)
		}
		data = append(data, rest[:n])
		rest = rest[n:]
	}
	m.files[i].Store(r.Off, data)
	for b := blocksOf(r.Off); b < blocksOf(m.v[i].Size); b++ {
		if min((b+1)*DiskBlock, m.v[i].Size) <= r.End {
			m.stored[i][b] = true
		}
	}
}

func (m *diskModel) until(i int, r Range, there bool) int64 {
	at := r.Off
	for at < r.End && m.stored[i][at/DiskBlock] == there {
		at = min((at/DiskBlock+1)*DiskBlock, r.End)
	}
	return at
}

func (m *diskModel) read(t *rapid.T, i int) {
	r := m.rangeOf(t, i)
	cached, hole := m.files[i].Have(r)
	p := make([]byte, r.Len())
	n := m.files[i].ReadAt(p, r.Off)
	if !bytes.Equal(p[:n], m.content[i][r.Off:r.Off+int64(n)]) {
		t.Fatalf("%v of object %d: wrong bytes among %d", r, i, n)
	}
	if m.harmed {
		return
	}
	there := m.until(i, r, true)
	want := Range{there, m.until(i, Range{there, r.End}, false)}
	if cached != (Range{r.Off, there}) || hole != want || int64(n) != there-r.Off {
		t.Fatalf("%v of object %d: cached %v, hole %v, read %d; want up to %d, hole %v", r, i, cached, hole, n, there, want)
	}
	if m.files[i].Complete() != (m.until(i, Range{0, m.v[i].Size}, true) == m.v[i].Size) {
		t.Fatalf("object %d: complete = %v", i, m.files[i].Complete())
	}
}

// harm changes some bytes in any of the files.
func (m *diskModel) harm(t *rapid.T, i int) {
	m.harmed = true
	list := pairFiles(t, m.dir, "")
	if len(list) == 0 {
		return
	}
	name := list[rapid.IntRange(0, len(list)-1).Draw(t, "file")]
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	at := int64(rapid.IntRange(0, max(int(info.Size())-1, 0)).Draw(t, "at"))
	if rapid.IntRange(0, 5).Draw(t, "cut") == 0 {
		err = f.Truncate(at)
	} else {
		_, err = f.WriteAt([]byte(rapid.StringN(1, 100, 100).Draw(t, "garbage")), at)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func TestDiskModel(t *testing.T) {
	top := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(top, "")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		m := &diskModel{dir: dir}
		for _, size := range []int64{1, DiskBlock, 3*DiskBlock + 1, 150_000, 4<<20 + 5000} {
			v := testVersion(strings.Repeat("k", len(m.v)), size)
			m.v = append(m.v, v)
			m.content = append(m.content, diskContent(v))
			m.stored = append(m.stored, map[int64]bool{})
		}
		m.open(t)
		defer func() { m.d.Close() }()
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			m.step(t)
		}
		if corrupt := m.d.Stats().Corrupt; corrupt != 0 && !m.harmed {
			t.Fatalf("%d blocks corrupt", corrupt)
		}
	})
}
