package cache

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// memSource is an object in memory that arrives in pieces.
type memSource struct {
	data    []byte
	failing atomic.Int64 // 1 in so many fetches fails half way; 0: none; -1: all, at once
	gate    chan struct{}
	mu      struct {
		sync.Mutex
		asked []Range
	}
}

var errBroken = errors.New("connection broke")

func (s *memSource) Fetch(ctx context.Context, off, n int64, to io.ReaderFrom) error {
	s.mu.Lock()
	s.mu.asked = append(s.mu.asked, Range{off, off + n})
	s.mu.Unlock()
	one := s.failing.Load()
	breaks, half := one < 0 || one > 0 && rand.Int64N(one) == 0, n/2
	if one < 0 {
		half = 0
	}
	for at := int64(0); at < n; {
		if s.gate != nil {
			select {
			case <-s.gate:
			case <-ctx.Done():
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if breaks && at >= half {
			return errBroken
		}
		k, err := to.ReadFrom(bytes.NewReader(s.data[off+at : off+min(n, at+100_000)]))
		if err != nil {
			return err
		}
		at += k
	}
	return nil
}

// newReader is a reader of s by itself.
func newReader(m *Memory, s *memSource, opened *Opened) *Reader {
	return NewContent(m, s, int64(len(s.data)), nil).Reader(opened)
}

// newMemory ends with the test, by when it must be unused.
func newMemory(t testing.TB, bytes int64) *Memory {
	m := NewMemory(bytes)
	t.Cleanup(func() {
		wantUsed(t, m, 0)
		m.mu.Lock()
		defer m.mu.Unlock()
		if m.mu.active != 0 || m.mu.fetches != 0 || m.mu.cold.Len()+m.mu.ahead.Len()+m.mu.waiters.Len() != 0 {
			t.Errorf("left over: %d active, %d fetches, %d cold, %d ahead, %d waiters", m.mu.active, m.mu.fetches, m.mu.cold.Len(), m.mu.ahead.Len(), m.mu.waiters.Len())
		}
		m.unmapLocked(len(m.mu.free))
	})
	return m
}

func (s *memSource) asked() []Range {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Range(nil), s.mu.asked...)
}

func checkRead(t testing.TB, r *Reader, s *memSource, off, n int64) {
	t.Helper()
	p := make([]byte, n)
	got, err := r.ReadAt(t.Context(), p, off)
	size := int64(len(s.data))
	if want := s.data[min(off, size):min(off+n, size)]; err != nil || !bytes.Equal(p[:got], want) {
		t.Fatalf("ReadAt(%d, %d) = %d, %v: want %d bytes", off, n, got, err, len(want))
	}
}

func wantUsed(t testing.TB, m *Memory, want int64) {
	t.Helper()
	if got := m.Used(); got != want {
		t.Errorf("%d bytes used, want %d", got, want)
	}
}

func TestReaderSequential(t *testing.T) {
	s := &memSource{data: randomBytes(40<<20+123, 3)}
	m := newMemory(t, 32<<20)
	r := newReader(m, s, nil)
	for off := int64(0); off < int64(len(s.data)); off += 128 << 10 {
		checkRead(t, r, s, off, 128<<10)
		if used := m.Used(); used > 32<<20 {
			t.Fatalf("limit exceeded: %d", used)
		}
	}
	checkRead(t, r, s, int64(len(s.data)), 10)
	r.Close()
	r.Close()
	wantUsed(t, m, 0)
	if got := len(s.asked()); got > 40 {
		t.Errorf("%d fetches: %v", got, s.asked())
	}
	wantOnce(t, s, 0)
}

// wantOnce: every byte was fetched, and but for slack bytes none twice.
func wantOnce(t *testing.T, s *memSource, slack int64) {
	t.Helper()
	var total int64
	var all Ranges
	for _, x := range s.asked() {
		total += x.Len()
		all.Add(x.Off, x.End)
	}
	if size := int64(len(s.data)); total > size+slack || !all.Covers(0, size) {
		t.Errorf("%d bytes fetched of %d: %v", total, size, s.asked())
	}
}

// The kernel sends the requests of one stream at once.
func TestReaderOutOfOrderStream(t *testing.T) {
	s := &memSource{data: randomBytes(32<<20, 4)}
	r := newReader(newMemory(t, 64<<20), s, nil)
	defer r.Close()
	for at := int64(0); at < 32<<20; at += 1 << 20 {
		var wg sync.WaitGroup
		checkRead(t, r, s, at, 1<<17)
		for _, i := range rand.Perm(7) {
			wg.Go(func() { checkRead(t, r, s, at+int64(i+1)<<17, 1<<17) })
		}
		wg.Wait()
	}
	if got := len(s.asked()); got > 60 {
		t.Errorf("%d fetches: %v", got, s.asked())
	}
	wantOnce(t, s, 1<<20) // what came before its stream was known
}

func TestReaderRandomIsExact(t *testing.T) {
	s := &memSource{data: randomBytes(32<<20, 5)}
	m := newMemory(t, 32<<20)
	r := newReader(m, s, nil)
	defer r.Close()
	want := []Range{{20 << 20, 20<<20 + 4096}, {9 << 20, 9<<20 + 100}, {30 << 20, 30<<20 + 1}, {1 << 20, 1<<20 + 300_000}}
	for _, x := range want {
		checkRead(t, r, s, x.Off, x.Len())
	}
	for i, got := range s.asked() {
		if got != want[i] {
			t.Errorf("fetch %d: %v, want %v", i, got, want[i])
		}
	}
	// What was read is not kept; a fetch may end a little after its last byte.
	for m.Used() != 0 {
		time.Sleep(time.Millisecond)
	}
}

// Ten readers of one block cost one fetch, through one handle and through ten.
func TestReadersShareOneFetch(t *testing.T) {
	s := &memSource{data: randomBytes(1<<20, 6), gate: make(chan struct{})}
	c := NewContent(newMemory(t, 8<<20), s, 1<<20, nil)
	one := c.Reader(nil)
	defer one.Close()
	var wg sync.WaitGroup
	for range 5 {
		r := c.Reader(nil)
		defer r.Close()
		wg.Go(func() { checkRead(t, one, s, 0, 1<<20) })
		wg.Go(func() { checkRead(t, r, s, 0, 1<<20) })
	}
	// All have come, so that none finds what another has used up.
	for served := 0; served < 10; time.Sleep(time.Millisecond) {
		c.mem.mu.Lock()
		served = 0
		for _, b := range c.mu.blocks {
			served += b.refs
		}
		c.mem.mu.Unlock()
	}
	close(s.gate)
	wg.Wait()
	if got := s.asked(); len(got) != 1 {
		t.Errorf("fetches: %v", got)
	}
}

func TestReaderServesAsBytesArrive(t *testing.T) {
	s := &memSource{data: randomBytes(4<<20, 7), gate: make(chan struct{}, 2)}
	r := newReader(newMemory(t, 8<<20), s, nil)
	defer r.Close()
	s.gate <- struct{}{}
	checkRead(t, r, s, 0, 100_000) // the rest of the block hangs

	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if _, err := r.ReadAt(ctx, make([]byte, 10), 100_000); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("interrupted read: %v", err)
	}
	s.gate <- struct{}{}
	checkRead(t, r, s, 100_000, 10) // by the same fetch
	if got := s.asked(); len(got) != 1 {
		t.Errorf("fetches: %v", got)
	}
}

