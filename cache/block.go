package cache

import (
	lru "container/list"
	"context"
	"errors"
	"fmt"
	"io"
)

// block is a part of an object in memory, or on its way there. Its fields are
// guarded by the lock of its Memory, but for the bytes: the first have of them
// do not change any more and may be read by who holds a ref.
type block struct {
	c        *Content
	off, end int64
	chunks   [][]byte
	nth      int64 // among the blocks of c, in the order in which they began
	filled   int64 // of its fetch alone
	cancel   context.CancelFunc

	have   int64
	done   bool // the fetch has ended
	err    error
	moved  chan struct{} // closed, and nil again, when what is waited for is there
	wakeAt int64         // the least that anybody waits for

	refs   int    // reads that use it
	served Ranges // what reads have got, which may be the same bytes for several
	unread bool   // fetched ahead, and no reader has been there
	ahead  bool   // its fetch was begun before anybody wanted it
	fill   bool   // fetched as one part of the whole object
	gone   bool   // removed from Content.blocks
	freed  bool
	idle   *lru.Element // in one of the lists of Memory
}

func (b *block) size() int64 { return b.end - b.off }

// at returns the bytes [off, end) of the object, which lie in b, by slices.
func (b *block) at(off, end int64) (out [][]byte) {
	for off < end {
		i := off - b.off
		chunk := b.chunks[i/ChunkSize][i%ChunkSize:]
		chunk = chunk[:min(int64(len(chunk)), end-off)]
		out = append(out, chunk)
		off += int64(len(chunk))
	}
	return out
}

// ReadFrom fills b with what comes next. It is called by b's fetch alone.
func (b *block) ReadFrom(r io.Reader) (total int64, err error) {
	for b.filled < b.size() {
		i := b.filled
		chunk := b.chunks[i/ChunkSize][i%ChunkSize:]
		chunk = chunk[:min(int64(len(chunk)), b.size()-i)]
		n, err := r.Read(chunk)
		total += int64(n)
		if n > 0 {
			b.filled += int64(n)
			b.arrived()
		}
		if errors.Is(err, io.EOF) {
			return total, nil
		}
		if err != nil {
			return total, err
		}
	}
	return total, nil
}

// arrived notes how much of b is there.
func (b *block) arrived() {
	m := b.c.mem
	m.mu.Lock()
	defer m.mu.Unlock()
	b.have = b.filled
	if b.have >= b.wakeAt {
		b.wakeLocked()
	}
}

func (b *block) wakeLocked() {
	if b.moved != nil {
		close(b.moved)
		b.moved = nil
	}
}

// await waits until the first want bytes of b are there. The caller holds a ref.
func (b *block) await(ctx context.Context, want int64) error {
	m := b.c.mem
	for {
		m.mu.Lock()
		if b.have >= want || b.done {
			err := b.err
			if b.have >= want {
				err = nil
			}
			m.mu.Unlock()
			return err
		}
		if b.moved == nil {
			b.moved, b.wakeAt = make(chan struct{}), want
		}
		b.wakeAt = min(b.wakeAt, want)
		moved := b.moved
		m.mu.Unlock()
		select {
		case <-moved:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// refLocked makes b stay for a read.
func (b *block) refLocked() {
	b.refs++
	b.unread = false
	b.c.mem.unlistLocked(b)
}

// unrefLocked ends a read's use of b, of which it got that.
func (b *block) unrefLocked(got Range) {
	b.refs--
	b.served.Add(got.Off, got.End)
	b.restLocked()
}

// restLocked decides what becomes of b when nobody uses it. What has been read
// to its last byte goes: the kernel's page cache has it now.
func (b *block) restLocked() {
	switch {
	case b.refs > 0 || !b.done:
	case b.gone:
		b.freeLocked()
	case b.served.Covers(b.off, b.end):
		if b.fill {
			b.c.mu.given.Add(b.off, b.end) // by the reads: else it would be fetched again at once
		}
		b.c.removeLocked(b)
	default:
		b.c.mem.listLocked(b)
	}
}

// freeLocked gives b's memory back.
func (b *block) freeLocked() {
	if b.freed {
		return
	}
	b.freed = true
	b.c.releaseLocked(b.chunks)
	b.chunks = nil
}

// listLocked and unlistLocked keep the lists of idle blocks.
func (m *Memory) listLocked(b *block) {
	m.unlistLocked(b)
	if b.unread {
		b.idle = m.mu.ahead.PushBack(b)
	} else {
		b.idle = m.mu.cold.PushBack(b)
	}
}

func (m *Memory) unlistLocked(b *block) {
	if b.idle != nil {
		m.mu.ahead.Remove(b.idle) // of the two only its own list does it
		m.mu.cold.Remove(b.idle)
		b.idle = nil
	}
}

// finish notes the end of b's fetch. A failed block is forgotten, so that a
// later read tries again; who waits for it now gets the error.
func (b *block) finish(err error) {
	m := b.c.mem
	m.mu.Lock()
	defer m.mu.Unlock()
	b.done = true
	if b.ahead {
		m.mu.fetches--
	}
	switch {
	case err == nil:
		b.have = b.size()
	case b.c.mu.closed:
		b.err = errReaderClosed
	default:
		b.err = fmt.Errorf("fetch %d bytes at %d: %w", b.size(), b.off, err)
		b.c.removeLocked(b)
	}
	b.wakeLocked()
	b.restLocked()
	if err == nil {
		b.c.fillLocked()
	}
	m.grantLocked()
}
