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
	failing atomic.Int64 // 1 in so many fetches fails half way; 0: none
	gate    chan struct{}
	mu      struct {
		sync.Mutex
		asked []Range
	}
}

var errBroken = errors.New("connection broke")

func (s *memSource) Fetch(ctx context.Context, off int64, p []byte, arrived func(int)) error {
	s.mu.Lock()
	s.mu.asked = append(s.mu.asked, Range{off, off + int64(len(p))})
	s.mu.Unlock()
	one := s.failing.Load()
	breaks := one > 0 && rand.Int64N(one) == 0
	for n := 0; n < len(p); {
		if s.gate != nil {
			select {
			case <-s.gate:
			case <-ctx.Done():
			}
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		if breaks && n >= len(p)/2 {
			return errBroken
		}
		n += copy(p[n:min(len(p), n+100_000)], s.data[off+int64(n):])
		arrived(n)
	}
	return nil
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

func wantUsed(t testing.TB, b *Budget, want int64) {
	t.Helper()
	if got := b.Used(); got != want {
		t.Errorf("budget: %d bytes used, want %d", got, want)
	}
}

func TestReaderSequential(t *testing.T) {
	s := &memSource{data: randomBytes(20<<20+123, 3)}
	budget := NewBudget(32 << 20)
	r := NewReader(s, int64(len(s.data)), budget, nil)
	for off := int64(0); off < int64(len(s.data)); off += 128 << 10 {
		checkRead(t, r, s, off, 128<<10)
		if used := budget.Used(); used > 32<<20 {
			t.Fatalf("budget exceeded: %d", used)
		}
	}
	checkRead(t, r, s, int64(len(s.data)), 10)
	r.Close()
	r.Close()
	wantUsed(t, budget, 0)
	if got := len(s.asked()); got != 6 {
		t.Errorf("%d fetches, want 6", got)
	}
}

// The kernel sends the requests of one stream at once.
func TestReaderOutOfOrderStream(t *testing.T) {
	s := &memSource{data: randomBytes(32<<20, 4)}
	r := NewReader(s, int64(len(s.data)), NewBudget(64<<20), nil)
	defer r.Close()
	for at := int64(0); at < 32<<20; at += 1 << 20 {
		var wg sync.WaitGroup
		for _, i := range rand.Perm(8) {
			wg.Go(func() { checkRead(t, r, s, at+int64(i)<<17, 1<<17) })
		}
		wg.Wait()
	}
	if got := len(s.asked()); got > 12 {
		t.Errorf("%d fetches for 8 blocks: %v", got, s.asked())
	}
}

func TestReaderRandomIsExact(t *testing.T) {
	s := &memSource{data: randomBytes(32<<20, 5)}
	budget := NewBudget(32 << 20)
	r := NewReader(s, int64(len(s.data)), budget, nil)
	defer r.Close()
	want := []Range{{20 << 20, 20<<20 + 4096}, {9 << 20, 9<<20 + 100}, {30 << 20, 30<<20 + 1}}
	for _, x := range want {
		checkRead(t, r, s, x.Off, x.Len())
	}
	for i, got := range s.asked() {
		if got != want[i] {
			t.Errorf("fetch %d: %v, want %v", i, got, want[i])
		}
	}
	// What was read is not kept; a fetch may end a little after its last byte.
	for budget.Used() != 0 {
		time.Sleep(time.Millisecond)
	}
}

func TestReaderSharesOneFetch(t *testing.T) {
	s := &memSource{data: randomBytes(1<<20, 6), gate: make(chan struct{})}
	r := NewReader(s, 1<<20, NewBudget(8<<20), nil)
	defer r.Close()
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { checkRead(t, r, s, 0, 1<<20) })
	}
	close(s.gate)
	wg.Wait()
	if got := s.asked(); len(got) != 1 {
		t.Errorf("fetches: %v", got)
	}
}

