package cache

import (
	"os"
	"syscall"
)

const (
	mostVerifying = 1 // files at once: it is done for later opens only
	verifyPiece   = 256 << 10
)

// trust is what this process knows of a pair: which of its blocks were written
// or checked here, with the data file as it is since.
type trust struct {
	id    fileID
	right Ranges // in blocks
	whole bool   // all blocks were there: from then on no process makes one absent
}

// mostRights bounds what is remembered of a file that is read here and there.
const mostRights = 256

// add notes blocks that are right.
func (t *trust) add(blocks Range) {
	t.right.Add(blocks.Off, blocks.End)
	if len(t.right.list) > mostRights { // what closes a gap is no range more
		t.right.Clear()
		t.right.Add(blocks.Off, blocks.End)
	}
}

// wrote notes what this process stored.
func (d *Disk) wrote(name diskName, before, after fileID, stored []Range) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, ok := d.mu.trust.Get(name)
	if !ok || t.id != before { // else others wrote as well
		t = &trust{}
		d.mu.trust.Add(name, t)
	}
	t.id = after
	for _, blocks := range stored {
		t.add(blocks)
	}
}

// reading returns what counts the blocks that are read of s from now on, or nil
// where nothing does: trust is in another file, as a pair that is open may have
// been evicted by another process, and made anew. Of one file any state will do,
// as a store may be under way: that the states follow one another without a
// stranger's change in between, wrote and Passthrough look at.
func (s *segment) reading() *trust {
	id, _, err := idOf(s.data)
	if err != nil {
		return nil
	}
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	t, ok := s.d.mu.trust.Get(s.name)
	if !ok {
		t = &trust{id: id}
		s.d.mu.trust.Add(s.name, t)
	}
	if t.id.ino != id.ino {
		return nil
	}
	return t
}

// checked notes blocks that were read, and were right, since reading returned t.
// Had the file changed meanwhile, they would count for nothing: its state is not
// what t has, and what is trusted then is another t.
func (s *segment) checked(t *trust, blocks Range) {
	s.d.mu.Lock()
	defer s.d.mu.Unlock()
	if now, _ := s.d.mu.trust.Peek(s.name); t != nil && now == t {
		t.add(blocks)
	}
}

func (d *Disk) distrust(name diskName) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.trust.Remove(name)
}

// Passed is a file that the kernel reads, which we do not see: while it is open,
// it counts as used.
type Passed struct {
	*os.File
	of *DiskFile
}

// Close is called once.
func (p *Passed) Close() error {
	p.of.d.mu.Lock()
	p.of.passed--
	p.of.d.mu.Unlock()
	p.of.Close()
	return p.File.Close()
}

// Passthrough returns a file, open for reading, that is all of the object, for
// the kernel to read by itself. Each block of it was written or checked by this
// process, and the file has not changed since. It will not: a complete file is
// removed, but never written to. The caller closes it.
//
// It returns false where there is no such file, as with objects larger than a
// quarter of the cache. Reads check what they read; where a file is opened again
// and has not been read as a whole, the rest is checked in the background, one
// file at a time, for a later call.
func (f *DiskFile) Passthrough() (*Passed, bool) {
	if f.inert || f.split() {
		return nil, false
	}
	data, err := os.OpenFile(f.d.path(f.name, dataFile), os.O_RDONLY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, false // most are not cached; what else it may be, reads will tell
	}
	ok, again := f.trusted(data)
	if ok {
		f.d.mu.Lock()
		defer f.d.mu.Unlock()
		f.refs++ // the caller has one
		f.passed++
		return &Passed{data, f}, true
	}
	data.Close()
	if again && f.Complete() {
		f.d.verifyLater(f.name, f.v)
	}
	return nil, false
}

// trusted tells whether data may be passed on; again, whether it was asked for
// already as it is now.
func (f *DiskFile) trusted(data *os.File) (ok, again bool) {
	id, st, err := idOf(data)
	if err != nil || st.Nlink == 0 || id.size != f.v.Size {
		return false, false
	}
	right, whole, again := f.d.trustIn(f.name, id)
	if !right {
		return false, again
	}
	s := f.take(0, false) // which also says that it is used
	if s == nil {
		return false, false
	}
	defer f.d.give(s)
	if whole {
		return true, true
	}
	// The pair that is open here may not be the one that has the name now.
	if now, _, err := idOf(s.data); err != nil || now != id {
		f.d.detach(f.name)
		return false, false
	}
	// Another process may have dropped a block. What the segment remembers is no
	// proof of the contrary.
	if there, until := s.have(0, s.blocks); !there || until < s.blocks {
		return false, true
	}
	f.d.mu.Lock()
	defer f.d.mu.Unlock()
	if t, ok := f.d.mu.trust.Get(f.name); ok && t.id == id {
		t.whole = true
	}
	return true, true
}

// trustIn tells whether all blocks of a file in this state are known to be right,
// and were once all there. known is false where this state was not known of.
func (d *Disk) trustIn(name diskName, id fileID) (right, whole, known bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	t, ok := d.mu.trust.Get(name)
	if !ok || t.id != id {
		d.mu.trust.Add(name, &trust{id: id})
		return false, false, false
	}
	return t.right.Covers(0, blocksOf(id.size)), t.whole, true
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

// verify reads what was not checked of a pair, by descriptors of its own: who
// opened it may close it meanwhile.
func (d *Disk) verify(name diskName, v Version) {
	s, err := d.openPair(name, v.Size)
	if err != nil {
		return // evicted
	}
	defer s.close()
	s.key = v.Key
	d.mu.Lock()
	unchecked := []Range{{0, s.blocks}}
	if t, ok := d.mu.trust.Get(name); ok {
		unchecked = t.right.Missing(0, s.blocks)
	}
	d.mu.Unlock()
	p := make([]byte, verifyPiece)
	for _, r := range unchecked {
		for r.Off < r.End {
			if d.stop.Err() != nil {
				return
			}
			n := s.readWhole(p[:min(verifyPiece, r.Len()*DiskBlock)], r.Off)
			if n == 0 {
				return
			}
			r.Off += blocksOf(n)
		}
	}
}

// touchPassed keeps what the kernel may be reading from looking unused, also to
// other processes.
func (d *Disk) touchPassed() {
	d.mu.Lock()
	var list []*DiskFile
	for _, f := range d.mu.files {
		if f.passed > 0 {
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
