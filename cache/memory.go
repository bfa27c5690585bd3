package cache

import (
	lru "container/list"
	"context"
	"fmt"
	"sync"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ChunkSize is the unit of a Memory, in bytes.
const ChunkSize = 128 << 10

const (
	minChunks    = 8  // of a Memory, whatever its limit
	maxFetches   = 64 // fetches at once that nobody waits for yet
	openingLimit = 1 << 20
)

// Memory is all memory for the content of objects: a hard bound, shared by all
// readers of a mount. What is not there is waited for, in order.
//
// Its chunks lie outside of the Go heap: the collector would let a heap of big
// buffers grow to twice the bound before it looks at it.
//
// Its lock guards all contents, blocks and readers of it as well. It is held
// over nothing but bookkeeping.
type Memory struct {
	limit int // chunks

	mu struct {
		sync.Mutex
		used    int       // chunks in blocks
		free    [][]byte  // mapped, and in no block
		spare   int       // of free: the fewest since the last Trim
		cold    lru.List  // *block: idle, the longest first; some reader has been there
		ahead   lru.List  // *block: idle and not read yet
		waiters lru.List  // *waiter
		active  int       // readers of contents that hold memory
		young   []*Reader // in the order in which they came; see crowdLocked
		fresh   int       // of them, those that count
		coming  int       // opens under way
		fetches int       // under way, read-ahead
	}
}

// waiter waits for n chunks.
type waiter struct {
	n     int
	got   [][]byte
	ready chan struct{}
}

// NewMemory returns a Memory of so many bytes, but 1 MiB at least.
func NewMemory(bytes int64) *Memory {
	return &Memory{limit: int(max(bytes/ChunkSize, minChunks))}
}

// Used is the number of bytes that blocks hold now.
func (m *Memory) Used() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int64(m.mu.used) * ChunkSize
}

// Trim gives what was not used since the last Trim back to the system.
func (m *Memory) Trim() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unmapLocked(m.mu.spare)
	m.mu.spare = len(m.mu.free)
}

// Close gives all unused memory back. Blocks that are still used stay.
func (m *Memory) Close() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.unmapLocked(len(m.mu.free))
}

func (m *Memory) unmapLocked(n int) {
	for range n {
		last := len(m.mu.free) - 1
		_ = unix.MunmapPtr(unsafe.Pointer(unsafe.SliceData(m.mu.free[last])), ChunkSize) // part of what was mapped: it cannot fail
		m.mu.free[last] = nil
		m.mu.free = m.mu.free[:last]
	}
	m.mu.spare = min(m.mu.spare, len(m.mu.free))
}

// Opening is how many bytes an open should ask for at once.
func (m *Memory) Opening() int64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return min(openingLimit, m.pieceLocked(1, openingLimit))
}

// youth is how long a reader counts that holds no memory yet.
const youth = 500 * time.Millisecond

// Coming counts a reader to be, from the beginning of its open until done is
// called, once.
func (m *Memory) Coming() (done func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.coming++
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.mu.coming--
	}
}

// crowdLocked is how many readers the memory is for: those that hold some, or
// those that come or have just come. Of many that begin together the first would
// else take what all of them need.
func (m *Memory) crowdLocked() int {
	if len(m.mu.young) > 0 {
		now := time.Now()
		for len(m.mu.young) > 0 && (!m.mu.young[0].mu.fresh || now.Sub(m.mu.young[0].born) >= youth) {
			m.ageLocked(m.mu.young[0])
			m.mu.young[0] = nil
			m.mu.young = m.mu.young[1:]
		}
	}
	return max(m.mu.active, m.mu.fresh+m.mu.coming)
}

// ageLocked ends the youth of r.
func (m *Memory) ageLocked(r *Reader) {
	if r.mu.fresh {
		r.mu.fresh = false
		m.mu.fresh--
	}
}

// shareLocked is what so many of the readers may hold, in bytes.
func (m *Memory) shareLocked(readers int) int64 {
	return int64(m.limit) * ChunkSize * int64(readers) / int64(max(m.crowdLocked(), readers, 1))
}

// pieceLocked cuts want to a size that leaves a share room for several: for
// parallel fetches where memory is plenty, for two where it is not.
func (m *Memory) pieceLocked(readers int, want int64) int64 {
	share := m.shareLocked(readers)
	most := min(max(share/8, leastPiece*ChunkSize), share/2)
	return max(min(int64(chunksOf(want)), most/ChunkSize), 1) * ChunkSize
}

func chunksOf(bytes int64) int { return int((bytes + ChunkSize - 1) / ChunkSize) }

// leastPiece is what pieceLocked allows where memory is little, in chunks.
const leastPiece = 4

// reserve is what no fill takes, in chunks: as much as the longest piece. Readers
// should not have to throw a fill out, and must not have to wait for it: the
// kernel locks the pages of a read until that is answered, and takes a fill's
// bytes for them after that only.
func (m *Memory) reserve() int { return max(m.limit/8, leastPiece) }

// urgency says what may be given up for memory.
type urgency int