func TestReaderServesAsBytesArrive(t *testing.T) {
	s := &memSource{data: randomBytes(4<<20, 7), gate: make(chan struct{}, 2)}
	r := NewReader(s, 4<<20, NewBudget(8<<20), nil)
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
	budget := NewBudget(32 << 20)
	r := NewReader(s, 10<<20, budget, nil)
	s.failing.Store(1)
	p := make([]byte, 3<<20)
	if n, err := r.ReadAt(t.Context(), p, 0); !errors.Is(err, errBroken) || n != 0 {
		t.Errorf("ReadAt = %d, %v", n, err)
	}
	s.failing.Store(0)
	checkRead(t, r, s, 0, 10<<20)
	r.Close()
	wantUsed(t, budget, 0)
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
			budget := NewBudget(32 << 20)
			b := &body{Reader: bytes.NewReader(s.data[c.off : c.off+c.brings])}
			r := NewReader(s, 6<<20, budget, &Opened{Body: b, Off: c.off, Len: c.promised})
			checkRead(t, r, s, c.off, 1<<20)
			if got := len(s.asked()) - before; got > c.fetches+1 { // one may be read-ahead
				t.Errorf("%d fetches, want %d", got, c.fetches)
			}
			r.Close()
			wantUsed(t, budget, 0)
			if b.closed.Load() != 1 {
				t.Errorf("body closed %d times", b.closed.Load())
			}
		})
	}
}

func TestReaderCloseEndsHangingStream(t *testing.T) {
	s := &memSource{data: randomBytes(1<<20, 10)}
	budget := NewBudget(32 << 20)
	b := &body{Reader: bytes.NewReader(nil), hang: make(chan struct{})}
	r := NewReader(s, 1<<20, budget, &Opened{Body: b, Off: 0, Len: 1 << 20})
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := r.ReadAt(t.Context(), make([]byte, 10), 0); !errors.Is(err, os.ErrClosed) {
			t.Errorf("ReadAt across Close: %v", err)
		}
	})
	time.Sleep(5 * time.Millisecond)
	r.Close()
	wg.Wait()
	wantUsed(t, budget, 0)
}

// Many handles, a budget for none of them: all get on, in bounded memory.
func TestReaderManyHandlesSmallBudget(t *testing.T) {
	s := &memSource{data: randomBytes(5<<20+1, 11)}
	for _, limit := range []int64{0, 32 << 20} {
		budget := NewBudget(limit)
		var wg sync.WaitGroup
		for i := range crowd + 16 {
			r := NewReader(s, int64(len(s.data)), budget, nil)
			if i < crowd {
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
		wantUsed(t, budget, 0)
		if !budget.crowded() {
			t.Error("idle readers are not counted")
		}
	}
}

func TestReaderRandomConcurrent(t *testing.T) {
	s := &memSource{data: randomBytes(24<<20, 12)}
	s.failing.Store(10)
	size := int64(len(s.data))
	for _, limit := range []int64{0, 6 << 20, 64 << 20} {
		budget := NewBudget(limit)
		r := NewReader(s, size, budget, nil)
		var wg sync.WaitGroup
		for seed := range uint64(8) {
			wg.Go(func() { hammer(t, r, s, rand.New(rand.NewPCG(seed, 1))) })
		}
		wg.Wait()
		r.Close()
		wantUsed(t, budget, 0)
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
		budget := NewBudget(int64(rapid.IntRange(0, 24).Draw(rt, "limit")) << 20)
		r := NewReader(s, int64(len(s.data)), budget, nil)
		defer r.Close()
		for range rapid.IntRange(1, 12).Draw(rt, "reads") {
			off := rapid.Int64Range(0, 12<<20).Draw(rt, "off")
			n := rapid.IntRange(0, 1<<20).Draw(rt, "len")
			if _, err := r.ReadAt(t.Context(), make([]byte, n), off); err != nil {
				rt.Fatal(err)
			}
			if err := r.disjoint(); err != nil {
				rt.Fatal(err)
			}
		}
	})
}

// disjoint checks the list of blocks.
func (r *Reader) disjoint() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := int64(0)
	for _, b := range r.mu.blocks {
		if b.off < at || b.end <= b.off || b.end > r.size || b.end-b.off > BlockSize {
			return errors.New("blocks overlap")
		}
		at = b.end
	}
	return nil
}

func TestBudgetKeepsFreeBuffersWithinLimit(t *testing.T) {
	b := NewBudget(3 * BlockSize)
	for range 5 {
		b.recycle(make([]byte, BlockSize))
	}
	if got := len(b.mu.free); got != 3 {
		t.Errorf("%d free buffers, want 3", got)
	}
	if !b.TryTake(2*BlockSize) || b.TryTake(2*BlockSize) {
		t.Error("TryTake does not keep the limit")
	}
	b.buffer(BlockSize)
	if got := len(b.mu.free); got != 1 {
		t.Errorf("%d free buffers, want 1", got)
	}
}
