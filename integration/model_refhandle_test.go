package integration

import (
	"strings"
	"time"
)

// byHandle are the operations on open files.
func (r *ref) byHandle(o op, now span) outcome {
	f, slot := r.handle(o.H)
	if f == nil {
		return outcome{skip: true}
	}
	n := r.inodes[f.ino]
	if (o.Do == "write" || o.Do == "ftruncate") && n.lost && f.write && r.vacant(n.key) {
		r.stop = "a file that others have removed is written here: its name may show it until it is closed"
	}
	switch o.Do {
	case "close":
		return r.closeSlot(slot)
	case "dup":
		free := r.free(o.H2)
		if free < 0 {
			return outcome{skip: true}
		}
		*f.refs++
		r.files[free] = f
		return fails("")
	case "read":
		return r.read(f, n, o)
	case "write":
		return r.write(f, n, o, now)
	case "ftruncate":
		if !f.write {
			return fails("EINVAL")
		}
		n.data, n.dirty, n.mtime, n.foreign = resize(n.data, o.Len), true, now, false
		return fails("")
	case "fsync":
		return fails(r.commit(n))
	case "fchmod":
		return r.fchmod(n, o)
	}
	if n.lost {
		return fails("", "ESTALE")
	}
	return outcome{errnos: []string{""}, stat: f.ino}
}

// vacant reports whether nothing stands at a key.
func (r *ref) vacant(key string) bool {
	p, errno := r.lookup(strings.TrimPrefix(key, r.base), false)
	return errno != "" || p.id == 0
}

func (r *ref) fchmod(n *inode, o op) outcome {
	if n.lost {
		return outcome{skip: true} // the version that it is about is no longer there
	}
	n.mode = uint32(o.Mode)
	r.storeAttrs(n)
	return fails("")
}

func (r *ref) read(f *openFile, n *inode, o op) outcome {
	switch {
	case !f.read:
		return fails("EBADF")
	case n.kind == 'd':
		return fails("EISDIR")
	}
	want := n.data[min(o.Off, int64(len(n.data))):]
	want = want[:min(o.Len, int64(len(want)))]
	if n.lost || n.torn {
		return outcome{errnos: []string{"", "ESTALE"}, data: want, check: true}
	}
	return outcome{errnos: []string{""}, data: want, check: true}
}

func (r *ref) write(f *openFile, n *inode, o op, now span) outcome {
	if !f.write {
		return fails("EBADF")
	}
	off := o.Off
	if f.append {
		off = int64(len(n.data))
	}
	end := off + o.Len
	n.data = resize(n.data, max(end, int64(len(n.data))))
	copy(n.data[off:], pattern(o.Seed, o.Len))
	n.dirty, n.mtime, n.foreign = true, now, false
	return fails("")
}

// commit stores what is dirty, unless somebody else was there.
func (r *ref) commit(n *inode) string {
	if !n.dirty || n.gone {
		return ""
	}
	if r.conflicts(n) {
		return "ESTALE"
	}
	if n.lost {
		r.stop = "the bucket has the bytes again that a replaced file began from: they count as one version (clause 7.3)"
	}
	r.bucket[n.key], r.modes[n.key] = n.data, n.mode
	n.stored, n.was, n.dirty = true, n.data, false
	return ""
}

// closeSlot is close(2). The last writer's failure is final: the content is
// kept aside, and the name shows what the bucket has.
func (r *ref) closeSlot(slot int) outcome {
	f := r.files[slot]
	n := r.inodes[f.ino]
	errno := ""
	if f.write {
		errno = r.commit(n)
	}
	*f.refs--
	r.files[slot] = nil
	if f.write && *f.refs == 0 && n.dirty && !n.gone && !r.isOpen(f.ino, true) {
		r.giveUp(f.ino)
	}
	return fails(errno)
}

// giveUp parts a file from its name: handles that are left see its old bytes or
// ESTALE, the name what the bucket has.
func (r *ref) giveUp(id int) {
	n := r.inodes[id]
	already := n.lost
	n.lost, n.dirty = true, false
	r.gaveUp++
	if already {
		return
	}
	p := r.placeOf(id)
	delete(r.inodes[p.dir].children, p.name)
	r.reappear(p)
}

func (r *ref) placeOf(id int) place {
	for dir, d := range r.inodes {
		for name, child := range d.children {
			if child == id && !d.gone {
				return place{dir, name, id}
			}
		}
	}
	return place{}
}

// reappear makes a name show what the bucket has, if anything.
func (r *ref) reappear(p place) {
	key := r.keyAt(p)
	if data, ok := r.bucket[key]; ok {
		mode, own := r.modes[key]
		if !own {
			mode = 0o644
		}
		r.put(p, &inode{kind: 'f', mode: mode, mtime: anyTime, foreign: true, data: data, stored: true, was: data})
	}
}

// remount closes all files and forgets what only memory had.
func (r *ref) remount() (closes []outcome) {
	for slot, f := range r.files {
		if f != nil {
			closes = append(closes, r.closeSlot(slot))
		}
	}
	return closes
}

// outsidePut is another client's PutObject. It is passed over where the key
// could not be a file's.
func (r *ref) outsidePut(o op, now span) outcome {
	p, ok := r.forOutside(o.Path)
	if !ok || p.id != 0 && r.inodes[p.id].kind == 'd' {
		return outcome{skip: true}
	}
	data := pattern(o.Seed, o.Len)
	r.bucket[r.keyAt(p)] = data
	delete(r.modes, r.keyAt(p))
	if p.id != 0 {
		n := r.inodes[p.id]
		if n.dirty {
			n.torn = n.torn || n.stored // a new file has nothing that could be gone
			return fails("")            // its name shows the local content until it is given up
		}
		n.lost = true
		delete(r.inodes[p.dir].children, p.name)
	}
	was := r.inodes[p.dir].mtime
	r.reappear(p)
	n := r.inodes[r.inodes[p.dir].children[p.name]]
	n.mtime = span{now.lo - int64(time.Second), now.hi}
	r.inodes[p.dir].mtime = was
	return fails("")
}

// forOutside is the place of a key, whose directories are made where they need
// no marker.
func (r *ref) forOutside(path string) (place, bool) {
	dir := rootID
	for {
		name, rest, more := strings.Cut(path, "/")
		id := r.inodes[dir].children[name]
		if !more {
			return place{dir, name, id}, r.implicit || r.dirs[r.inodes[dir].key] == yes
		}
		if id == 0 && r.implicit {
			r.put(place{dir: dir, name: name}, &inode{kind: 'd', mode: 0o755, mtime: anyTime, children: map[string]int{}})
			id = r.inodes[dir].children[name]
		}
		if id == 0 || r.inodes[id].kind != 'd' {
			return place{}, false
		}
		dir, path = id, rest
	}
}

// outsideRm is another client's DeleteObject. A directory without a marker
// vanishes with its last object.
func (r *ref) outsideRm(o op) outcome {
	p, n, errno := r.existing(o.Path, false)
	if errno != "" || n.kind == 'd' || n.key != r.base+o.Path {
		return outcome{skip: true}
	}
	if _, there := r.bucket[n.key]; !there || r.dirs[r.inodes[p.dir].key] != yes {
		return outcome{skip: true}
	}
	delete(r.bucket, n.key)
	if n.dirty {
		n.torn = n.torn || n.stored
		return fails("")
	}
	n.lost = true
	delete(r.inodes[p.dir].children, p.name)
	return fails("")
}
