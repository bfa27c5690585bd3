package fs

import (
	"context"
	"hash/fnv"
	"maps"
	"strings"
	"sync"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"

	"github.com/pailfs/pailfs/cache"
)

// tree knows which node stands at which key. go-fuse has a tree of its own by
// names; this one follows a rename before the handler answers, so that a late
// commit never stores at the old key.
type tree struct {
	mu    sync.RWMutex
	byKey map[string]*node // the newest lineage at each key
	byIno map[uint64]*node // every live node

	// forgotten are the nodes that the kernel has let go of, with the number of
	// sweeps they have seen since. They are not dropped at once: a lookup may
	// just be handing one out again, and go-fuse does not say when it has taken it.
	forgotten map[*node]int

	writers map[string]time.Time // keys whose next lineage a writer is about to open (see await)
}

const rootIno = 1

func newTree() *tree {
	return &tree{byKey: map[string]*node{}, byIno: map[uint64]*node{}, forgotten: map[*node]int{}, writers: map[string]time.Time{}}
}

func (t *tree) addRoot(f *FS, key string) *node {
	n := newNode(f, kindDir)
	n.ino, n.loc.key = rootIno, key
	n.mu.known = key == "" // the bucket's root has no object that could say more
	t.byKey[key], t.byIno[rootIno] = n, n
	return n
}

// inoLocked finds a number for key: the same one each time it can, so that it
// survives the kernel's forgetting and a remount, and never one that a live
// node has.
func (t *tree) inoLocked(key string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(key))
	for ino := h.Sum64(); ; ino++ {
		if _, used := t.byIno[ino]; !used && ino > rootIno && ino != ^uint64(0) {
			return ino
		}
	}
}

// insertLocked makes n the node at key.
func (t *tree) insertLocked(ctx context.Context, n *node, key string) {
	n.ino, n.loc.key = t.inoLocked(key), key
	t.byKey[key], t.byIno[n.ino] = n, n
	n.fs.root.NewInode(ctx, n, fusefs.StableAttr{Mode: n.kind, Ino: n.ino})
}

// insert makes a new node at key; one that stood there is a former version.
func (t *tree) insert(ctx context.Context, n *node, key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.insertLocked(ctx, n, key)
}

// adopt returns the node for an entry of the directory parent: the one that
// stands there when it is of the same lineage, else a new one. It returns nil
// where parent has been renamed or removed since the entry was found.
func (t *tree) adopt(ctx context.Context, parent *node, e cache.Entry, known bool) *node {
	t.mu.Lock()
	defer t.mu.Unlock()
	f := parent.fs
	if parent.loc.gone || parent.loc.key != cache.ParentKey(e.Key) {
		return nil
	}
	if cur := t.byKey[e.Key]; cur != nil && !cur.loc.gone && cur.follows(e) {
		cur.learn(e, known)
		t.keepLocked(cur)
		return cur
	}
	n := newNode(f, kindOf(e))
	n.learn(e, known)
	t.insertLocked(ctx, n, e.Key)
	return n
}

// keepLocked begins the grace of a forgotten node anew, as it is handed out.
func (t *tree) keepLocked(n *node) {
	if _, ok := t.forgotten[n]; ok {
		t.forgotten[n] = 0
	}
}

// local returns the node at key if the newest content is here, to be handed out.
func (t *tree) local(key string) *node {
	t.mu.Lock()
	defer t.mu.Unlock()
	n := t.byKey[key]
	if n == nil || n.loc.gone || !n.isDirty() {
		return nil
	}
	t.keepLocked(n)
	return n
}

// at returns the node at key, or nil.
func (t *tree) at(key string) *node {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if n := t.byKey[key]; n != nil && !n.loc.gone {
		return n
	}
	return nil
}

// forget notes that the kernel has let go of n.
func (t *tree) forget(n *node) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.forgotten[n] = 0
}

// sweep drops the nodes that were forgotten two sweeps ago and have not been
// handed out again since.
func (t *tree) sweep() {
	t.mu.Lock()
	defer t.mu.Unlock()
	maps.DeleteFunc(t.writers, func(_ string, at time.Time) bool { return time.Since(at) >= awaitTime })
	for n, sweeps := range t.forgotten {
		switch {
		case n.isLocal():
			// Its content waits to be stored or kept.
		case t.byKey[n.loc.key] == n && !n.EmbeddedInode().Forgotten(): //nolint:staticcheck // OnForget cannot tell a lookup that came since
			// A former version is not asked: it cannot be looked up again, and
			// go-fuse leaves it its parent.
			delete(t.forgotten, n)
		case sweeps == 0:
			t.forgotten[n]++
		default:
			delete(t.forgotten, n)
			t.dropLocked(n)
			delete(t.byIno, n.ino)
		}
	}
}

func (t *tree) dropLocked(n *node) {
	if t.byKey[n.loc.key] == n {
		delete(t.byKey, n.loc.key)
	}
}

// remove marks n as unlinked: it lives on for its handles, and is never
// committed again.
func (t *tree) remove(n *node) {
	t.mu.Lock()
	defer t.mu.Unlock()
	n.loc.gone = true
	t.dropLocked(n)
}

// retire ends n's lineage at its key, unless it has a writer: the next lookup
// makes a new node, and the local content is the caller's now.
func (t *tree) retire(n *node) *cache.Draft {
	t.mu.Lock()
	defer t.mu.Unlock()
	n.mu.Lock()
	defer n.mu.Unlock()
	d := n.mu.draft
	if d == nil || n.mu.writers > 0 {
		return nil
	}
	size := d.Size()
	n.mu.givenUp = &size
	n.mu.draft, n.loc.retired = nil, true
	t.dropLocked(n)
	return d
}

// outdate ends n's lineage at its key, as somebody else has replaced it there.
func (t *tree) outdate(n *node) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropLocked(n)
}

// inoOf is the inode number that key's node has, or would get.
func (t *tree) inoOf(key string) uint64 {
	t.mu.RLock()
	defer t.mu.RUnlock()
	if n := t.byKey[key]; n != nil {
		return n.ino
	}
	return t.inoLocked(key)
}

// move gives n, and all below a directory, their keys after a rename.
func (t *tree) move(n *node, to string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	from := n.loc.key
	if n.kind != kindDir {
		t.moveLocked(n, to)
		return
	}
	for _, c := range t.byIno {
		if strings.HasPrefix(c.loc.key, from) {
			t.moveLocked(c, to+c.loc.key[len(from):])
		}
	}
}

func (t *tree) moveLocked(n *node, to string) {
	newest := t.byKey[n.loc.key] == n
	t.dropLocked(n)
	n.loc.key = to
	if newest {
		t.byKey[to] = n
	}
}

// under returns the live nodes whose key begins with prefix.
func (t *tree) under(prefix string) []*node {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []*node
	for _, n := range t.byIno {
		if strings.HasPrefix(n.loc.key, prefix) && !n.loc.gone {
			out = append(out, n)
		}
	}
	return out
}

// pendingIn returns the files that exist only here so far, in one directory.
func (t *tree) pendingIn(dir string) []*node {
	var out []*node
	for _, n := range t.dirty() {
		if cache.ParentKey(n.key()) == dir {
			out = append(out, n)
		}
	}
	return out
}

// dirty returns the nodes with something to commit.
func (t *tree) dirty() []*node {
	t.mu.RLock()
	defer t.mu.RUnlock()
	var out []*node
	for _, n := range t.byIno {
		if !n.loc.gone && n.isDirty() {
			out = append(out, n)
		}
	}
	return out
}
