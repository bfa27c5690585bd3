package cache

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"sort"
	"sync"
	"sync/atomic"
)

// Source reads one version of one object.
type Source interface {
	// Fetch hands the n bytes at off to to.ReadFrom, in order and as they
	// arrive, in one call or several. It ends soon after ctx does.
	Fetch(ctx context.Context, off, n int64, to io.ReaderFrom) error
}

// Opened is a stream that is open already, of the same version: the GET that
// an open did.
type Opened struct {
	Body io.ReadCloser
	Off  int64
	Len  int64 // bytes
}

// Content is one version of one object in memory, as far as its readers need
// it: they share their blocks, and so each fetch. It ends with its last reader.
//
// Fetches run on the content's own context: a caller's ends its waiting only.
type Content struct {
	mem    *Memory
	src    Source
	size   int64
	disk   *DiskFile       // of the same version, or nil
	ctx    context.Context // of all fetches
	cancel context.CancelFunc
	wg     sync.WaitGroup // the fetches
	begun  atomic.Int64   // blocks so far

	give giving

	// Guarded by mem.mu.
	mu struct {
		blocks  []*block // sorted, disjoint; those that reads may use
		chunks  int      // that blocks hold, also those that are gone
		readers int
		closed  bool
		filling bool   // all of the object is wanted, as far as memory reaches
		given   Ranges // what the kernel has, and is not fetched for a fill again
	}
}

var errReaderClosed = fmt.Errorf("reader is closed: %w", os.ErrClosed)

// NewContent returns the content of an object of size bytes. It needs a reader
// to be of use, and to end. What disk has is not fetched, and what is fetched is
// stored there; it may be nil, and is closed with the content.
func NewContent(m *Memory, src Source, size int64, disk *DiskFile) *Content {
	c := &Content{mem: m, src: src, size: size, disk: disk}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	return c
}

// findLocked returns the block that holds off.
func (c *Content) findLocked(off int64) *block {
	i := c.afterLocked(off)
	if i > 0 && off < c.mu.blocks[i-1].end {
		return c.mu.blocks[i-1]
	}
	return nil
}

// afterLocked is the index of the first block that begins after off.
func (c *Content) afterLocked(off int64) int {
	return sort.Search(len(c.mu.blocks), func(i int) bool { return c.mu.blocks[i].off > off })
}

// clipLocked cuts want, around off which no block holds, to what no block holds.
func (c *Content) clipLocked(want Range, off int64) Range {
	want.Off, want.End = max(want.Off, 0), min(want.End, c.size)
	i := c.afterLocked(off)
	if i > 0 {
		want.Off = max(want.Off, c.mu.blocks[i-1].end)
	}
	if i < len(c.mu.blocks) {
		want.End = min(want.End, c.mu.blocks[i].off)
	}
	return want
}

// block returns the block that holds off, with a ref. Where there is none it
// begins to fetch piece from off on, as far as it is not there and a share of
// the memory allows, and waits for that memory.
func (c *Content) block(ctx context.Context, off int64, piece Range) (*block, error) {
	m := c.mem
	m.mu.Lock()
	defer m.mu.Unlock()
	var chunks [][]byte
	defer func() { m.giveLocked(chunks); m.grantLocked() }()
	for {
		if c.mu.closed {
			return nil, errReaderClosed
		}
		if b := c.findLocked(off); b != nil {
			b.refLocked()
			return b, nil
		}
		hole := c.holeLocked(piece, off)
		n := chunksOf(hole.Len())
		if chunks == nil {
			chunks = m.tryTakeLocked(n, forRead)
		}
		if chunks != nil {
			hole.End = min(hole.End, hole.Off+int64(len(chunks))*ChunkSize)
			n = min(n, len(chunks))
			b := c.startLocked(hole, chunks[:n:n], nil)
			chunks = chunks[n:]
			b.refLocked()
			return b, nil
		}
		m.mu.Unlock()
		var err error
		chunks, err = m.wait(ctx, n)
		m.mu.Lock()
		if err != nil {
			return nil, err
		}
	}
}

// holeLocked is what to fetch of piece for a read at off: within one share. It
// begins at off: the read has what comes before that, or copied it and gave its
// block up, and memory that was waited for may not reach from there to off.
func (c *Content) holeLocked(piece Range, off int64) Range {
	hole := c.clipLocked(Range{off, piece.End}, off)
	hole.End = min(hole.End, off+c.mem.pieceLocked(c.mu.readers, hole.Len()))
	return hole
}

// startLocked makes a block of chunks, which are enough for where, and starts
// its fetch.
func (c *Content) startLocked(where Range, chunks [][]byte, body io.ReadCloser) *block {
	b := &block{c: c, off: where.Off, end: where.End, chunks: chunks, nth: c.begun.Add(1)}
	if c.mu.chunks == 0 {
		c.mem.mu.active += c.mu.readers
	}
	c.mu.chunks += len(chunks)
	c.mu.blocks = slices.Insert(c.mu.blocks, c.afterLocked(b.off), b)
	ctx, cancel := context.WithCancel(c.ctx)
	b.cancel = cancel
	c.wg.Go(func() {
		defer cancel()
		b.finish(c.fetch(ctx, b, body))
	})
	return b
}

// releaseLocked takes the memory of a block back.
func (c *Content) releaseLocked(chunks [][]byte) {
	c.mem.giveLocked(chunks)
	if c.mu.chunks -= len(chunks); c.mu.chunks == 0 {
		c.mem.mu.active -= c.mu.readers
	}
}

