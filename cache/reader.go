package cache

import (
	"context"
	"errors"
	"fmt"
	"syscall"
	"time"
)

// Reader reads a Content for one handle: it knows how that handle reads. Safe
// for concurrent use.
type Reader struct {
	c    *Content
	born time.Time

	// Guarded by the lock of the content's memory.
	mu struct {
		pattern pattern
		closed  bool
		fresh   bool // see Memory.crowdLocked
	}
}

// Reader returns a new reader; or nil, and leaves opened alone, where the content
// has ended. It takes opened (which may be nil) over, and closes its body.
func (c *Content) Reader(opened *Opened) *Reader {
	r, begun := c.addReader(opened)
	if r != nil && !begun {
		closeOpened(opened) // not under the lock: it ends a connection
	}
	return r
}

// addReader returns nil where the content has ended. begun tells that opened has
// become a block.
func (c *Content) addReader(opened *Opened) (r *Reader, begun bool) {
	m := c.mem
	m.mu.Lock()
	defer m.mu.Unlock()
	if c.mu.closed {
		return nil, false
	}
	c.mu.readers++
	if c.mu.chunks > 0 {
		m.mu.active++
	}
	r = &Reader{c: c, born: time.Now()}
	r.mu.fresh = true
	m.mu.fresh++
	m.mu.young = append(m.mu.young, r)
	r.mu.pattern = pattern{size: c.size, memory: int64(m.limit) * ChunkSize}
	return r, opened != nil && c.beginLocked(opened)
}

func closeOpened(o *Opened) {
	if o != nil {
		o.Body.Close() // nothing in it is missed: no error matters
	}
}

// beginLocked makes a block of the stream of an open, if there is memory for it
// and none for its place yet.
func (c *Content) beginLocked(o *Opened) bool {
	if c.findLocked(o.Off) != nil {
		return false
	}
	where := c.clipLocked(Range{o.Off, o.Off + o.Len}, o.Off)
	if where.Off != o.Off || where.Len() <= 0 {
		return false
	}
	chunks := c.mem.tryTakeLocked(chunksOf(where.Len()), forRead)
	if chunks == nil {
		return false
	}
	c.startLocked(where, chunks, o.Body)
	return true
}

// ReadAt reads the bytes at off. It returns less than len(p) only at the end of
// the object, or with an error. When ctx ends it gives up with ctx's error.
func (r *Reader) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	v, n, err := r.Read(ctx, p, off)
	if v != nil {
		for _, s := range v.Slices() {
			n += copy(p[n:], s)
		}
		v.Done()
	}
	return n, err
}

// Read is ReadAt without a copy, where it can be: the bytes are then in the View,
// else in p.
func (r *Reader) Read(ctx context.Context, p []byte, off int64) (*View, int, error) {
	if off < 0 {
		return nil, 0, fmt.Errorf("read at %d: %w", off, syscall.EINVAL)
	}
	end := min(off+int64(len(p)), r.c.size)
	if off >= end {
		return nil, 0, nil
	}
	since := r.c.begun.Load()
	for {
		piece, v, err := r.plan(off, end)
		switch {
		case err != nil:
			return nil, 0, err
		case v == nil:
			n, err := r.copy(ctx, p[:end-off], off, piece)
			return nil, n, err
		}
		again, err := v.await(ctx, since)
		if err == nil {
			return v, 0, nil
		}
		if v.drop(); !again {
			return nil, 0, err
		}
	}
}

// plan tells the pattern of a read, starts what is to be fetched for it and
// ahead of it, and returns the view of it: nil where memory has to be waited
// for. piece is what to fetch around a missing byte.
func (r *Reader) plan(off, end int64) (piece func(int64) Range, v *View, err error) {
	c, m := r.c, r.c.mem
	m.mu.Lock()
	defer m.mu.Unlock()
	if r.mu.closed {
		return nil, nil, errReaderClosed
	}
	plan := r.mu.pattern.read(Range{off, end})
	piece = plan.piece
	covered := c.coverLocked(off, end, piece)
	if covered {
		v = c.viewLocked(off, end)
	}
	if covered { // else those bytes come first
		c.passedLocked(plan.passed)
		ahead := c.fairLocked(plan.ahead)
		c.aheadLocked(ahead, false, max(min(plan.size, ahead.Len()/4), minPiece), forAhead)
		for _, s := range plan.strides {
			c.aheadLocked(s, true, s.Len(), forAhead)
		}
		if plan.dense && !c.mu.filling && c.size <= 2*int64(m.limit)*ChunkSize {
			c.mu.filling = true
			c.fillLocked()
		}
	}
	m.grantLocked() // what was passed may be given up
	return piece, v, nil
}

