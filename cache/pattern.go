package cache

// Figures of the access pattern, in bytes.
const (
	nearFirst = 1 << 20        // how far out of order a stream may be at its start
	nearLater = 4 << 20        // and later, when the kernel reads further ahead
	fillHole  = smallBlock - 1 // so that every block reaches beyond its hole
	maxAhead  = 4              // blocks

	// After this many misses in a row away from the stream its blocks go.
	strayLimit = 4
)

// pattern tells a sequential reader from a random one. It is pure: offsets in,
// verdict out. The kernel's read-ahead sends several requests of one stream at
// once, and they do not arrive in order.
type pattern struct {
	seq      bool
	next     int64 // where the stream is expected to go on
	streamed int64 // bytes that the stream has moved on
	strays   int   // misses in a row away from it
	last     Range // the latest of these
}

// hit records a read of cached bytes. It may move the stream on.
func (t *pattern) hit(off, end int64) {
	if t.seq && t.near(off) {
		t.advance(end)
	}
}

// miss records a read of bytes that are not cached, and reports whether they
// are part of a stream, and so worth a whole block.
func (t *pattern) miss(off, end int64) (stream bool) {
	switch {
	case off == 0 && t.next > 0, off == t.last.End && t.strays > 0:
		t.next, t.streamed = off, 0
	case t.seq && t.near(off) && end <= t.next:
		return false // late, its block is gone: not worth another
	case t.seq && t.near(off), off == t.next:
		// goes on, or goes on again
	case end == t.last.Off && t.strays > 0: // the two came in reverse
		t.next, t.streamed, end = off, 0, t.last.End
	default:
		t.seq = false
		t.strays++
		t.last = Range{off, end}
		return false
	}
	t.seq = true
	t.strays = 0
	t.advance(end)
	return true
}

func (t *pattern) near(off int64) bool {
	tolerance := int64(nearFirst)
	if t.streamed >= nearFirst {
		tolerance = nearLater
	}
	return off >= t.next-tolerance && off <= t.next+tolerance
}

func (t *pattern) advance(end int64) {
	if end > t.next {
		t.streamed += end - t.next
		t.next = end
	}
}

// failed makes the stream earn its read-ahead again.
func (t *pattern) failed() { t.streamed = 0 }

// ahead is how many blocks beyond the expected offset are worth fetching now:
// none for who only looks at the head of a file.
func (t *pattern) ahead() int64 {
	switch {
	case !t.seq || t.streamed < 512<<10:
		return 0
	case t.streamed < 2<<20:
		return 1
	case t.streamed < 4<<20:
		return 2
	}
	return maxAhead
}

// start is where the block for a stream's read at off begins. A small hole
// before it, up to where the stream was, is most likely asked for next.
func (t *pattern) start(off, was int64) int64 {
	if was < off && off-was <= fillHole {
		return was
	}
	return off
}
