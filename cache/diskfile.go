package cache

import (
	"errors"
	"sync/atomic"
)

// DiskFile is what a Disk has of one version. It is shared by all who open that
// version, and safe for concurrent use. Nothing of it fails: what cannot be
// cached is not there.
type DiskFile struct {
	d     *Disk
	v     Version
	inert bool     // of a version that cannot be told from others, or is empty
	name  diskName // where the object is not split

	whole atomic.Int64 // segments before it were complete

	// Guarded by d.mu.
	refs   int
	passed int // of them: those of a Passed
}

// Open returns what is cached of v. It creates no file before something is
// stored. The caller closes it.
func (d *Disk) Open(v Version) *DiskFile {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.mu.files[v]
	if f == nil {
		f = &DiskFile{d: d, v: v, inert: v.ETag == "" || v.Size <= 0}
		if !f.inert && !f.split() {
			f.name = nameOf(v, 0, 0)
		}
		d.mu.files[v] = f
	}
	f.refs++
	return f
}

// Close ends the use of f by one who opened it.
func (f *DiskFile) Close() {
	d := f.d
	d.mu.Lock()
	if f.refs--; f.refs == 0 {
		delete(d.mu.files, f.v)
		for _, key := range d.mu.open.Keys() {
			if key.file == f {
				d.mu.open.Remove(key)
			}
		}
	}
	d.unlockAndClose()
}

// split says that eviction should not have to take all of the object at once.
func (f *DiskFile) split() bool { return f.v.Size > f.d.size/4 }

// segmentAt is the index of the segment that holds off.
func (f *DiskFile) segmentAt(off int64) int64 {
	if !f.split() {
		return 0
	}
	return off / f.d.segment
}

// segment is where the n-th segment lies in the object.
func (f *DiskFile) segment(n int64) Range {
	if !f.split() {
		return Range{0, f.v.Size}
	}
	return Range{n * f.d.segment, min((n+1)*f.d.segment, f.v.Size)}
}

func (f *DiskFile) nameOf(n int64) diskName {
	if !f.split() {
		return f.name
	}
	return nameOf(f.v, f.d.segment, n)
}

// clip cuts r to the object.
func (f *DiskFile) clip(r Range) Range {
	r.Off = max(r.Off, 0)
	r.End = max(min(r.End, f.v.Size), r.Off)
	return r
}

// Have returns which part of r, from its beginning on, is cached, and how far
// the hole behind it reaches. Either may be empty. Both end at a multiple of
// DiskBlock, or where r or the object ends. What is there may be found damaged
// when it is read, and be evicted at any time.
func (f *DiskFile) Have(r Range) (cached, hole Range) {
	r = f.clip(r)
	cached, hole = Range{r.Off, r.Off}, Range{r.End, r.End}
	for at := r.Off; at < r.End; {
		there, end := f.haveOne(Range{at, r.End})
		if there && cached.End < at {
			break // behind the hole
		}
		if there {
			cached.End = end
		}
		at = end
		hole = Range{cached.End, at}
	}
	return cached, hole
}

// haveOne is Have within one segment: how far r is cached, or is not.
func (f *DiskFile) haveOne(r Range) (there bool, end int64) {
	n := f.segmentAt(r.Off)
	where := f.segment(n)
	end = min(where.End, r.End)
	s := f.take(n, false)
	if s == nil {
		return false, end
	}
	defer f.d.give(s)
	there, until := s.have((r.Off-where.Off)/DiskBlock, blocksOf(end-where.Off))
	return there, min(end, where.Off+until*DiskBlock)
}

