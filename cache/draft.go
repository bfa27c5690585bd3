package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"sync"
	"syscall"
)

// Base reads the version of the object that a draft began from.
type Base interface {
	// ReadBase reads exactly len(p) bytes.
	ReadBase(ctx context.Context, p []byte, off int64) error
	// DownloadBase writes exactly n bytes to w, at their offsets in the object.
	DownloadBase(ctx context.Context, off, n int64, w io.WriterAt) error
}

// Draft is one dirty file: a sparse local file over a base version. A byte is
// taken from the local file where it is present there; else from the base
// below base limit; else it is zero. Safe for concurrent use.
//
// The local file is always as long as the draft, and holds zeros wherever
// nothing is present, so that once the base bytes are filled in it is the
// content. Writes to it happen under the lock: it is local, and a read must
// not see a range as present before its bytes are there.
type Draft struct {
	stage *Stage
	id    string
	file  content
	fate  sync.Mutex // Drop and Keep exclude each other; taken before mu

	mu struct {
		sync.Mutex
		size      int64
		baseLimit int64 // at most size; a shrink lowers it for ever
		present   Ranges
		written   Ranges // since the base was stored: what it does not have like this
		epoch     uint64 // moves on whenever base bytes become unneeded
		dirty     bool
		marks     uint64 // counts MarkDirty
		changes   uint64 // counts what a commit would store otherwise
		pinned    bool   // the journal needs the file as it is
		sealMarks uint64 // marks when the seal was taken
		sealed    bool
		free      chan struct{} // closed when the seal is lifted or the draft ends
		ended     bool          // dropped or kept

		begin   func(context.Context) (PartUpload, error) // of an upload while it is written; nil: none
		sender  *sender                                   // of that upload, until it has ended
		spoiled error                                     // of a write that failed: the content is not what was meant
	}
}

// content is where a draft's bytes are: a file of its stage, or what goes before
// one.
type content interface {
	io.ReaderAt
	io.WriterAt
	Truncate(size int64) error
	Sync() error
	Close() error
	Name() string // of the stage file that has the bytes once the draft is kept
}

// errEnded is what remains to be said of a dropped or kept draft.
var errEnded = fmt.Errorf("draft is closed: %w", os.ErrClosed)

// Size is the length of the file in bytes.
func (d *Draft) Size() int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mu.size
}

// Dirty reports whether there is anything to commit.
func (d *Draft) Dirty() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mu.dirty
}

// MarkDirty asks for a commit though no byte changed: of an empty new file, or
// of attributes. A mark made while a commit is under way outlives that commit.
func (d *Draft) MarkDirty() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.dirty = true
	d.mu.marks++
	d.mu.changes++
}