const (
	spareOnly urgency = iota // nothing
	forAhead                 // what has been read
	forRead                  // also what has been fetched ahead: a reader waits
)

// tryTakeLocked returns n chunks, or nil where they cannot be had at once.
func (m *Memory) tryTakeLocked(n int, u urgency) [][]byte {
	if m.mu.waiters.Len() > 0 {
		return nil // they come first
	}
	return m.takeLocked(n, u)
}

func (m *Memory) takeLocked(n int, u urgency) [][]byte {
	limit := m.limit
	if u == spareOnly {
		limit -= m.reserve()
	}
	for m.mu.used+n > limit {
		if !m.evictLocked(u) {
			return nil
		}
	}
	out := make([][]byte, 0, n)
	for range n {
		chunk := m.chunkLocked()
		if chunk == nil {
			m.giveLocked(out)
			return nil
		}
		out = append(out, chunk)
		m.mu.used++ // mapLocked goes by it
	}
	m.mu.spare = min(m.mu.spare, len(m.mu.free))
	return out
}

// arenaSize is what is mapped at once: a huge page, which costs one page fault
// where its small pages would cost 512.
const arenaSize = 2 << 20

// chunkLocked returns nil where the system has no memory left.
func (m *Memory) chunkLocked() []byte {
	if len(m.mu.free) == 0 && !m.mapLocked() {
		return nil
	}
	last := len(m.mu.free) - 1
	chunk := m.mu.free[last]
	m.mu.free[last] = nil
	m.mu.free = m.mu.free[:last]
	return chunk
}

// mapLocked maps one more arena, within the limit.
func (m *Memory) mapLocked() bool {
	size := min(arenaSize, (m.limit-m.mu.used)*ChunkSize)
	mapped, err := mapAligned(size)
	if err != nil {
		return false
	}
	for ; size > 0; size -= ChunkSize {
		m.mu.free = append(m.mu.free, unsafe.Slice((*byte)(unsafe.Add(mapped, size-ChunkSize)), ChunkSize))
	}
	return true
}

// mapAligned maps size bytes, one whole huge page where size is that.
func mapAligned(size int) (unsafe.Pointer, error) {
	whole := size
	if size == arenaSize {
		whole += arenaSize // some address in it is aligned
	}
	p, err := unix.MmapPtr(-1, 0, nil, uintptr(whole), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil || whole == size {
		return p, err
	}
	skip := int(-uintptr(p) % arenaSize)
	if skip > 0 {
		_ = unix.MunmapPtr(p, uintptr(skip)) // parts of what was just mapped: it cannot fail
	}
	at := unsafe.Add(p, skip)
	if rest := arenaSize - skip; rest > 0 {
		_ = unix.MunmapPtr(unsafe.Add(at, size), uintptr(rest))
	}
	_ = unix.Madvise(unsafe.Slice((*byte)(at), size), unix.MADV_HUGEPAGE) // where there are none it is only slower
	return at, nil
}

// evictLocked gives up one idle block.
func (m *Memory) evictLocked(u urgency) bool {
	e := m.mu.cold.Front()
	if u == spareOnly || e == nil && u == forAhead {
		return false
	}
	if e == nil {
		// The youngest is likely the farthest ahead of its reader.
		if e = m.mu.ahead.Back(); e == nil {
			return false
		}
	}
	b := e.Value.(*block)
	b.c.removeLocked(b)
	return true
}

// giveLocked takes chunks back. Its caller calls grantLocked in the end.
func (m *Memory) giveLocked(chunks [][]byte) {
	m.mu.used -= len(chunks)
	m.mu.free = append(m.mu.free, chunks...)
}

// grantLocked serves those who wait, as far as it goes. It is called whenever
// memory or an idle block has become available.
func (m *Memory) grantLocked() {
	for e := m.mu.waiters.Front(); e != nil; e = m.mu.waiters.Front() {
		w := e.Value.(*waiter)
		w.got = m.takeLocked(w.n, forRead)
		if w.got == nil && m.mu.used > 0 {
			return // what is used comes back
		}
		m.mu.waiters.Remove(e)
		close(w.ready)
	}
}

// wait returns n chunks. All that is used is used for a while only: by fetches,
// and by reads that have their bytes. So nothing can wait for ever.
func (m *Memory) wait(ctx context.Context, n int) ([][]byte, error) {
	w := &waiter{n: min(n, m.limit), ready: make(chan struct{})}
	m.mu.Lock()
	e := m.mu.waiters.PushBack(w)
	m.grantLocked()
	m.mu.Unlock()
	select {
	case <-w.ready:
		if w.got == nil {
			return nil, fmt.Errorf("%d bytes of memory: %w", n*ChunkSize, unix.ENOMEM)
		}
		return w.got, nil
	case <-ctx.Done():
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	select {
	case <-w.ready:
		m.giveLocked(w.got)
	default:
		m.mu.waiters.Remove(e)
	}
	m.grantLocked() // the next one may want less
	return nil, fmt.Errorf("waiting for memory: %w", ctx.Err())
}
