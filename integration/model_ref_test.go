package integration

import (
	"bytes"
	"maps"
	"slices"
	"strings"
)

// ref is the reference: what a file system that keeps docs/SEMANTICS.md would
// show, and what the bucket would have. It is plain data with ids instead of
// pointers, so that it can be copied (model_faults_test.go).
type ref struct {
	inodes map[int]*inode
	files  []*openFile       // slots; nil is free
	bucket map[string][]byte // objects that are not directories' markers
	modes  map[string]uint32 // of those objects that have one
	dirs   map[string]tri    // keys of markers
	next   int
	base   string // the key of the root, ending in "/"

	gaveUp   int    // files whose content was kept aside, and not settled yet
	implicit bool   // the mount sees attributes wherever they are
	stop     string // why the rest of the sequence is left out: nothing is promised
}

// tri is a fact that may be unsettled.
type tri int

const (
	no tri = iota
	yes
	maybe
)

const rootID = 1

// inode is one file, directory or link. Content is never changed in place.
type inode struct {
	kind     byte // as fileInfo.Type
	mode     uint32
	mtime    span
	foreign  bool // has no time of its own: S3's counts
	data     []byte
	target   string
	children map[string]int

	key    string // of the object; of a directory, ending in "/"
	gone   bool   // removed or replaced here: only handles see it
	lost   bool   // replaced by others, or given up: handles see old bytes or ESTALE
	dirty  bool
	torn   bool   // written here, and what was not written is replaced by others: reading may be ESTALE
	stored bool   // the bucket has a version of it, which was
	was    []byte // when this lineage last knew
}

// span is a time that is known only to lie between two.
type span struct{ lo, hi int64 }

var anyTime = span{0, 1<<63 - 1}

func exactly(ns int64) span { return span{ns, ns} }

// openFile is an open file description: dup'd descriptors share one.
type openFile struct {
	ino         int
	read, write bool
	append      bool
	refs        *int // descriptors of it
}

func newRef(base string, implicit bool) *ref {
	r := &ref{
		inodes: map[int]*inode{}, files: make([]*openFile, modelSlots), bucket: map[string][]byte{},
		modes: map[string]uint32{},
		dirs:  map[string]tri{base: yes}, next: rootID, base: base, implicit: implicit,
	}
	r.add(&inode{kind: 'd', mode: 0o755, mtime: anyTime, children: map[string]int{}, key: base})
	return r
}

func (r *ref) add(n *inode) int {
	id := r.next
	r.next++
	r.inodes[id] = n
	return id
}

// clone is an independent copy.
func (r *ref) clone() *ref {
	c := *r
	c.inodes = make(map[int]*inode, len(r.inodes))
	for id, n := range r.inodes {
		m := *n
		m.children = maps.Clone(n.children)
		c.inodes[id] = &m
	}
	c.files = make([]*openFile, len(r.files))
	shared := map[*int]*int{}
	for i, f := range r.files {
		if f == nil {
			continue
		}
		g := *f
		if shared[f.refs] == nil {
			k := *f.refs
			shared[f.refs] = &k
		}
		g.refs = shared[f.refs]
		c.files[i] = &g
	}
	c.bucket, c.modes, c.dirs = maps.Clone(r.bucket), maps.Clone(r.modes), maps.Clone(r.dirs)
	return &c
}

// place is what a path leads to: a name in a directory, and the inode there,
// 0 for none.
type place struct {
	dir  int
	name string
	id   int
}

// lookup resolves a path as the kernel does. With follow, a link at its end is
// followed, too; then a dangling one leads to the place it names.
func (r *ref) lookup(path string, follow bool) (place, string) {
	links := 0
	return r.walk(rootID, path, follow, &links)
}