// lockUnsealed returns with d.mu locked and the draft not sealed, or fails
// with the draft's end or ctx.
func (d *Draft) lockUnsealed(ctx context.Context) error {
	for {
		d.mu.Lock()
		if d.mu.ended {
			d.mu.Unlock()
			return errEnded
		}
		if !d.mu.sealed {
			return nil
		}
		free := d.mu.free
		d.mu.Unlock()
		select {
		case <-free:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// WriteAt writes p at off, and waits while the draft is sealed; ctx interrupts
// that wait. After a short write exactly the n bytes are part of the content.
// An error of the local file passes through: errors.Is(err, syscall.ENOSPC). It
// spoils the draft (see Spoiled).
func (d *Draft) WriteAt(ctx context.Context, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("write at %d: %w", off, syscall.EINVAL)
	}
	if off > math.MaxInt64-int64(len(p)) {
		return 0, fmt.Errorf("write at %d: %w", off, syscall.EFBIG)
	}
	if err := d.lockUnsealed(ctx); err != nil {
		return 0, err
	}
	defer d.mu.Unlock()
	if d.mu.pinned {
		return 0, ErrPinned
	}
	n, err := d.file.WriteAt(p, off)
	if n > 0 {
		d.mu.changes++
		old, end := d.mu.size, off+int64(n)
		d.mu.present.Add(off, end)
		d.mu.written.Add(off, end)
		d.mu.size = max(d.mu.size, end)
		d.mu.dirty = true
		d.sendLocked(min(off, old), end)
	}
	if err != nil {
		d.mu.spoiled = err
		if off+int64(len(p)) > d.mu.size { // os.File.WriteAt does not count the bytes before an error
			err = errors.Join(err, d.file.Truncate(d.mu.size))
		}
		return n, fmt.Errorf("stage %d bytes at %d: %w", len(p), off, err)
	}
	return n, nil
}

// Truncate sets the size: growth is zeros, and base bytes beyond a smaller
// size are gone for ever. It waits like WriteAt.
func (d *Draft) Truncate(ctx context.Context, size int64) error {
	if size < 0 {
		return fmt.Errorf("truncate to %d: %w", size, syscall.EINVAL)
	}
	if err := d.lockUnsealed(ctx); err != nil {
		return err
	}
	defer d.mu.Unlock()
	if size == d.mu.size {
		if size == 0 {
			d.mu.spoiled = nil
		}
		return nil
	}
	if d.mu.pinned {
		return ErrPinned
	}
	if err := d.file.Truncate(size); err != nil {
		return fmt.Errorf("truncate stage file to %d: %w", size, err)
	}
	if size == 0 {
		d.mu.spoiled = nil
	}
	d.cutLocked(min(size, d.mu.size))
	d.mu.size = size
	d.mu.present.Clip(size)
	d.mu.written.Clip(size)
	d.mu.baseLimit = min(d.mu.baseLimit, size)
	d.mu.dirty = true
	d.mu.changes++
	return nil
}

// ReadAt reads the content at off. It returns less than len(p) bytes only at
// the end of the file, and then no error. It does not wait for a seal. base is
// asked for what is not staged; it may be nil where nothing of it is needed.
func (d *Draft) ReadAt(ctx context.Context, base Base, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at %d: %w", off, syscall.EINVAL)
	}
	for {
		n, gaps, epoch, err := d.readStaged(p, off)
		if err != nil || len(gaps) == 0 {
			return n, err
		}
		err = readGaps(ctx, base, p, off, gaps)
		if err == nil {
			return n, nil
		}
		// A commit may have replaced the base just now, and with it the need
		// for it: then the bytes are here.
		if d.epoch() == epoch {
			return 0, err
		}
	}
}

func readGaps(ctx context.Context, base Base, p []byte, off int64, gaps []Range) error {
	if base == nil {
		return errors.New("draft needs its base version, which is not known")
	}
	for _, g := range gaps {
		if err := base.ReadBase(ctx, p[g.Off-off:g.End-off], g.Off); err != nil {
			return fmt.Errorf("read base at %d: %w", g.Off, err)
		}
	}
	return nil
}

func (d *Draft) epoch() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mu.epoch
}

// readStaged reads what the local file has and returns the ranges that have to
// come from the base.
func (d *Draft) readStaged(p []byte, off int64) (n int, gaps []Range, epoch uint64, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.ended {
		return 0, nil, 0, errEnded
	}
	if off >= d.mu.size {
		return 0, nil, 0, nil
	}
	n = int(min(int64(len(p)), d.mu.size-off))
	end := off + int64(n)
	gaps = d.mu.present.Missing(off, min(end, d.mu.baseLimit))
	if len(gaps) == 1 && gaps[0] == (Range{off, end}) {
		return n, gaps, d.mu.epoch, nil
	}
	// Gaps are read along with the rest, and overwritten afterwards.
	if got, err := d.file.ReadAt(p[:n], off); got < n {
		if errors.Is(err, io.EOF) {
			err = io.ErrUnexpectedEOF // somebody cut the file: never call that zeros
		}
		return 0, nil, 0, fmt.Errorf("read stage file at %d: %w", off, err)
	}
	return n, gaps, d.mu.epoch, nil
}

// Drop ends the draft and removes its file, unless that is pinned. It is
// idempotent, and does nothing to a kept draft.
func (d *Draft) Drop() {
	d.fate.Lock()
	defer d.fate.Unlock()
	if !d.end() {
		return
	}
	if d.Pinned() { // the next mount's
		d.stage.leave(d)
		return
	}
	d.stage.remove(d)
}

// end stops all use of the draft; it reports whether this call did.
func (d *Draft) end() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.ended {
		return false
	}
	d.mu.ended = true
	d.endSenderLocked(false)
	d.liftLocked()
	return true
}

func (d *Draft) liftLocked() {
	if d.mu.sealed {
		d.mu.sealed = false
		close(d.mu.free)
	}
}
