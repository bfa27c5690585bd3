package cache

import "sync"

// BlockSize is how much of an object one block of a Reader holds, in bytes. A
// first stream (Opened) of more than this is cut off there.
const BlockSize = 4 << 20

// With crowd open readers or more, the block that each of them is granted
// regardless of the budget is smallBlock bytes.
const (
	crowd      = 64
	smallBlock = 1 << 20
)

// Budget bounds the memory of all readers together, in bytes. Taking never
// waits: who gets nothing does with less.
type Budget struct {
	limit int64

	mu struct {
		sync.Mutex
		used    int64
		readers int
		free    [][]byte // of BlockSize each; with used within limit
	}
}

// NewBudget returns a budget of so many bytes.
func NewBudget(bytes int64) *Budget { return &Budget{limit: bytes} }

// TryTake takes n bytes if that many are left.
func (b *Budget) TryTake(n int64) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.used+n > b.limit {
		return false
	}
	b.mu.used += n
	return true
}

// Give returns n bytes.
func (b *Budget) Give(n int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.used -= n
}

// Used is the number of bytes taken.
func (b *Budget) Used() int64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.used
}

// enter and leave count the open readers.
func (b *Budget) enter() { b.count(1) }
func (b *Budget) leave() { b.count(-1) }

func (b *Budget) count(n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.readers += n
}

func (b *Budget) crowded() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.readers >= crowd
}

// buffer returns n bytes of memory, whose content is arbitrary. Taking the
// bytes from the budget is the caller's.
func (b *Budget) buffer(n int64) []byte {
	if buf := b.reuse(n); buf != nil {
		return buf
	}
	return make([]byte, n)
}

func (b *Budget) reuse(n int64) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	var buf []byte
	if last := len(b.mu.free) - 1; n == BlockSize && last >= 0 {
		buf = b.mu.free[last]
		b.mu.free[last] = nil
		b.mu.free = b.mu.free[:last]
	}
	b.trimLocked()
	return buf
}

// recycle takes a buffer back: a new one of this size would have to be zeroed
// first.
func (b *Budget) recycle(buf []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(buf) == BlockSize {
		b.mu.free = append(b.mu.free, buf)
	}
	b.trimLocked()
}

// trimLocked lets go of free buffers beyond the limit.
func (b *Budget) trimLocked() {
	for len(b.mu.free) > 0 && b.mu.used+int64(len(b.mu.free))*BlockSize > b.limit {
		b.mu.free[len(b.mu.free)-1] = nil
		b.mu.free = b.mu.free[:len(b.mu.free)-1]
	}
}