// fetch fills b, the beginning from body where there is one. Whatever body
// does not bring, the disk or the source does: a stream has no retries of its own.
func (c *Content) fetch(ctx context.Context, b *block, body io.ReadCloser) error {
	if body != nil {
		drain(ctx, b, body)
		c.store(b, 0)
	}
	for b.filled < b.size() {
		if err := ctx.Err(); err != nil {
			return err
		}
		missing := c.readDisk(b)
		if missing.Len() == 0 {
			continue
		}
		from := b.filled
		if err := c.src.Fetch(ctx, missing.Off, missing.Len(), b); err != nil {
			return err
		}
		if b.off+b.filled < missing.End {
			return io.ErrUnexpectedEOF
		}
		c.store(b, from)
	}
	c.giveAway(b)
	return nil
}

// readDisk fills b as far as the disk has what comes next, and returns what has
// to be fetched then. That is what was found damaged, too.
func (c *Content) readDisk(b *block) (missing Range) {
	rest := Range{b.off + b.filled, b.end}
	if c.disk == nil {
		return rest
	}
	cached, hole := c.disk.Have(rest)
	for b.off+b.filled < cached.End {
		at := b.off + b.filled
		p := b.at(at, min(cached.End, at+ChunkSize))[0]
		n := c.disk.ReadAt(p, at)
		b.filled += int64(n)
		b.arrived()
		if n < len(p) {
			return Range{at + int64(n), cached.End}
		}
	}
	return hole
}

// store gives the disk what the source has brought since from.
func (c *Content) store(b *block, from int64) {
	if c.disk != nil {
		c.disk.Store(b.off+from, b.at(b.off+from, b.off+b.filled))
	}
}

// drain reads body into b until it breaks, or b is full.
func drain(ctx context.Context, b *block, body io.ReadCloser) {
	// Only closing it ends a Read that hangs.
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() { defer close(closed); body.Close() })
	_, _ = b.ReadFrom(body) // what it did not bring, the source will
	if stop() {
		body.Close() // all that counts has been read
	} else {
		<-closed
	}
}

// removeLocked takes b away from later reads, and ends its fetch. Reads that
// have it already go on, unless the fetch fails now.
func (c *Content) removeLocked(b *block) {
	if !b.gone {
		b.gone = true
		if i := c.afterLocked(b.off) - 1; i >= 0 && c.mu.blocks[i] == b {
			c.mu.blocks = slices.Delete(c.mu.blocks, i, i+1)
		}
		c.mem.unlistLocked(b)
		b.cancel()
	}
	b.restLocked()
}

// aheadLocked begins to fetch the missing parts of win, in pieces, as far as
// memory allows. Where win is not exact, it moves on with its stream.
func (c *Content) aheadLocked(win Range, exact bool, piece int64, u urgency) {
	m := c.mem
	win.End = min(win.End, c.size)
	piece = m.pieceLocked(c.mu.readers, piece)
	for pos := win.Off; pos < win.End; {
		if b := c.findLocked(pos); b != nil {
			pos = b.end
			continue
		}
		hole := c.clipLocked(Range{pos, pos + piece}, pos)
		if hole.End > win.End && hole.End < c.size {
			if !exact {
				return // the window is not there yet: one request, not two
			}
			hole.End = win.End
		}
		n := chunksOf(hole.Len())
		if m.mu.fetches >= maxFetches || int64(c.mu.chunks+n)*ChunkSize > m.shareLocked(c.mu.readers) {
			return
		}
		chunks := m.tryTakeLocked(n, u)
		if chunks == nil {
			return
		}
		b := c.startLocked(hole, chunks, nil)
		b.unread, b.ahead, b.fill = true, true, u == spareOnly
		m.mu.fetches++
		pos = b.end
	}
}

// denseParallel is how many fetches a fill of the whole object has under way.
const denseParallel = maxWindow / maxPiece

// fillLocked goes on with fetching all that is missing, behind the back of a
// random reader.
func (c *Content) fillLocked() {
	if !c.mu.filling || c.mu.closed {
		return
	}
	running := 0
	for _, b := range c.mu.blocks {
		if b.ahead && !b.done {
			running++
		}
	}
	for pos := int64(0); pos < c.size && running < denseParallel; {
		if b := c.findLocked(pos); b != nil {
			pos = b.end
			continue
		}
		missing := c.mu.given.Missing(pos, min(pos+maxPiece, c.size))
		if len(missing) == 0 {
			pos += maxPiece
			continue
		}
		before := len(c.mu.blocks)
		hole := c.clipLocked(missing[0], missing[0].Off)
		if hole.Len() <= 0 {
			pos = missing[0].End // a block has it
			continue
		}
		c.aheadLocked(hole, true, maxPiece, spareOnly)
		if len(c.mu.blocks) == before {
			return // no memory: the next block that is read makes room
		}
		running += len(c.mu.blocks) - before
		pos = hole.End // or less, where memory ends
	}
}

// passedLocked gives blocks up that were fetched for a stream that went on
// without them.
func (c *Content) passedLocked(r Range) {
	for i := max(c.afterLocked(r.Off)-1, 0); i < len(c.mu.blocks); i++ {
		b := c.mu.blocks[i]
		if b.end > r.End {
			return
		}
		if b.unread && b.off >= r.Off {
			b.unread = false
			if b.idle != nil {
				c.mem.listLocked(b)
			}
		}
	}
}
