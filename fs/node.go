package fs

import (
	"context"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

// File types of nodes.
const (
	kindDir  = syscall.S_IFDIR
	kindFile = syscall.S_IFREG
	kindLink = syscall.S_IFLNK
)

// node is one inode: a directory, or one lineage of versions of an object.
type node struct {
	fusefs.Inode
	fs   *FS
	kind uint32 // kindDir, kindFile, kindLink, or one that is special
	ino  uint64

	// loc is guarded by fs.tree.mu.
	loc struct {
		key     string // of the object; of a directory, ending in "/", or "" for the bucket's root
		gone    bool   // unlinked, or renamed over
		retired bool   // its local content was given up

		diverted bool // a conflict has moved it to a copy's key, and its name to another node
	}

	// commits lets one commit of this node run at a time.
	commits chan struct{}

	served atomic.Int64 // bytes that handles have read of the version shown

	mu struct {
		sync.Mutex
		obj     bucket.Object     // the version shown; ETag "" when nothing is stored
		attrs   bucket.Attributes // as stored, or as set here and to be committed
		known   bool              // attrs are what the bucket has, or what we set
		timed   bool              // somebody has set the mtime of attrs: it is not that of a write
		asked   time.Time         // when the last HEAD began that found obj to be the newest version
		ctime   time.Time         // last change made here
		draft   *cache.Draft      // local content, if any
		givenUp *int64            // size in bytes of the local content that was given up
		edits   int               // how often a commit of ours has changed what the object contains
		content *cache.Content    // of the version shown, while it has readers
		giver   *cache.Giver      // of all contents so far; nil before the first
		handles int
		passed  int           // of them, those whose reads the kernel does by itself
		backing *cache.Passed // what it reads, while passed is not 0
		writers int

		releases []<-chan struct{} // under way, each until it is closed; see releases
		failed   error             // of the last commit, until one succeeds
		promise  *promise          // what the journal has of draft; nil: nothing
		tried    []string          // commit ids of uploads whose outcome is not known
	}
}

func newNode(f *FS, kind uint32) *node {
	return &node{fs: f, kind: kind, commits: make(chan struct{}, 1)}
}

// kindOf is the type of an entry. One that is known by its listing alone is
// taken for a regular file.
func kindOf(e cache.Entry) uint32 {
	if e.IsDir() {
		return kindDir
	}
	if !e.Object.Full {
		return kindFile
	}
	a := bucket.DecodeAttributes(e.Object.Metadata)
	if isLink(a) {
		return kindLink
	}
	if a.Mode != nil && special(*a.Mode) {
		return *a.Mode & syscall.S_IFMT
	}
	return kindFile
}

// special reports whether mode is that of a pipe, a socket or a device, of
// which an object keeps only the name and the attributes.
func special(mode uint32) bool {
	switch mode & syscall.S_IFMT {
	case syscall.S_IFIFO, syscall.S_IFSOCK, syscall.S_IFCHR, syscall.S_IFBLK:
		return true
	}
	return false
}

func isLink(a bucket.Attributes) bool {
	return a.Symlink != nil || a.Mode != nil && *a.Mode&syscall.S_IFMT == syscall.S_IFLNK
}

// key is where the node stands now.
func (n *node) key() string {
	n.fs.tree.mu.RLock()
	defer n.fs.tree.mu.RUnlock()
	return n.loc.key
}

func (n *node) gone() bool {
	n.fs.tree.mu.RLock()
	defer n.fs.tree.mu.RUnlock()
	return n.loc.gone
}

// lockKey shares the guard of the node's key, wherever a rename puts it
// meanwhile.
func (n *node) lockKey(ctx context.Context) (key string, release func(), err error) {
	for {
		key = n.key()
		release, err = n.fs.guard.share(ctx, key)
		if err != nil {
			return "", nil, err
		}
		if n.key() == key {
			return key, release, nil
		}
		release()
	}
}

// follows reports whether an entry shows this node's lineage: a directory
// always, a file while its version is the one that the node has, and while
// there is content to be stored, as its commit will compare.
func (n *node) follows(e cache.Entry) bool {
	if n.kind == kindDir {
		return e.IsDir()
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.dirtyLocked() {
		return true
	}
	return n.mu.obj.ETag == e.Object.ETag && (!e.Object.Full || kindOf(e) == n.kind)
}

// learn takes over what the bucket said of the version that the node shows.
// known says that a listing's entry has no attributes of its own.
func (n *node) learn(e cache.Entry, known bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	o := e.Object
	if n.dirtyLocked() || n.kind != kindDir && n.mu.obj.ETag != "" && n.mu.obj.ETag != o.ETag {
		return // what is here is newer, or the lineage has moved on
	}
	switch {
	case o.Full:
		n.mu.obj, n.mu.attrs, n.mu.known = o, bucket.DecodeAttributes(o.Metadata), true
	case !n.mu.known:
		n.mu.obj, n.mu.known = o, known
	}
	if e.Asked.After(n.mu.asked) {
		n.mu.asked = e.Asked
	}
}

func (n *node) isDirty() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.dirtyLocked()
}

func (n *node) dirtyLocked() bool { return n.mu.draft != nil && n.mu.draft.Dirty() }

// draft is the local content, or nil.
func (n *node) draft() *cache.Draft {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.draft
}

// version is the version that the node shows.
func (n *node) version() bucket.Object {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.obj
}

// setVersion moves the lineage on to a version of our own making, which has the
// same bytes.
func (n *node) setVersion(o bucket.Object) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.setVersionLocked(o)
}

// setEdited moves the lineage on to a version of our own making, whose bytes are
// the draft's. What is read of the one before must not pass for it, nor for what
// was before: whose GET is sent again, or begins late, would get the new bytes.
func (n *node) setEdited(o bucket.Object) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.setVersionLocked(o)
	n.mu.edits++
	n.mu.content = nil // its readers have it, and the draft goes before
}

func (n *node) setVersionLocked(o bucket.Object) {
	n.mu.obj, n.mu.asked, n.mu.failed = o, time.Time{}, nil
	n.served.Store(0)
	if o.Full {
		n.mu.attrs, n.mu.known = bucket.DecodeAttributes(o.Metadata), true
	}
}

var _ fusefs.NodeOnForgetter = (*node)(nil)

// OnForget is called when the kernel has dropped the inode.
func (n *node) OnForget() {
	n.fs.tree.forget(n)
}
