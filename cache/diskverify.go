package cache

import (
	"os"
	"syscall"
)

const (
	mostVerifying = 1 // files at once: it is done for later opens only
	verifyPiece   = 256 << 10
)

// trust is what this process knows of a pair: so many of its blocks were
// written here, or checked, and the data file has not changed since.
type trust struct {
	id     fileID
	blocks int64
	whole  bool // all blocks were there: from then on no process makes one absent
}

// wrote notes that this process stored so many blocks.
func (d *Disk) wrote(name diskName, before, after fileID, blocks int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, ok := d.mu.trust.Get(name)
	if !ok {
		return
	}
	if t.id != before {
		d.mu.trust.Remove(name) // others wrote as well
		return
	}
	t.id = after
	t.blocks += blocks
	d.mu.trust.Add(name, t)
}

func (d *Disk) distrust(name diskName) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.trust.Remove(name)
}

// Passthrough returns a file, open for reading, that is all of the object, for
// the kernel to read by itself. Each block of it was written or checked by this
// process, and the file has not changed since. It will not: a complete file is
// removed, but never written to. The caller closes it.
//
// It returns false where there is no such file, as with objects larger than a
// quarter of the cache. Where there is one that was not checked yet, that
// begins in the background, one file at a time, for a later call.
func (f *DiskFile) Passthrough() (*os.File, bool) {
	if f.inert || f.split() {
		return nil, false
	}
	data, err := os.OpenFile(f.d.path(f.name, dataFile), os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, false // most are not cached; what else it may be, reads will tell
	}
	if f.trusted(data) {
		f.passed.Store(true)
		return data, true
	}
	data.Close()
	if f.Complete() {
		f.d.verifyLater(f.name, f.v)
	}
	return nil, false
}

func (f *DiskFile) trusted(data *os.File) bool {
	id, st, err := idOf(data)
	if err != nil || st.Nlink == 0 || id.size != f.v.Size {
		return false
	}
	t := f.d.trustIn(f.name)
	if t.id != id || t.blocks < blocksOf(id.size) {
		return false
	}
	s := f.take(0, false) // which also says that it is used
	if s == nil {
		return false
	}
	defer f.d.give(s)
	if t.whole {
		return true
	}
	// Another process may have dropped a block, and this one stored it again:
	// it was counted twice then. What the segment remembers is no proof either.
	if there, until := s.have(0, s.blocks); !there || until < s.blocks {
		return false
	}
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	t.whole = true
	if now, ok := f.d.mu.trust.Get(f.name); ok && now.id == id {
		f.d.mu.trust.Add(f.name, t)
	}
	return true
}

// trustIn is nothing where nothing is known.
func (d *Disk) trustIn(name diskName) trust {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, _ := d.mu.trust.Get(name)
	return t
}

// verifyLater checks a complete pair in the background.
func (d *Disk) verifyLater(name diskName, v Version) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.closed || len(d.mu.verifying) >= mostVerifying {
		return
	}
	d.mu.verifying[name] = struct{}{}
	d.wg.Go(func() {
		d.verify(name, v)
		d.mu.Lock()
		defer d.mu.Unlock()
		delete(d.mu.verifying, name)
	})
}

// verify reads all of a pair, by descriptors of its own: who opened it may
// close it meanwhile.
func (d *Disk) verify(name diskName, v Version) {
	s, err := d.openPair(name, v.Size)
	if err != nil {
		return // evicted
	}
	defer s.close()
	s.key = v.Key
	before, err := s.stat()
	if err != nil || !s.right() {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.trust.Add(name, trust{before.data, s.blocks, true}) // of no use if it changed meanwhile
}

// right says that all blocks are there and right.
func (s *segment) right() bool {
	p := make([]byte, verifyPiece)
	for off := int64(0); off < s.size; {
		if s.d.stop.Err() != nil {
			return false
		}
		n := s.readWhole(p, off/DiskBlock)
		if n == 0 {
			return false
		}
		off += n
	}
	return true
}

// touchPassed keeps what the kernel may be reading from looking unused.
func (d *Disk) touchPassed() {
	d.mu.Lock()
	var list []*DiskFile
	for _, f := range d.mu.files {
		if f.passed.Load() {
			f.refs++
			list = append(list, f)
		}
	}
	d.mu.Unlock()
	for _, f := range list {
		if s := f.take(0, false); s != nil {
			d.give(s)
		}
		f.Close()
	}
}