func TestReaderErrorThenRetry(t *testing.T) {
	s := &memSource{data: randomBytes(10<<20, 8)}
	m := newMemory(t, 32<<20)
	r := newReader(m, s, nil)
	s.failing.Store(1)
	p := make([]byte, 3<<20)
	if n, err := r.ReadAt(t.Context(), p, 0); !errors.Is(err, errBroken) || n != 0 {
		t.Errorf("ReadAt = %d, %v", n, err)
	}
	s.failing.Store(0)
	checkRead(t, r, s, 0, 10<<20)
	r.Close()
	wantUsed(t, m, 0)
	if _, err := r.ReadAt(t.Context(), p, 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("ReadAt after Close: %v", err)
	}
}

// body is a stream that breaks after limit bytes (or hangs, see hang).
type body struct {
	io.Reader
	hang   chan struct{}
	closed atomic.Int64
}

func (b *body) Read(p []byte) (int, error) {
	n, err := b.Reader.Read(p)
	if err != nil && b.hang != nil {
		<-b.hang
	}
	return n, err
}

func (b *body) Close() error {
	if b.closed.Add(1) == 1 && b.hang != nil {
		close(b.hang)
	}
	return nil
}

func TestReaderUsesOpenedStream(t *testing.T) {
	s := &memSource{data: randomBytes(6<<20, 9)}
	for name, c := range map[string]struct {
		off, promised, brings int64
		fetches               int
	}{
		"first bytes":     {0, 1 << 20, 1 << 20, 0},
		"breaks":          {0, 1 << 20, 1000, 1},
		"from the middle": {2 << 20, 1 << 20, 1 << 20, 0},
		"whole object":    {0, 6 << 20, 6 << 20, 0},
		"nothing":         {0, 0, 0, 1},
		"more than there": {5 << 20, 9 << 20, 1 << 20, 0},
	} {
		t.Run(name, func(t *testing.T) {
			before := len(s.asked())
			m := newMemory(t, 32<<20)
			b := &body{Reader: bytes.NewReader(s.data[c.off : c.off+c.brings])}
			r := newReader(m, s, &Opened{Body: b, Off: c.off, Len: c.promised})
			checkRead(t, r, s, c.off, 256<<10)
			if got := len(s.asked()) - before; got > c.fetches {
				t.Errorf("%d fetches, want %d", got, c.fetches)
			}
			r.Close()
			wantUsed(t, m, 0)
			if b.closed.Load() != 1 {
				t.Errorf("body closed %d times", b.closed.Load())
			}
		})
	}
}

