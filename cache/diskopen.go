package cache

import (
	"errors"
	"io/fs"
)

// segmentKey is one part of an object.
type segmentKey struct {
	file *DiskFile
	n    int64
}

// take returns the n-th segment of f, or nil where there is none, or it cannot
// be had. With create it is made. The caller gives it back.
func (f *DiskFile) take(n int64, create bool) *segment {
	d := f.d
	key := segmentKey{f, n}
	d.mu.Lock()
	if d.mu.closed || f.inert {
		d.mu.Unlock()
		return nil
	}
	s, ok := d.mu.open.Get(key)
	if ok {
		s.refs++
	}
	d.mu.Unlock()
	if !ok {
		if s = f.openSegment(n, create); s == nil {
			return nil
		}
		s = d.install(key, s)
	}
	s.touch()
	return s
}

func (f *DiskFile) openSegment(n int64, create bool) *segment {
	name, where := f.nameOf(n), f.segment(n)
	s, err := f.d.openPair(name, where.Len())
	if errors.Is(err, fs.ErrNotExist) && !create {
		return nil
	}
	if err != nil {
		s = f.d.fixPair(name, where.Len(), create, f.v.Key)
	}
	if s != nil {
		s.key, s.base = f.v.Key, where.Off
	}
	return s
}

// install keeps s open, with a ref for the caller, unless somebody was faster.
func (d *Disk) install(key segmentKey, s *segment) *segment {
	d.mu.Lock()
	other, ok := d.mu.open.Get(key)
	switch {
	case ok:
		d.mu.toClose = append(d.mu.toClose, s)
		s = other
	case d.mu.closed || key.file.refs == 0:
		s.shut = true
	default:
		d.mu.open.Add(key, s)
	}
	s.refs++
	d.unlockAndClose()
	return s
}

// give ends the use of s.
func (d *Disk) give(s *segment) {
	d.mu.Lock()
	s.refs--
	if s.shut && s.refs == 0 {
		d.mu.toClose = append(d.mu.toClose, s)
	}
	d.unlockAndClose()
}

// shutLocked is called for what leaves d.mu.open.
func (d *Disk) shutLocked(_ segmentKey, s *segment) {
	s.shut = true
	if s.refs == 0 {
		d.mu.toClose = append(d.mu.toClose, s)
	}
}

// unlockAndClose unlocks d.mu and closes what nobody uses: the last close of an
// evicted file frees its blocks, which takes time.
func (d *Disk) unlockAndClose() {
	list := d.mu.toClose
	d.mu.toClose = nil
	d.mu.Unlock()
	for _, s := range list {
		s.close()
	}
}

// detach makes sure that a pair that was removed is not used again.
func (d *Disk) detach(name diskName) {
	d.mu.Lock()
	for _, key := range d.mu.open.Keys() {
		if s, _ := d.mu.open.Peek(key); s.name == name {
			d.mu.open.Remove(key)
		}
	}
	d.unlockAndClose()
}

// detachUnlinked lets go of what other processes have evicted, so that the disk
// gets its blocks back.
func (d *Disk) detachUnlinked() {
	d.mu.Lock()
	list := d.mu.open.Values()
	for _, s := range list {
		s.refs++
	}
	d.mu.Unlock()
	for _, s := range list {
		if st, err := s.stat(); err == nil && st.unlinked {
			d.detach(s.name)
		}
		d.give(s)
	}
}

// discard removes s, if its name is still its own.
func (d *Disk) discard(s *segment) {
	defer d.detach(s.name)
	if !d.lockShape() {
		return // it stays, and is found damaged once more
	}
	defer d.unlockShape()
	if st, err := s.stat(); err != nil || st.unlinked {
		return
	}
	if err := d.removePair(s.name); err != nil {
		d.fault("remove", err)
	}
}

// usedLocked are the names of all that is open here.
func (d *Disk) usedLocked() map[diskName]bool {
	used := map[diskName]bool{}
	for _, f := range d.mu.files {
		if !f.inert && !f.split() {
			used[f.name] = true
		}
	}
	for _, s := range d.mu.open.Values() {
		used[s.name] = true
	}
	return used
}
