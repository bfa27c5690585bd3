package fs

import (
	"os"
	"path/filepath"
	"syscall"

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
	f.passes = true
	f.log.Debug("passthrough: completely cached files are read by the kernel")
}

// pass opens n for the kernel to read by itself, if it can; else nil.
//
// The kernel has one way to read an inode at a time, and what it reads is the
// version of the open: its reads see nothing of what is written meanwhile. So an
// inode that is read this way is not written: a writer is told ESTALE, at which
// the kernel looks the name up again, and gets an inode of its own.
func (n *node) pass(write bool) (*fileHandle, error) {
	if !n.fs.passes {
		return nil, nil //nolint:nilnil // no handle is no fault
	}
	n.mu.Lock()
	passed, others := n.mu.passed > 0, n.mu.handles > n.mu.passed || n.mu.draft != nil
	o := n.mu.obj
	n.mu.Unlock()
	if write {
		if !passed {
			return nil, nil //nolint:nilnil // as above
		}
		n.fs.tree.outdate(n)
		return nil, syscall.ESTALE
	}
	if others || n.kind != kindFile {
		return nil, nil //nolint:nilnil // as above
	}
	h := &fileHandle{n: n, passed: true}
	if !passed {
		d := n.fs.onDisk(o)
		defer d.Close()
		if h.file, passed = d.Passthrough(); !passed {
			return nil, nil //nolint:nilnil // as above
		}
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.handles > n.mu.passed || n.mu.draft != nil || n.mu.obj.ETag != o.ETag {
		h.closeFile()
		return nil, syscall.ESTALE // somebody else came in between: the kernel asks again
	}
	n.mu.handles++
	n.mu.passed++
	n.fs.log.Debug("open: the kernel reads the disk cache", "key", o.Key, "bytes", o.Size)
	return h, nil
}

func (h *fileHandle) closeFile() {
	if h.file != nil {
		_ = h.file.Close() // read only
	}
}

// passHandle is a fileHandle that go-fuse takes for one that the kernel may read
// by itself: it looks for the method, whatever that answers.
type passHandle struct{ *fileHandle }

var _ fusefs.FilePassthroughFder = passHandle{}

// PassthroughFd is asked for the first of an inode's handles.
func (h passHandle) PassthroughFd() (int, bool) {
	if h.file == nil {
		return 0, false
	}
	return int(h.file.Fd()), true
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