// ReadAt reads what is cached of the object from off on into p, up to the first
// byte that is absent, and returns how much that is. Each byte has been checked
// against its checksum: a damaged block is dropped, logged and counted, and is
// absent from then on.
func (f *DiskFile) ReadAt(p []byte, off int64) (n int) {
	r := f.clip(Range{off, off + int64(len(p))})
	at := r.Off
	for at < r.End {
		i := f.segmentAt(at)
		where := f.segment(i)
		s := f.take(i, false)
		if s == nil {
			break
		}
		end := min(where.End, r.End)
		got := s.read(p[at-r.Off:end-r.Off], at-where.Off)
		f.d.give(s)
		at += got
		if at < end {
			break
		}
	}
	f.d.hits.Add(at - r.Off)
	f.d.misses.Add(r.End - at)
	return int(at - r.Off)
}

// Store keeps the blocks that lie wholly in data, which are bytes of the object
// from off on; the last block of the object may be short. It returns when the
// page cache has them. Where there is no room, or the disk fails, they are
// dropped.
func (f *DiskFile) Store(off int64, data [][]byte) {
	end := off
	for _, p := range data {
		end += int64(len(p))
	}
	if f.inert || off < 0 || end > f.v.Size {
		return
	}
	r := Range{(off + DiskBlock - 1) / DiskBlock * DiskBlock, end}
	if end < f.v.Size {
		r.End = end / DiskBlock * DiskBlock
	}
	from := &slicesAt{data: data, off: off}
	for r.Off < r.End {
		n := f.segmentAt(r.Off)
		part := Range{r.Off, min(r.End, f.segment(n).End, r.Off+f.d.batch*DiskBlock)}
		if !f.storePart(n, part, from) {
			break
		}
		r.Off = part.End
	}
	if r.Off < r.End {
		f.d.dropped.Add(r.End - r.Off)
	}
}

// storePart stores one batch, which lies in one segment.
func (f *DiskFile) storePart(n int64, r Range, from *slicesAt) bool {
	d := f.d
	// Room for the blocks, the pages of their index, and what a new pair takes.
	need := (blocksOf(r.Len()) + blocksOf(4*blocksOf(r.Len())) + 4) * DiskBlock
	if !d.admit(need) {
		return false
	}
	var grown int64
	defer func() { d.settle(need, grown) }()
	for range 2 {
		s := f.take(n, true)
		if s == nil {
			return false
		}
		b := (r.Off - s.base) / DiskBlock
		stored, by, err := s.store(b, b+blocksOf(r.Len()), from)
		grown += by
		d.stored.Add(stored)
		if errors.Is(err, errUnlinked) {
			d.detach(s.name)
			d.give(s)
			continue // evicted: begin anew
		}
		d.give(s)
		if err != nil {
			d.pause("write", err)
		}
		return err == nil
	}
	return false
}

// Complete says that all of the object was there when it was looked at.
func (f *DiskFile) Complete() bool {
	if f.inert || f.v.Size > f.d.size {
		return false
	}
	last := f.segmentAt(f.v.Size - 1)
	for n := f.whole.Load(); n <= last; n++ {
		s := f.take(n, false)
		if s == nil {
			return false
		}
		there := s.complete()
		f.d.give(s)
		if !there {
			return false
		}
		if f.split() {
			f.whole.Store(n + 1) // a single one is cheap to ask, and may be evicted
		}
	}
	return true
}

// slicesAt is consecutive slices of an object, from off on.
type slicesAt struct {
	data [][]byte
	off  int64

	i   int   // where the last get began
	at  int64 // how many bytes lie before data[i]
	out [][]byte
}

// get returns [off, end) of the object, which data has. What it returned before
// is overwritten.
func (s *slicesAt) get(off, end int64) [][]byte {
	s.out = s.out[:0]
	off, end = off-s.off, end-s.off
	if off < s.at {
		s.i, s.at = 0, 0
	}
	for off >= s.at+int64(len(s.data[s.i])) {
		s.at += int64(len(s.data[s.i]))
		s.i++
	}
	at := s.at
	for i := s.i; off < end; i++ {
		p := s.data[i]
		from, to := off-at, min(end-at, int64(len(p)))
		at += int64(len(p))
		if from < to {
			s.out = append(s.out, p[from:to])
			off += to - from
		}
	}
	return s.out
}