func TestReaderCloseEndsHangingStream(t *testing.T) {
	s := &memSource{data: randomBytes(1<<20, 10)}
	m := newMemory(t, 32<<20)
	b := &body{Reader: bytes.NewReader(nil), hang: make(chan struct{})}
	r := newReader(m, s, &Opened{Body: b, Off: 0, Len: 1 << 20})
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := r.ReadAt(t.Context(), make([]byte, 10), 0); !errors.Is(err, os.ErrClosed) {
			t.Errorf("ReadAt across Close: %v", err)
		}
	})
	time.Sleep(5 * time.Millisecond)
	r.Close()
	wg.Wait()
	wantUsed(t, m, 0)
}

// Many handles, and memory for a few of them: all get on, within the limit.
func TestReaderManyHandlesLittleMemory(t *testing.T) {
	s := &memSource{data: randomBytes(2<<20+1, 11)}
	for _, limit := range []int64{0, 3 << 20, 32 << 20} {
		m := newMemory(t, limit)
		var wg sync.WaitGroup
		for i := range 40 {
			r := newReader(m, s, nil)
			if i%5 == 0 {
				defer r.Close() // open and idle
				continue
			}
			wg.Go(func() {
				defer r.Close()
				for off := int64(0); off < int64(len(s.data)); off += 1 << 20 {
					checkRead(t, r, s, off, 1<<20)
				}
			})
		}
		wg.Wait()
		if most := m.limit * ChunkSize; len(m.mu.free)*ChunkSize > most {
			t.Errorf("%d chunks were in use, limit %d", len(m.mu.free), m.limit)
		}
	}
}

// A read that waits for memory can be interrupted, and keeps nothing.
func TestReaderWaitsForMemory(t *testing.T) {
	s := &memSource{data: randomBytes(2<<20, 14), gate: make(chan struct{}, 2)}
	m := newMemory(t, 1<<20)
	waits := newReader(m, s, nil)
	defer waits.Close()
	var wg sync.WaitGroup
	for range 8 { // of a chunk each, and all of the memory
		holds := newReader(m, s, nil)
		defer holds.Close()
		wg.Go(func() { checkRead(t, holds, s, 1<<20, 100) })
	}
	for m.Used() < 1<<20 {
		time.Sleep(time.Millisecond)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Millisecond)
	defer cancel()
	if _, err := waits.ReadAt(ctx, make([]byte, 10), 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("interrupted wait: %v", err)
	}
	wg.Go(func() { checkRead(t, waits, s, 0, 10) })
	time.Sleep(5 * time.Millisecond)
	close(s.gate)
	wg.Wait()
}

