package fs

import (
	"syscall"

	"github.com/hanwen/go-fuse/v2/fuse"
)

// directly has a handle that only writes new content do so past the kernel's page
// cache, which would cost it about half of the speed and serve nobody: nothing can
// be read, or mapped, by it. It is for the first handle of a file, whose pages the
// kernel does not have. Who opens the file meanwhile has pages of it, which the
// kernel drops when the size or the mtime has changed, and before each write those
// that it is for; see shared.
func (h *fileHandle) directly(flags uint32) uint32 {
	if flags&syscall.O_ACCMODE != syscall.O_WRONLY || flags&syscall.O_APPEND != 0 {
		return 0
	}
	h.n.mu.Lock()
	defer h.n.mu.Unlock()
	if h.n.mu.handles > 1 {
		return 0
	}
	h.direct = true
	return fuse.FOPEN_DIRECT_IO
}

// shared has the kernel drop the pages of a file that was written past them, where
// somebody else has it open: a page that was read while a write was under way can
// be that of before, and a mapping does not look at the mtime.
func (n *node) shared() {
	n.mu.Lock()
	others := n.mu.handles > 1
	n.mu.Unlock()
	if others {
		n.fs.notify.pages(n)
	}
}
