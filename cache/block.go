package cache

import (
	"context"
	"fmt"
	"io"
	"slices"
)

// block is a part of an object in memory, or on its way there. Its fields are
// guarded by the reader's lock, but for the bytes of buf: the first have of
// them do not change any more and may be read by who holds a ref.
type block struct {
	off, end int64
	buf      []byte
	taken    int64 // from the budget; 0: the granted one
	once     bool  // for a random read: goes when it has been read
	cancel   context.CancelFunc

	have  int
	done  bool // the fetch has ended
	err   error
	moved chan struct{} // closed, and replaced, whenever have or done changes
	refs  int           // reads that use it
	gone  bool          // removed from Reader.blocks
	freed bool
}

func (b *block) idle() bool { return b.refs == 0 }

// findLocked returns the block that holds off.
func (r *Reader) findLocked(off int64) *block {
	for _, b := range r.mu.blocks {
		if b.off <= off && off < b.end {
			return b
		}
	}
	return nil
}

// fetchLocked begins a block for a read of [off, end) that misses. It returns
// nil where there is no memory for it.
func (r *Reader) fetchLocked(off, end, was int64, stream bool) *block {
	want := Range{off, end}
	if stream {
		want.Off = r.mu.pattern.start(off, was)
		want.End = want.Off + r.block
	}
	b := r.newBlockLocked(r.clipLocked(want, off), true)
	if b == nil {
		return nil
	}
	b.once = !stream
	if b.once && r.mu.pattern.strays >= strayLimit {
		r.removeIdleLocked(func(*block) bool { return true })
	}
	r.startLocked(b, nil)
	return b
}

// clipLocked cuts want, around off, to one block of the object that overlaps no
// other.
func (r *Reader) clipLocked(want Range, off int64) Range {
	want.End = min(want.End, r.size, want.Off+BlockSize)
	for _, b := range r.mu.blocks {
		if b.end <= off {
			want.Off = max(want.Off, b.end)
		} else {
			want.End = min(want.End, b.off)
		}
	}
	return want
}

// newBlockLocked makes a block from the budget, or (with grant) as the one
// block beyond it, then maybe of less than is wanted. It is not in
// Reader.blocks yet.
func (r *Reader) newBlockLocked(want Range, grant bool) *block {
	n := want.Len()
	if n <= 0 {
		return nil
	}
	b := &block{off: want.Off, taken: n, moved: make(chan struct{})}
	if !r.budget.TryTake(n) {
		if !grant || r.mu.granted != nil {
			return nil
		}
		r.mu.granted, b.taken = b, 0
		if r.budget.crowded() {
			n = min(n, smallBlock)
		}
	}
	b.end = b.off + n
	b.buf = r.budget.buffer(n)
	r.mu.live++
	return b
}

// startLocked makes b usable and starts its fetch.
func (r *Reader) startLocked(b *block, body io.ReadCloser) {
	i, _ := slices.BinarySearchFunc(r.mu.blocks, b.off, func(x *block, off int64) int {
		return int(min(max(x.off-off, -1), 1))
	})
	r.mu.blocks = slices.Insert(r.mu.blocks, i, b)
	ctx, cancel := context.WithCancel(r.ctx)
	b.cancel = cancel
	r.wg.Go(func() {
		defer cancel()
		r.finish(b, r.fill(ctx, b, body))
	})
}

// fill fetches b, the beginning from body where there is one. Whatever body
// does not bring, the source does: a stream has no retries of its own.
func (r *Reader) fill(ctx context.Context, b *block, body io.ReadCloser) error {
	start := 0
	if body != nil {
		start = r.drain(ctx, b, body)
	}
	if start == len(b.buf) {
		return nil
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return r.src.Fetch(ctx, b.off+int64(start), b.buf[start:], func(n int) { r.arrived(b, start+n) })
}

// drain reads body into b until it is full, and returns how much came.
func (r *Reader) drain(ctx context.Context, b *block, body io.ReadCloser) int {
	// Only closing it ends a Read that hangs.
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { defer close(closed); body.Close() })
	n := 0
	for n < len(b.buf) {
		m, err := body.Read(b.buf[n:])
		n += m
		r.arrived(b, n)
		if err != nil {
			break
		}
	}
	if stop() {
		body.Close() // all that counts has been read
	} else {
		<-closed
	}
	return n
}

// arrived notes that the first n bytes of b are there.
func (r *Reader) arrived(b *block, n int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n = min(n, len(b.buf)); n > b.have {
		b.have = n
		b.moveLocked()
	}
}

func (b *block) moveLocked() {
	close(b.moved)
	b.moved = make(chan struct{})
}

// finish notes the end of b's fetch. A failed block is forgotten, so that a
// later read tries again; who waits for it now gets the error.
func (r *Reader) finish(b *block, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	b.done = true
	switch {
	case err == nil:
		b.have = len(b.buf)
	case r.mu.closed:
		b.err = errReaderClosed
	default:
		b.err = fmt.Errorf("fetch %d bytes at %d: %w", len(b.buf), b.off, err)
		if !b.gone {
			r.mu.pattern.failed()
		}
		r.removeLocked(b)
	}
	b.moveLocked()
	r.freeLocked(b)
	r.wakeLocked()
}

// removeLocked takes b away from later reads, and ends its fetch. Reads that
// have it already go on, unless the fetch fails now.
func (r *Reader) removeLocked(b *block) {
	if !b.gone {
		b.gone = true
		r.mu.blocks = slices.DeleteFunc(r.mu.blocks, func(x *block) bool { return x == b })
		b.cancel()
	}
	r.freeLocked(b)
}

// freeLocked gives b's memory back once nobody uses it.
func (r *Reader) freeLocked(b *block) {
	if b.freed || !b.gone || !b.done || b.refs > 0 {
		return
	}
	b.freed = true
	r.budget.Give(b.taken)
	r.budget.recycle(b.buf)
	b.buf = nil
	r.mu.live--
	if r.mu.granted == b {
		r.mu.granted = nil
	}
	r.wakeLocked()
}

// aheadLocked begins to fetch what the stream will ask for next, as far as
// the budget allows.
func (r *Reader) aheadLocked() {
	t := &r.mu.pattern
	limit := min(r.size, t.next+t.ahead()*r.block)
	for pos := t.next; pos < limit; {
		b := r.findLocked(pos)
		if b == nil {
			if b = r.newBlockLocked(r.clipLocked(Range{pos, pos + r.block}, pos), false); b == nil {
				return
			}
			r.startLocked(b, nil)
		}
		pos = b.end
	}
}

// tidyLocked drops the blocks behind a stream; one block's length is left to
// requests that come late.
func (r *Reader) tidyLocked() {
	if t := &r.mu.pattern; t.seq {
		r.removeIdleLocked(func(b *block) bool { return b.end <= t.next-r.block })
	}
}

func (r *Reader) removeIdleLocked(which func(*block) bool) {
	for _, b := range slices.Clone(r.mu.blocks) {
		if b.idle() && which(b) {
			r.removeLocked(b)
		}
	}
}

// makeRoomLocked gives up the idle block that is farthest from off, or waits
// for one to become idle.
func (r *Reader) makeRoomLocked(ctx context.Context, off int64) error {
	var far *block
	for _, b := range r.mu.blocks {
		if b.idle() && (far == nil || distance(b, off) > distance(far, off)) {
			far = b
		}
	}
	if far != nil {
		if r.removeLocked(far); far.freed {
			return nil
		}
	}
	return r.waitLocked(ctx)
}

func distance(b *block, off int64) int64 { return max(b.off-off, off-b.off) }
