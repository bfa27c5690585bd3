package cache

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
)

// Source reads one version of one object.
type Source interface {
	// Fetch fills p from off. It calls arrived, from one goroutine at a time,
	// when the first n bytes are there, with n never falling; those bytes it
	// must not touch again. It ends soon after ctx does.
	Fetch(ctx context.Context, off int64, p []byte, arrived func(n int)) error
}

// Opened is a stream that is open already, of the same version: the GET that
// an open did. At most BlockSize bytes of it are used.
type Opened struct {
	Body io.ReadCloser
	Off  int64
	Len  int64 // bytes
}

// Reader reads one version of one object for one handle. Sequential reads are
// served from blocks that are fetched ahead; random ones fetch what they need.
// Fetches run on the reader's own context: a caller's ends its waiting only.
//
// Memory comes from the budget; one block at a time is granted regardless, so
// that every reader gets on. A read that gets neither waits for one of the
// reader's own blocks, all of which end their use without it.
type Reader struct {
	src    Source
	size   int64
	block  int64 // bytes of a stream's block
	budget *Budget
	ctx    context.Context // of all fetches; ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // the fetches

	mu struct {
		sync.Mutex
		pattern pattern
		blocks  []*block // sorted, disjoint; those that reads may use
		live    int      // blocks whose memory is not yet given back
		granted *block   // the one beyond the budget
		changed chan struct{}
		waiting int
		closed  bool
	}
}

var errReaderClosed = fmt.Errorf("reader is closed: %w", os.ErrClosed)

// NewReader returns a reader of an object of size bytes. It takes opened (which
// may be nil) over and closes its body in any case.
func NewReader(src Source, size int64, budget *Budget, opened *Opened) *Reader {
	r := &Reader{src: src, size: size, block: min(size, BlockSize), budget: budget}
	r.ctx, r.cancel = context.WithCancel(context.Background())
	r.mu.changed = make(chan struct{})
	r.mu.pattern.seq = true
	budget.enter()
	if opened == nil {
		return r
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	want := Range{opened.Off, opened.Off + min(opened.Len, BlockSize, size-opened.Off)}
	if b := r.newBlockLocked(want, true); b != nil {
		r.mu.pattern.next = opened.Off
		r.startLocked(b, opened.Body)
	} else {
		opened.Body.Close() // nothing in it: no error matters
	}
	return r
}

// ReadAt reads the bytes at off. It returns less than len(p) only at the end of
// the object, or with an error. When ctx ends it gives up with ctx's error.
func (r *Reader) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("read at %d: %w", off, syscall.EINVAL)
	}
	if off >= r.size {
		return 0, nil
	}
	p = p[:min(int64(len(p)), r.size-off)]
	n := 0
	for n < len(p) {
		m, err := r.readSome(ctx, p[n:], off+int64(n))
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// readSome reads at least one byte, from one block.
func (r *Reader) readSome(ctx context.Context, p []byte, off int64) (int, error) {
	b, err := r.acquire(ctx, off, off+int64(len(p)))
	if err != nil {
		return 0, err
	}
	defer r.release(b)
	want := int(min(off+int64(len(p)), b.end) - b.off)
	if err := r.await(ctx, b, want); err != nil {
		return 0, err
	}
	return copy(p, b.buf[off-b.off:want]), nil
}

// await waits until the first want bytes of b are there.
func (r *Reader) await(ctx context.Context, b *block, want int) error {
	for {
		r.mu.Lock()
		have, done, err, moved := b.have, b.done, b.err, b.moved
		r.mu.Unlock()
		switch {
		case have >= want:
			return nil
		case done:
			return err
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// acquire returns the block that holds off, for a read of [off, end), and
// begins to fetch it (and what comes after it) where needed.
func (r *Reader) acquire(ctx context.Context, off, end int64) (*block, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	var stream, judged bool
	for {
		if r.mu.closed {
			return nil, errReaderClosed
		}
		b := r.findLocked(off)
		switch {
		case b != nil && !judged:
			r.mu.pattern.hit(off, end)
		case b == nil && !judged:
			was := r.mu.pattern.next
			stream, judged = r.mu.pattern.miss(off, end), true
			b = r.fetchLocked(off, end, was, stream)
		case b == nil:
			b = r.fetchLocked(off, end, off, stream)
		}
		if b != nil {
			b.refs++
			r.tidyLocked()
			r.aheadLocked()
			return b, nil
		}
		if err := r.makeRoomLocked(ctx, off); err != nil {
			return nil, err
		}
	}
}

// release ends a read's use of b.
func (r *Reader) release(b *block) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b.refs--
	if b.refs == 0 && b.once {
		r.removeLocked(b)
	}
	r.freeLocked(b)
	r.wakeLocked()
}

// Close ends all fetches and reads, waits for them, and gives the budget back.
// It is idempotent.
func (r *Reader) Close() {
	r.mu.Lock()
	first := !r.mu.closed
	r.mu.closed = true
	r.cancel()
	for len(r.mu.blocks) > 0 {
		r.removeLocked(r.mu.blocks[0])
	}
	r.wakeLocked()
	for r.mu.live > 0 {
		_ = r.waitLocked(context.Background()) // cannot fail
	}
	r.mu.Unlock()
	r.wg.Wait()
	if first {
		r.budget.leave()
	}
}

// waitLocked waits, with the lock released, for a change of any block's use.
func (r *Reader) waitLocked(ctx context.Context) error {
	r.mu.waiting++
	changed := r.mu.changed
	r.mu.Unlock()
	var err error
	select {
	case <-changed:
	case <-ctx.Done():
		err = ctx.Err()
	}
	r.mu.Lock()
	r.mu.waiting--
	return err
}

func (r *Reader) wakeLocked() {
	if r.mu.waiting > 0 {
		close(r.mu.changed)
		r.mu.changed = make(chan struct{})
	}
}