func (r *ref) walk(dir int, path string, follow bool, links *int) (place, string) {
	parts := strings.Split(path, "/")
	for i, name := range parts {
		last := i == len(parts)-1
		d := r.inodes[dir]
		if d.kind != 'd' {
			return place{}, "ENOTDIR"
		}
		id := d.children[name]
		p := place{dir, name, id}
		if id != 0 && r.inodes[id].kind == 'l' && (follow || !last) {
			if *links++; *links > 40 {
				return place{}, "ELOOP"
			}
			var errno string
			if p, errno = r.walk(dir, r.inodes[id].target, true, links); errno != "" {
				return place{}, errno
			}
		}
		if last {
			return p, ""
		}
		if p.id == 0 {
			return place{}, "ENOENT"
		}
		dir = p.id
	}
	return place{}, "ENOENT"
}

// existing is lookup for what must be there.
func (r *ref) existing(path string, follow bool) (place, *inode, string) {
	p, errno := r.lookup(path, follow)
	if errno != "" {
		return p, nil, errno
	}
	if p.id == 0 {
		return p, nil, "ENOENT"
	}
	return p, r.inodes[p.id], ""
}

// newName finds the place of a name that must not exist.
func (r *ref) newName(path string) (place, string) {
	p, errno := r.lookup(path, false)
	if errno == "" && p.id != 0 {
		errno = "EEXIST"
	}
	return p, errno
}

// keyAt is the key of a name, without a directory's slash.
func (r *ref) keyAt(p place) string { return r.inodes[p.dir].key + p.name }

// put makes n stand at p. The directory's own time is no longer known: it
// follows changes of its entries.
func (r *ref) put(p place, n *inode) {
	n.key = r.keyAt(p)
	if n.kind == 'd' {
		n.key += "/"
	}
	r.inodes[p.dir].children[p.name] = r.add(n)
	r.inodes[p.dir].mtime = anyTime
}

// drop takes a name away. What it named may live on for its handles.
func (r *ref) drop(p place) {
	delete(r.inodes[p.dir].children, p.name)
	r.inodes[p.dir].mtime = anyTime
	r.keepDir(p.dir)
}

// keepDir: a directory whose last entry goes gets a marker. Where it has none,
// and other entries, it may have got one on the way.
func (r *ref) keepDir(dir int) {
	key := r.inodes[dir].key
	if r.dirs[key] == yes {
		return
	}
	r.dirs[key] = maybe
	if !r.hasObjects(key) {
		r.dirs[key] = yes
	}
}

// hasObjects reports whether the bucket has anything below a directory, apart
// from its own marker.
func (r *ref) hasObjects(key string) bool {
	for k := range r.bucket {
		if strings.HasPrefix(k, key) {
			return true
		}
	}
	for k, t := range r.dirs {
		if t != no && k != key && strings.HasPrefix(k, key) {
			return true
		}
	}
	return false
}

// handle is the open file at a slot or, where that is free, at the next one.
func (r *ref) handle(slot int) (*openFile, int) {
	for i := range r.files {
		s := (slot + i) % len(r.files)
		if r.files[s] != nil {
			return r.files[s], s
		}
	}
	return nil, -1
}

// free is a free slot: the one wished for, else the next.
func (r *ref) free(slot int) int {
	for i := range r.files {
		if s := (slot + i) % len(r.files); r.files[s] == nil {
			return s
		}
	}
	return -1
}

// isOpen reports whether a file has handles, of writers only if so asked.
func (r *ref) isOpen(id int, writers bool) bool {
	return slices.ContainsFunc(r.files, func(f *openFile) bool { return f != nil && f.ino == id && (f.write || !writers) })
}

// below are the ids of all inodes whose key begins with a prefix.
func (r *ref) below(prefix string) []int {
	var ids []int
	for id, n := range r.inodes {
		if strings.HasPrefix(n.key, prefix) {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// conflicts reports whether somebody else has changed or removed the version
// that a file began from.
func (r *ref) conflicts(n *inode) bool {
	now, there := r.bucket[n.key]
	return there != n.stored || there && !bytes.Equal(now, n.was)
}