// fairLocked cuts what a reader would fetch ahead to its part of what all of them
// together need: the bandwidth that a window fills is shared by them, too.
func (c *Content) fairLocked(win Range) Range {
	win.End = min(win.End, win.Off+max(maxWindow/int64(max(c.mem.crowdLocked(), 1)), leastWindow))
	return win
}

// coverLocked begins to fetch what is missing of [off, end); false where there
// is no memory for some of it now.
func (c *Content) coverLocked(off, end int64, piece func(int64) Range) bool {
	for pos := off; pos < end; {
		b := c.findLocked(pos)
		if b == nil {
			hole := c.holeLocked(piece(pos), pos)
			chunks := c.mem.tryTakeLocked(chunksOf(hole.Len()), forRead)
			if chunks == nil {
				return false
			}
			b = c.startLocked(hole, chunks, nil)
			// The next turn may evict idle blocks, but not one that is on its way.
		}
		pos = b.end
	}
	// Making room may have cost the first blocks.
	for pos := off; pos < end; {
		b := c.findLocked(pos)
		if b == nil {
			return false
		}
		pos = b.end
	}
	return true
}

// copy reads block by block. It holds none while it waits for the memory of the
// next: so readers never wait for one another in a circle.
func (r *Reader) copy(ctx context.Context, p []byte, off int64, piece func(int64) Range) (n int, err error) {
	since := r.c.begun.Load()
	for n < len(p) {
		pos := off + int64(n)
		b, err := r.c.block(ctx, pos, piece(pos))
		if err != nil {
			return n, err
		}
		end := min(b.end, off+int64(len(p)))
		v := &View{c: r.c, parts: []part{{b, pos, end}}}
		again, err := v.await(ctx, since)
		if err != nil {
			v.drop()
			if again {
				continue
			}
			return n, err
		}
		for _, s := range v.Slices() {
			n += copy(p[n:], s)
		}
		v.Done()
	}
	return n, nil
}

// Close ends the reader. With the last one of a content its fetches and reads
// end, are waited for, and the memory is given back. It is idempotent.
func (r *Reader) Close() {
	c, m := r.c, r.c.mem
	m.mu.Lock()
	if r.mu.closed {
		m.mu.Unlock()
		return
	}
	r.mu.closed = true
	m.ageLocked(r)
	c.mu.readers--
	if c.mu.chunks > 0 {
		m.mu.active--
	}
	last := c.mu.readers == 0
	if last {
		c.mu.closed = true
		c.endGiving()
		c.cancel()
		for len(c.mu.blocks) > 0 {
			c.removeLocked(c.mu.blocks[0])
		}
	}
	m.grantLocked()
	m.mu.Unlock()
	if last {
		c.wg.Wait()
		if c.disk != nil {
			c.disk.Close()
		}
	}
}

// View is the bytes of one read, in the memory of blocks. It must be ended by
// Done once they have been used.
type View struct {
	c     *Content
	parts []part
}

// part is the bytes [off, end) of the object, in b.
type part struct {
	b        *block
	off, end int64
}

// viewLocked is a view of [off, end), all of which blocks hold.
func (c *Content) viewLocked(off, end int64) *View {
	v := &View{c: c}
	for off < end {
		b := c.findLocked(off)
		b.refLocked()
		p := part{b, off, min(end, b.end)}
		v.parts = append(v.parts, p)
		off = p.end
	}
	return v
}

// await waits until all bytes are there. again says that what failed was begun
// before anybody asked for it, maybe under other conditions: it is gone now, and
// worth an attempt of the read's own. Only the first since blocks count so: what
// is fetched ahead while the read tries would make it try forever.
func (v *View) await(ctx context.Context, since int64) (again bool, err error) {
	for _, p := range v.parts {
		if err := p.b.await(ctx, p.end-p.b.off); err != nil {
			return p.b.ahead && p.b.nth <= since && ctx.Err() == nil && !errors.Is(err, errReaderClosed), err
		}
	}
	return false, nil
}

// Size is the number of bytes.
func (v *View) Size() int {
	return int(v.parts[len(v.parts)-1].end - v.parts[0].off)
}

// Slices are the bytes, in order.
func (v *View) Slices() (out [][]byte) {
	for _, p := range v.parts {
		out = append(out, p.b.at(p.off, p.end)...)
	}
	return out
}

// Done ends the use of the bytes.
func (v *View) Done() { v.end(true) }

func (v *View) drop() { v.end(false) }

func (v *View) end(served bool) {
	m := v.c.mem
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, p := range v.parts {
		got := Range{p.off, p.end}
		if !served {
			got = Range{}
		}
		p.b.unrefLocked(got)
	}
	if v.c.mu.filling {
		v.c.fillLocked()
	}
	m.grantLocked()
}
