package fs

import (
	"context"
	"errors"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

var (
	_ fusefs.FileReader    = (*fileHandle)(nil)
	_ fusefs.FileWriter    = (*fileHandle)(nil)
	_ fusefs.FileFlusher   = (*fileHandle)(nil)
	_ fusefs.FileFsyncer   = (*fileHandle)(nil)
	_ fusefs.FileReleaser  = (*fileHandle)(nil)
	_ fusefs.FileAllocater = (*fileHandle)(nil)
)

// fileHandle is one open file. Local content belongs to the node, so that all
// its handles see one file.
type fileHandle struct {
	n      *node
	write  bool
	direct bool          // the kernel keeps no pages of what is written by it
	passed bool          // the kernel reads n's backing file, and does not ask us
	reader *cache.Reader // guarded by n.mu; nil where there was local content, or none at all, at open
}

// Read reads local content where there is some, else the pinned version.
func (h *fileHandle) Read(ctx context.Context, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	ctx, cancel := patient(ctx)
	defer cancel()
	var k int
	var v *cache.View
	d, r, err := h.source()
	if err == nil && d == nil && r != nil {
		if v, k, err = r.Read(ctx, dest, off); errors.Is(err, errEdited) {
			// A commit came in between, and its draft is there for whoever has the
			// file open, unless that was given up since.
			if d = h.n.draft(); d != nil {
				r, err = nil, nil
			}
		}
	}
	if err == nil && d != nil {
		k, err = d.ReadAt(ctx, h.n, dest, off)
	}
	switch {
	case err != nil:
		return nil, h.n.fs.fail("read", h.n.key(), err)
	case v != nil:
		h.n.served.Add(int64(v.Size()))
		return &viewResult{v}, 0
	case r != nil:
		h.n.served.Add(int64(k))
	}
	return fuse.ReadResultData(dest[:k]), 0
}

// viewResult sends bytes from where they are. Slices is what go-fuse looks for
// in a result that writev(2) can send.
type viewResult struct{ *cache.View }

func (v *viewResult) Slices() ([][]byte, fuse.Status) { return v.View.Slices(), fuse.OK }

// Bytes is for go-fuse's debug log and for transports without writev(2).
func (v *viewResult) Bytes(buf []byte) ([]byte, fuse.Status) {
	buf = buf[:0]
	for _, s := range v.View.Slices() {
		buf = append(buf, s...)
	}
	return buf, fuse.OK
}

// source is where the handle's bytes come from now. Where local content was
// given up, the handle has seen bytes that are stored nowhere: it is over.
func (h *fileHandle) source() (*cache.Draft, *cache.Reader, error) {
	n := h.n
	if err := n.usable(); err != nil {
		return nil, nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.draft == nil && h.reader == nil && n.mu.obj.Size > 0 {
		h.reader = n.readerLocked(nil)
	}
	return n.mu.draft, h.reader, nil
}

// maxSize is S3's largest object, in bytes.
const maxSize = 5 << 40

// Write puts bytes into the draft; nothing is sent before flush or fsync.
func (h *fileHandle) Write(ctx context.Context, data []byte, off int64) (uint32, syscall.Errno) {
	if off+int64(len(data)) > maxSize {
		return 0, syscall.EFBIG
	}
	k := 0
	err := h.n.change(ctx, func(d *cache.Draft) (err error) {
		if err = h.n.haveWhole(ctx, d); err == nil {
			k, err = d.WriteAt(ctx, data, off)
		}
		return err
	})
	if k > 0 {
		h.n.wrote()
	}
	if err != nil && k == 0 {
		return 0, h.n.fs.fail("write", h.n.key(), err)
	}
	return uint32(k), 0
}

func (h *fileHandle) truncate(ctx context.Context, size int64) error {
	if size > maxSize {
		return bucket.ErrTooLarge
	}
	return h.n.change(ctx, func(d *cache.Draft) error {
		if size > 0 {
			if err := h.n.haveWhole(ctx, d); err != nil {
				return err
			}
		}
		if err := d.Truncate(ctx, size); err != nil {
			return err
		}
		d.MarkDirty() // also where the size stays: O_TRUNC of an empty file is a write
		h.n.wrote()
		return nil
	})
}

// Allocate is fallocate(2): it can only make the file longer; S3 has no holes
// to be punched and nothing to reserve.
func (h *fileHandle) Allocate(ctx context.Context, off, size uint64, mode uint32) syscall.Errno {
	const keepSize = 1
	if mode&^keepSize != 0 {
		return syscall.EOPNOTSUPP
	}
	d, err := h.n.ensureDraft()
	if err != nil {
		return h.n.fs.fail("fallocate", h.n.key(), err)
	}
	if end := int64(off + size); mode&keepSize == 0 && end > d.Size() {
		return h.n.fs.fail("fallocate", h.n.key(), h.truncate(ctx, end))
	}
	return 0
}

// Flush is each close of a descriptor, dup'd ones too. It stores what is dirty,
// or writes it down in the journal, so that its error reaches close(2). A reader's close stores nothing, and comes
// here from kernels before 5.16 only (FOPEN_NOFLUSH).
func (h *fileHandle) Flush(ctx context.Context) syscall.Errno {
	if !h.write {
		return 0
	}
	if h.direct {
		h.n.shared()
	}
	return h.n.fs.fail("flush", h.n.key(), h.n.publish(ctx))
}

// Fsync stores what is dirty.
func (h *fileHandle) Fsync(ctx context.Context, _ uint32) syscall.Errno {
	return h.n.fs.fail("fsync", h.n.key(), h.n.commit(ctx))
}

func (h *fileHandle) end(ctx context.Context) {
	last := h.close()
	if h.write && last {
		h.n.settle(ctx)
	}
	h.n.dropIdle()
}

// close unregisters the handle; last tells that no other writer is left.
func (h *fileHandle) close() (last bool) {
	n := h.n
	n.mu.Lock()
	reader := h.reader
	n.mu.handles--
	var backing *cache.Passed
	if h.passed {
		backing = n.unpassLocked()
	}
	if h.write {
		n.mu.writers--
	}
	last = n.mu.writers == 0
	n.mu.Unlock()
	if reader != nil {
		reader.Close()
	}
	if backing != nil {
		_ = backing.Close() // read only
	}
	return last
}

// settle decides on what is still dirty once the last writer is gone.
func (n *node) settle(ctx context.Context) {
	if !n.isDirty() {
		return
	}
	n.mu.Lock()
	failed, promised := n.mu.failed, n.promisedLocked()
	if n.fs.wb.on && n.mu.promise != nil {
		failed = nil // of an upload behind the program's back
	}
	n.mu.Unlock()
	if n.gone() {
		n.abandon()
		return
	}
	if promised {
		return // its upload follows
	}
	if failed == nil {
		failed = n.publish(ctx)
	}
	if failed != nil && n.isDirty() && !n.promised() {
		n.keep(failed)
	}
}

// abandon drops local content that nothing will store: its file is unlinked.
func (n *node) abandon() {
	n.mu.Lock()
	d := n.mu.draft
	if n.mu.handles > 0 {
		d = nil // still readable through its handles
	} else {
		n.mu.draft = nil
	}
	n.mu.Unlock()
	if d != nil {
		d.Drop()
	}
}

// isConflict tells that somebody else stored another version meanwhile.
func isConflict(err error) bool { return errors.Is(err, bucket.ErrChanged) }