func TestReaderRandomConcurrent(t *testing.T) {
	s := &memSource{data: randomBytes(24<<20, 12)}
	s.failing.Store(10)
	for _, limit := range []int64{0, 6 << 20, 64 << 20} {
		m := newMemory(t, limit)
		c := NewContent(m, s, int64(len(s.data)), nil)
		readers := []*Reader{c.Reader(nil), c.Reader(nil), newReader(m, s, nil)}
		var wg sync.WaitGroup
		for seed := range uint64(9) {
			wg.Go(func() { hammer(t, readers[seed%3], s, rand.New(rand.NewPCG(seed, 1))) })
		}
		wg.Wait()
		for _, r := range readers {
			r.Close()
		}
	}
}

// hammer reads in runs and jumps, with some reads interrupted.
func hammer(t *testing.T, r *Reader, s *memSource, rnd *rand.Rand) {
	size := int64(len(s.data))
	off := int64(0)
	for range 40 {
		if rnd.IntN(4) == 0 {
			off = rnd.Int64N(size)
		}
		p := make([]byte, rnd.IntN(600_000))
		ctx, cancel := t.Context(), context.CancelFunc(func() {})
		if rnd.IntN(10) == 0 {
			ctx, cancel = context.WithTimeout(ctx, time.Duration(rnd.IntN(500))*time.Microsecond)
		}
		n, err := r.ReadAt(ctx, p, off)
		cancel()
		if !bytes.Equal(p[:n], s.data[min(off, size):min(off+int64(n), size)]) {
			t.Errorf("ReadAt(%d): wrong bytes", off)
		}
		if err == nil && int64(n) != max(0, min(int64(len(p)), size-off)) {
			t.Errorf("ReadAt(%d, %d) = %d without an error", off, len(p), n)
		}
		if err != nil && !errors.Is(err, errBroken) && !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("ReadAt(%d): %v", off, err)
		}
		off += int64(n)
	}
}

