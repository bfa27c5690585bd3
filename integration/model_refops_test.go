package integration

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// outcome is what an operation has to give. Errnos has more than one name
// where more than one is right; the first is that of the state that r is in.
type outcome struct {
	skip   bool // makes no sense here: nothing is done
	errnos []string
	data   []byte // of a read
	text   string // of a readlink
	check  bool   // data or text count
	stat   int    // the inode whose attributes are shown, or 0
}

func fails(errno ...string) outcome { return outcome{errnos: errno} }

// apply performs one operation on the reference. It began and ended at these
// times.
func (r *ref) apply(o op, began, ended time.Time) outcome {
	now := span{began.Add(-clockSlack).UnixNano(), ended.Add(clockSlack).UnixNano()}
	switch o.Do {
	case "open":
		return r.open(o, now)
	case "close", "dup", "write", "read", "fsync", "ftruncate", "fstat", "fchmod":
		return r.byHandle(o, now)
	case "outside-put":
		return r.outsidePut(o, now)
	case "outside-rm":
		return r.outsideRm(o)
	}
	return r.byPath(o, now)
}

// aim gives the changes of others that are about an open file its path.
func (r *ref) aim(o op) op {
	do, ok := strings.CutSuffix(o.Do, "-open")
	if !ok {
		return o
	}
	f, _ := r.handle(o.H)
	if f == nil || r.inodes[f.ino].gone || r.inodes[f.ino].lost || r.inodes[f.ino].kind != 'f' {
		return op{}
	}
	o.Do, o.Path = do, strings.TrimPrefix(r.inodes[f.ino].key, r.base)
	return o
}

// clockSlack: the kernel's clock for times of files is coarser than ours.
const clockSlack = 20 * time.Millisecond

func (r *ref) byPath(o op, now span) outcome {
	switch o.Do {
	case "truncate":
		return r.truncate(o, now)
	case "mkdir":
		return r.mkdir(o)
	case "rmdir":
		return r.rmdir(o)
	case "unlink":
		return r.unlink(o)
	case "rename", "rename-noreplace":
		return r.rename(o)
	case "symlink":
		return r.symlink(o, now)
	case "readlink":
		return r.readlink(o)
	case "chmod", "utimes":
		return r.setAttrs(o)
	case "stat":
		p, _, errno := r.existing(o.Path, true)
		return outcome{errnos: []string{errno}, stat: p.id}
	}
	return fails("")
}

func (r *ref) open(o op, now span) outcome {
	has := func(flag string) bool { return slices.Contains(strings.Split(o.Flags, ","), flag) }
	slot := r.free(o.H)
	if slot < 0 {
		return outcome{skip: true}
	}
	p, errno := r.lookup(o.Path, !has("excl"))
	write := !has("rdonly")
	switch {
	case errno != "":
		return fails(errno)
	case p.id == 0 && !has("creat"):
		return fails("ENOENT")
	case p.id == 0:
		r.put(p, &inode{kind: 'f', mode: uint32(o.Mode), mtime: now, dirty: true})
		p.id = r.inodes[p.dir].children[p.name]
	case has("excl"):
		return fails("EEXIST")
	case r.inodes[p.id].kind == 'd' && (write || has("creat")):
		return fails("EISDIR")
	case has("trunc"):
		n := r.inodes[p.id]
		n.data, n.dirty, n.mtime, n.foreign = nil, true, now, false
	}
	refs := 1
	r.files[slot] = &openFile{ino: p.id, read: !has("wronly"), write: write, append: has("append"), refs: &refs}
	return fails("")
}

func (r *ref) mkdir(o op) outcome {
	p, errno := r.newName(o.Path)
	if errno != "" {
		return fails(errno)
	}
	r.put(p, &inode{kind: 'd', mode: uint32(o.Mode), mtime: anyTime, children: map[string]int{}})
	r.dirs[r.keyAt(p)+"/"] = yes
	return fails("")
}

func (r *ref) rmdir(o op) outcome {
	p, n, errno := r.existing(o.Path, false)
	switch {
	case errno != "":
		return fails(errno)
	case n.kind != 'd':
		return fails("ENOTDIR")
	case len(n.children) > 0:
		return fails("ENOTEMPTY")
	}
	if r.unsettled(n.key) {
		return fails("", "ENOTEMPTY")
	}
	delete(r.dirs, n.key)
	n.gone = true
	r.drop(p)
	return fails("")
}

// unsettled ends the sequence where a file below a directory has content that
// waits for its last close, and no name any more.
func (r *ref) unsettled(dir string) bool {
	for _, id := range r.below(dir) {
		if n := r.inodes[id]; n.lost && n.dirty && !n.gone {
			r.stop = "a replaced file below the directory is still being written"
			return true
		}
	}
	return false
}

func (r *ref) unlink(o op) outcome {
	p, n, errno := r.existing(o.Path, false)
	switch {
	case errno != "":
		return fails(errno)
	case n.kind == 'd':
		return fails("EISDIR")
	}
	n.lost = n.lost || r.conflicts(n)
	n.gone = true
	if n.stored || n.kind == 'l' {
		delete(r.bucket, n.key)
	}
	r.drop(p)
	r.reappear(p) // of a file that was never stored, only the local content goes
	return fails("")
}

func (r *ref) symlink(o op, now span) outcome {
	p, errno := r.newName(o.Path)
	if errno != "" {
		return fails(errno)
	}
	r.put(p, &inode{kind: 'l', mode: 0o777, mtime: now, target: o.To, stored: true, was: []byte(o.To)})
	r.bucket[r.keyAt(p)] = []byte(o.To)
	return fails("")
}

