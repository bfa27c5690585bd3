package fs

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

// The disk cache, and the kernel's passthrough: a file that the disk cache has
// completely is read from there by the kernel itself, at the speed of a local file.

// onDisk is what the disk cache has of a version; nil without a disk cache.
func (f *FS) onDisk(o bucket.Object) *cache.DiskFile {
	if f.disk == nil {
		return nil
	}
	return f.disk.Open(cache.Version{Store: f.opt.Store, Key: o.Key, ETag: o.ETag, Size: o.Size})
}

// begins reports whether the disk cache has the beginning of a version, which
// is all that an open would fetch.
func (f *FS) begins(o bucket.Object) bool {
	d := f.onDisk(o)
	if d == nil {
		return false
	}
	defer d.Close()
	first := min(f.memory.Opening(), o.Size)
	cached, _ := d.Have(cache.Range{Off: 0, End: first})
	return cached.Len() == first
}

// tryPassthrough finds out whether the kernel takes files of the disk cache. It
// wants Linux 6.9, CAP_SYS_ADMIN, and a file system that is no overlay itself.
func (f *FS) tryPassthrough() {
	if f.disk == nil {
		return
	}
	file, err := os.Open(filepath.Join(f.opt.CacheDir, "lock"))
	if err != nil {
		f.log.Debug("no passthrough", "err", err)
		return
	}
	defer file.Close()
	id, errno := f.server.RegisterBackingFd(&fuse.BackingMap{Fd: int32(file.Fd())})
	if errno != 0 {
		f.log.Debug("no passthrough: the kernel refuses it", "err", errno)
		return
	}
	if errno := f.server.UnregisterBackingFd(id); errno != 0 {
		f.log.Debug("no passthrough", "err", errno)
		return
	}
	f.passes.Store(true) // requests come already
	f.log.Debug("passthrough: completely cached files are read by the kernel")
}

// errRaced tells that another open or close came in between: look again.
var errRaced = errors.New("another open came in between")

// mostRaces bounds how often an open looks again. Each time another open or
// commit of the same inode has made its way.
const mostRaces = 100

// handle opens n, for the kernel to read by itself where it can. It is ESTALE
// where a writer has to look the name up again. It closes first, or uses it.
func (n *node) handle(write bool, first *firstGet) (*fileHandle, error) {
	for range mostRaces {
		h, err := n.pass(write)
		if h == nil && err == nil {
			h, err = n.newHandle(write, first)
			first = nil
		}
		if !errors.Is(err, errRaced) {
			first.close()
			return h, err
		}
	}
	first.close()
	return nil, syscall.ESTALE
}

// pass opens n for the kernel to read by itself, if it can; else nil.
//
// The kernel has one way to read an inode at a time, and what it reads is the
// version of the open: its reads see nothing of what is written meanwhile. So an
// inode that is read this way is not written: a writer is told ESTALE, at which
// the kernel looks the name up again, and gets an inode of its own.
func (n *node) pass(write bool) (*fileHandle, error) {
	if !n.fs.passes.Load() || n.kind != kindFile {
		return nil, nil //nolint:nilnil // no handle is no fault
	}
	n.mu.Lock()
	passed, passable := n.mu.passed > 0, n.passableLocked()
	o := n.mu.obj
	n.mu.Unlock()
	if write && passed {
		n.fs.tree.await(n)
		return nil, syscall.ESTALE
	}
	if write || !passed && (!passable || n.fs.tree.awaited(n)) {
		return nil, nil //nolint:nilnil // as above
	}
	var file *cache.Passed
	if !passed {
		d := n.fs.onDisk(o)
		defer d.Close()
		if file, passed = d.Passthrough(); !passed {
			return nil, nil //nolint:nilnil // as above
		}
	}
	return n.addPassed(o, file)
}

// passableLocked tells that nobody has n open.
func (n *node) passableLocked() bool {
	return n.mu.handles == 0 && n.mu.draft == nil && n.releasedLocked()
}

// addPassed registers a handle whose reads the kernel does. All such handles of
// an inode share one file, which is nil here where another should have opened it.
func (n *node) addPassed(o bucket.Object, file *cache.Passed) (*fileHandle, error) {
	n.mu.Lock()
	same := n.mu.obj.ETag == o.ETag
	if n.mu.backing == nil && file != nil && n.passableLocked() && same {
		n.mu.backing, file = file, nil
	}
	added := n.mu.backing != nil && same
	if added {
		n.mu.handles++
		n.mu.passed++
	}
	n.mu.Unlock()
	if file != nil {
		_ = file.Close() // read only
	}
	if !added {
		return nil, errRaced
	}
	n.fs.log.Debug("open: the kernel reads the disk cache", "key", o.Key, "bytes", o.Size)
	return &fileHandle{n: n, passed: true}, nil
}

// unpassLocked ends what addPassed began. The caller closes what it returns.
func (n *node) unpassLocked() (file *cache.Passed) {
	if n.mu.passed--; n.mu.passed == 0 {
		file, n.mu.backing = n.mu.backing, nil
	}
	return file
}

// awaitTime is how long a writer that was told to look again is waited for: for
// its lookup, and the question of its open whether that is the newest version.
const awaitTime = 3 * time.Second

// await ends n's lineage at its key for a writer's sake. Until the writer has
// opened the next one, the kernel must not begin to read that one by itself: a
// name is looked up again once only.
func (t *tree) await(n *node) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.writers[n.loc.key] = time.Now()
	t.dropLocked(n)
}

// awaited tells whether a writer is on its way to n.
func (t *tree) awaited(n *node) bool {
	t.mu.RLock()
	defer t.mu.RUnlock()
	at, ok := t.writers[n.loc.key]
	return ok && time.Since(at) < awaitTime
}

// passHandle is a fileHandle that go-fuse takes for one that the kernel may read
// by itself: it looks for the method, whatever that answers.
type passHandle struct{ *fileHandle }

var _ fusefs.FilePassthroughFder = passHandle{}

// PassthroughFd is asked for one of an inode's handles, whichever comes first. So
// each of them has an answer: the kernel refuses to read an inode in two ways.
func (h passHandle) PassthroughFd() (int, bool) {
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	if h.n.mu.backing == nil {
		return 0, false
	}
	return int(h.n.mu.backing.Fd()), true
}

// answer is the handle as go-fuse shall see it.
func (h *fileHandle) answer() fusefs.FileHandle {
	if h.passed {
		return passHandle{h}
	}
	return h
}

// handleOf is the fileHandle in what go-fuse passes around, or nil.
func handleOf(h fusefs.FileHandle) *fileHandle {
	switch h := h.(type) {
	case *fileHandle:
		return h
	case passHandle:
		return h.fileHandle
	}
	return nil
}