func TestReaderBlocksStayDisjoint(t *testing.T) {
	s := &memSource{data: make([]byte, 12<<20)}
	rapid.Check(t, func(rt *rapid.T) {
		m := NewMemory(int64(rapid.IntRange(0, 24).Draw(rt, "limit")) << 20)
		defer m.Close()
		r := newReader(m, s, nil)
		defer r.Close()
		for range rapid.IntRange(1, 12).Draw(rt, "reads") {
			off := rapid.Int64Range(0, 12<<20).Draw(rt, "off")
			n := rapid.IntRange(0, 1<<20).Draw(rt, "len")
			if _, err := r.ReadAt(t.Context(), make([]byte, n), off); err != nil {
				rt.Fatal(err)
			}
			if err := r.c.disjoint(); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

// disjoint checks the list of blocks.
func (c *Content) disjoint() error {
	c.mem.mu.Lock()
	defer c.mem.mu.Unlock()
	at := int64(0)
	for _, b := range c.mu.blocks {
		if b.off < at || b.end <= b.off || b.end > c.size || len(b.chunks) != chunksOf(b.size()) {
			return errors.New("blocks overlap")
		}
		at = b.end
	}
	return nil
}

// A dense random reader gets all of the object behind its back.
func TestReaderDense(t *testing.T) {
	s := &memSource{data: randomBytes(32<<20, 15)}
	r := newReader(newMemory(t, 64<<20), s, nil)
	defer r.Close()
	order := rand.New(rand.NewPCG(2, 2)).Perm(256)
	for _, i := range order {
		checkRead(t, r, s, int64(i)<<17, 4096)
	}
	if got := len(s.asked()); got > 120 {
		t.Errorf("%d fetches for 256 reads of a dense reader", got)
	}
}

func TestMemoryTrim(t *testing.T) {
	s := &memSource{data: randomBytes(4<<20, 16)}
	m := newMemory(t, 64<<20)
	r := newReader(m, s, nil)
	checkRead(t, r, s, 0, 4<<20)
	r.Close()
	if len(m.mu.free) == 0 {
		t.Fatal("nothing to give back")
	}
	m.Trim()
	m.Trim()
	if got := len(m.mu.free); got != 0 {
		t.Errorf("%d chunks are held without use", got)
	}
}

// What is mapped stays within the limit, also where it is no multiple of what is
// mapped at once.
func TestMemoryMapsNoMoreThanItsLimit(t *testing.T) {
	m := NewMemory(24 * ChunkSize)
	m.mu.Lock()
	got := m.takeLocked(20, forRead)
	if n := len(got) + len(m.mu.free); n > 24 {
		t.Errorf("%d chunks mapped of 24", n)
	}
	m.giveLocked(got)
	m.mu.Unlock()
	m.Trim()
	m.Close()
	m.Trim() // of nothing
}

// Reads that leap by equal steps are fetched ahead, however short they are, and
// nothing around them.
func TestReaderLeapsByShortReads(t *testing.T) {
	s := &memSource{data: randomBytes(16<<20, 3)}
	r := newReader(newMemory(t, 64<<20), s, nil)
	defer r.Close()
	for i := range int64(5) {
		checkRead(t, r, s, (i+1)*500_000, 4096)
	}
	r.c.wg.Wait()
	if asked := s.asked(); len(asked) < 10 {
		t.Errorf("nothing was fetched ahead: %v", asked)
	}
	for _, x := range s.asked() {
		if x.Len() != 4096 || x.Off%500_000 != 0 {
			t.Errorf("fetched %v", x)
		}
	}
}

// Memory that was waited for is for the byte that was asked for, also where what
// lay before it has gone meanwhile.
func TestBlockHoldsWhatItIsFor(t *testing.T) {
	m := newMemory(t, minChunks*ChunkSize)
	s := &memSource{data: randomBytes(minChunks*ChunkSize, 5)}
	other := newReader(m, s, nil)
	defer other.Close()
	r := newReader(m, s, nil)
	defer r.Close()
	begin := func(c *Content, chunks int64) *View {
		m.mu.Lock()
		where := Range{0, chunks * ChunkSize}
		c.startLocked(where, m.takeLocked(int(chunks), forRead), nil)
		v := c.viewLocked(where.Off, where.End)
		m.mu.Unlock()
		if _, err := v.await(t.Context(), 0); err != nil {
			t.Fatal(err)
		}
		return v
	}
	rest, before := begin(other.c, 5), begin(r.c, 3)
	const off = 3 * ChunkSize
	got := make(chan *block)
	go func() {
		b, err := r.c.block(t.Context(), off, Range{0, 8 * ChunkSize})
		if err != nil {
			t.Error(err)
		}
		got <- b
	}()
	for waiting := 0; waiting == 0; time.Sleep(time.Millisecond) {
		m.mu.Lock()
		waiting = m.mu.waiters.Len()
		m.mu.Unlock()
	}
	before.Done() // read to its end: it goes
	rest.Done()
	b := <-got
	if b.off > off || b.end <= off {
		t.Errorf("the block for %d is [%d, %d)", int64(off), b.off, b.end)
	}
	(&View{c: r.c, parts: []part{{b, b.off, b.off}}}).drop()
}

// Handles that read one object side by side, past the page cache (O_DIRECT), cost
// each byte once: a block stays until all of it was read.
func TestReadersSideBySide(t *testing.T) {
	s := &memSource{data: randomBytes(32<<20, 3)}
	c := NewContent(newMemory(t, 64<<20), s, int64(len(s.data)), nil)
	a, b := c.Reader(nil), c.Reader(nil)
	defer a.Close()
	defer b.Close()
	for off := int64(0); off < int64(len(s.data)); off += 128 << 10 {
		checkRead(t, a, s, off, 128<<10)
		checkRead(t, b, s, off, 128<<10)
	}
	wantOnce(t, s, 4<<20) // the last read of a block comes once more
}

// Of many that are opened together, the first does not take what all will need,
// and has it once they do not come.
func TestFirstOfManyTakesItsPart(t *testing.T) {
	m := newMemory(t, 64<<20)
	s := &memSource{data: randomBytes(32<<20, 3)}
	for i, most := range []int64{2 << 20, 16 << 20} {
		var come []func()
		for range 63 * (1 - i) {
			come = append(come, m.Coming())
		}
		r := newReader(m, s, nil)
		for off := int64(0); off < 2<<20; off += 128 << 10 {
			checkRead(t, r, s, off, 128<<10)
			if used := m.Used(); used > most {
				t.Fatalf("round %d: %d bytes used", i, used)
			}
		}
		if used := m.Used(); i == 1 && used < 4<<20 {
			t.Errorf("alone it has %d bytes", used)
		}
		r.Close()
		for _, done := range come {
			done()
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.crowdLocked(); n != 0 {
		t.Errorf("%d readers count", n)
	}
}