func (r *ref) readlink(o op) outcome {
	_, n, errno := r.existing(o.Path, false)
	switch {
	case errno != "":
		return fails(errno)
	case n.kind != 'l':
		return fails("EINVAL")
	}
	return outcome{errnos: []string{""}, text: n.target, check: true}
}

// setAttrs is chmod and utimes: of a file that is still to be stored they go
// with its content, else they are stored at once.
func (r *ref) setAttrs(o op) outcome {
	_, n, errno := r.existing(o.Path, true)
	if errno != "" {
		return fails(errno)
	}
	if o.Do == "chmod" {
		n.mode = uint32(o.Mode)
	} else {
		n.mtime, n.foreign = exactly(o.Time*1e9+int64(o.Seed)), false
	}
	r.storeAttrs(n)
	return fails("")
}

func (r *ref) storeAttrs(n *inode) {
	switch {
	case n.gone:
	case n.kind == 'd':
		r.dirs[n.key] = yes
	case !n.dirty:
		r.modes[n.key] = n.mode
	}
}

// truncate stores before it returns.
func (r *ref) truncate(o op, now span) outcome {
	p, n, errno := r.existing(o.Path, true)
	switch {
	case errno != "":
		return fails(errno)
	case n.kind == 'd':
		return fails("EISDIR")
	}
	n.data, n.dirty, n.mtime, n.foreign = resize(n.data, o.Len), true, now, false
	errno = r.commit(n)
	if errno != "" && !r.isOpen(p.id, true) {
		r.giveUp(p.id)
	}
	return fails(errno)
}

func resize(data []byte, n int64) []byte {
	out := make([]byte, n)
	copy(out, data)
	return out
}

func (r *ref) rename(o op) outcome {
	from, errno := r.lookup(o.Path, false)
	if errno != "" {
		return fails(errno)
	}
	to, errno := r.lookup(o.To, false)
	if errno != "" {
		return fails(errno)
	}
	src, dst := r.inodes[from.id], r.inodes[to.id]
	switch {
	case src == nil:
		return fails("ENOENT")
	case o.Do == "rename-noreplace" && dst != nil:
		return fails("EEXIST")
	case src.kind == 'd' && (to.dir == from.id || strings.HasPrefix(r.inodes[to.dir].key, src.key)):
		return fails("EINVAL")
	case dst != nil && dst.kind == 'd' && dst != src && strings.HasPrefix(src.key, dst.key):
		return fails("ENOTEMPTY")
	case src == dst:
		return fails("")
	case dst != nil && src.kind == 'd' && dst.kind != 'd':
		return fails("ENOTDIR")
	case dst != nil && src.kind != 'd' && dst.kind == 'd':
		return fails("EISDIR")
	case src.kind == 'd':
		return r.renameDir(from, to)
	}
	return r.renameFile(from, to)
}

func (r *ref) renameFile(from, to place) outcome {
	src, dst := r.inodes[from.id], r.inodes[to.id]
	if errno := r.commit(src); errno != "" {
		return fails(errno)
	}
	key := r.keyAt(to)
	if _, there := r.bucket[key]; dst != nil && r.conflicts(dst) || dst == nil && there {
		return fails("ESTALE")
	}
	if dst != nil {
		dst.gone = true
	}
	r.bucket[key], r.modes[key] = r.bucket[src.key], src.mode
	delete(r.bucket, src.key)
	src.key = key
	if src.foreign {
		src.mtime = anyTime
	}
	r.inodes[to.dir].children[to.name] = from.id
	r.inodes[to.dir].mtime = anyTime
	r.drop(from)
	return fails("")
}

func (r *ref) renameDir(from, to place) outcome {
	src, dst := r.inodes[from.id], r.inodes[to.id]
	if dst != nil && len(dst.children) > 0 {
		return fails("ENOTEMPTY")
	}
	if r.unsettled(src.key) || dst != nil && r.unsettled(dst.key) {
		return fails("", "ESTALE", "ENOTEMPTY")
	}
	old, key := src.key, r.keyAt(to)+"/"
	for _, id := range r.below(old) {
		n := r.inodes[id]
		if n.gone {
			continue
		}
		if errno := r.commit(n); errno != "" {
			r.stop = "a conflict below a renamed directory: others may have been stored"
			return fails(errno)
		}
	}
	marked := false
	if dst != nil {
		dst.gone = true
		marked = r.dirs[dst.key] != no && r.dirs[old] != yes
		delete(r.dirs, dst.key)
	}
	for _, id := range r.below(old) {
		n := r.inodes[id]
		n.key = key + strings.TrimPrefix(n.key, old)
		if n.foreign {
			n.mtime = anyTime
		}
	}
	moveKeys(r.bucket, old, key)
	moveKeys(r.modes, old, key)
	moveKeys(r.dirs, old, key)
	if marked {
		r.dirs[key] = maybe // the target's may be taken over
	}
	r.inodes[to.dir].children[to.name] = from.id
	r.inodes[to.dir].mtime = anyTime
	r.drop(from)
	return fails("")
}

func moveKeys[V any](m map[string]V, old, key string) {
	for k, v := range maps.Clone(m) {
		if rest, ok := strings.CutPrefix(k, old); ok {
			delete(m, k)
			m[key+rest] = v
		}
	}
}
