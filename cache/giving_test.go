package cache

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// kernel keeps what it is given, as the page cache would.
type kernel struct {
	mu   sync.Mutex
	data []byte
	has  Ranges
	full chan struct{} // closed when it has all
}

func (k *kernel) take(off int64, p []byte) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	copy(k.data[off:], p)
	k.has.Add(off, off+int64(len(p)))
	if k.has.Covers(0, int64(len(k.data))) {
		close(k.full)
	}
	return true
}

func (k *kernel) covers(off, end int64) bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.has.Covers(off, end)
}

// readDensely reads at random until stop. What has says that the kernel has, it
// does not ask us for.
func readDensely(t *testing.T, r *Reader, want []byte, stop <-chan struct{}, has func(off, end int64) bool) {
	t.Helper()
	p := make([]byte, 128<<10)
	for range 10_000_000 {
		select {
		case <-stop:
			return
		default:
		}
		off := rand.Int64N(int64(len(want))-int64(len(p))) &^ 4095
		if has(off, off+int64(len(p))) {
			continue
		}
		if n, err := r.ReadAt(t.Context(), p, off); err != nil || n != len(p) || !bytes.Equal(p, want[off:off+int64(n)]) {
			t.Fatalf("read at %d: %d, %v", off, n, err)
		}
	}
}

// The kernel gets all of what a dense reader reads, each byte once, in much less
// memory than the object has.
func TestDenseReaderIsGivenAll(t *testing.T) {
	s := &memSource{data: randomBytes(24<<20, 17)}
	c := NewContent(newMemory(t, 16<<20), s, int64(len(s.data)), nil)
	k := &kernel{data: make([]byte, len(s.data)), full: make(chan struct{})}
	c.GiveTo(NewGiver(k.take))
	r := c.Reader(nil)
	defer r.Close()
	readDensely(t, r, s.data, k.full, k.covers)
	if !bytes.Equal(k.data, s.data) {
		t.Error("the kernel has other bytes")
	}
	fills := slices.DeleteFunc(s.asked(), func(r Range) bool { return r.Len() < mib })
	var sum int64
	for _, f := range fills {
		sum += f.Len()
	}
	if sum > int64(len(s.data))*5/4 { // streams that form by chance are fetched ahead, too
		t.Errorf("%d bytes were fetched to give %d", sum, len(s.data))
	}
}

// After StopGiving nothing is given, however much is still being fetched.
func TestNothingIsGivenToWriters(t *testing.T) {
	s := &memSource{data: randomBytes(24<<20, 17)}
	c := NewContent(newMemory(t, 16<<20), s, int64(len(s.data)), nil)
	var mu sync.Mutex
	given, stopped := 0, false
	first, stop := make(chan struct{}), make(chan struct{})
	c.GiveTo(NewGiver(func(int64, []byte) bool {
		mu.Lock()
		defer mu.Unlock()
		if given++; given == 1 {
			close(first)
		}
		if stopped {
			t.Error("given after StopGiving had returned")
		}
		return true
	}))
	r := c.Reader(nil)
	defer r.Close()
	go func() {
		<-first
		c.StopGiving()
		mu.Lock()
		stopped = true
		mu.Unlock()
		close(stop)
	}()
	readDensely(t, r, s.data, stop, func(int64, int64) bool { return false })
	for range 200 {
		p := make([]byte, 4096)
		if _, err := r.ReadAt(t.Context(), p, rand.Int64N(20<<20)); err != nil {
			t.Fatal(err)
		}
	}
}

// heldSource lets fetches end that hold does not stop.
type heldSource struct {
	memSource
	hold func(off, n int64) <-chan struct{} // nil: none
}

func (s *heldSource) Fetch(ctx context.Context, off, n int64, to io.ReaderFrom) error {
	if gate := s.hold(off, n); gate != nil {
		select {
		case <-gate:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return s.memSource.Fetch(ctx, off, n, to)
}

// A read that was under way when a fill went by leaves a hole in it, shorter than
// the fill's requests. The fill goes on behind it.
func TestFillGoesOnBehindHoles(t *testing.T) {
	read, rest := make(chan struct{}), make(chan struct{})
	s := &heldSource{memSource: memSource{data: randomBytes(16<<20, 17)}}
	s.hold = func(off, n int64) <-chan struct{} {
		switch {
		case off == mib && n == 4096:
			return read
		case off >= 6*mib:
			return rest
		}
		return nil
	}
	m := newMemory(t, 8<<20)
	c := NewContent(m, s, int64(len(s.data)), nil)
	k := &kernel{data: make([]byte, len(s.data)), full: make(chan struct{})}
	c.GiveTo(NewGiver(k.take))
	r := c.Reader(nil)
	defer r.Close()
	ctx, giveUp := context.WithCancel(t.Context())
	var wg sync.WaitGroup
	wg.Go(func() { _, _ = r.ReadAt(ctx, make([]byte, 4096), mib) })
	waitFor(t, func() bool { m.mu.Lock(); defer m.mu.Unlock(); return len(c.mu.blocks) == 1 })
	m.mu.Lock()
	c.mu.filling = true
	c.fillLocked()
	m.mu.Unlock()
	waitFor(t, func() bool { return k.covers(0, mib) && k.covers(mib+4096, 6*mib) })
	giveUp() // its block stays, unread, until its memory is wanted
	wg.Wait()
	close(read)
	waitFor(t, func() bool { m.mu.Lock(); defer m.mu.Unlock(); return m.mu.cold.Len() == 1 })
	m.mu.Lock()
	m.evictLocked(forAhead)
	m.mu.Unlock()
	close(rest)
	waitFor(t, func() bool { return k.covers(0, 16*mib) })
}

func waitFor(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}

// What has been read to its end is not fetched for a fill again, also where nobody
// takes it off our hands.
func TestFillFetchesNothingThatWasRead(t *testing.T) {
	s := &memSource{data: randomBytes(16<<20, 17)}
	m := newMemory(t, 64<<20)
	r := newReader(m, s, nil)
	defer r.Close()
	m.mu.Lock()
	r.c.mu.filling = true
	r.c.fillLocked()
	m.mu.Unlock()
	for off := int64(0); off < int64(len(s.data)); off += 128 << 10 {
		checkRead(t, r, s, off, 128<<10)
	}
	r.c.wg.Wait()
	wantOnce(t, s, 0)
}

// The kernel does not take what a fill has for a page that is being read, before
// the read is answered. So a read never has to wait for a fill's memory.
func TestFillLeavesMemoryForReads(t *testing.T) {
	for chunks := int64(minChunks); chunks < 100; chunks++ {
		m := newMemory(t, chunks*ChunkSize)
		s := &heldSource{memSource: memSource{data: make([]byte, chunks*ChunkSize-1000)}}
		s.hold = func(int64, int64) <-chan struct{} { return make(chan struct{}) }
		c := NewContent(m, s, int64(len(s.data)), nil)
		r := c.Reader(nil)
		m.mu.Lock()
		c.mu.filling = true
		c.fillLocked()
		got := m.tryTakeLocked(chunksOf(m.pieceLocked(1, 1<<30)), forRead)
		if got == nil {
			t.Errorf("%d of %d chunks used, and no piece left", m.mu.used, chunks)
		}
		m.giveLocked(got)
		m.mu.Unlock()
		r.Close()
	}
}

// A content whose last reader has gone may still be giving when the inode's next one
// begins. Who opens that to write waits for it, and it gives nothing more.
func TestWriterWaitsForFormerContent(t *testing.T) {
	s := &memSource{data: randomBytes(24<<20, 17)}
	m := newMemory(t, 16<<20)
	began, hold := make(chan struct{}), make(chan struct{})
	var once sync.Once
	var given atomic.Int64
	g := NewGiver(func(int64, []byte) bool {
		given.Add(1)
		once.Do(func() { close(began) })
		<-hold // a page that a read has locked
		return true
	})
	former := NewContent(m, s, int64(len(s.data)), nil)
	former.GiveTo(g)
	r := former.Reader(nil)
	readDensely(t, r, s.data, began, func(int64, int64) bool { return false })
	closed, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		r.Close()
		close(closed)
	}()
	for ended := false; !ended; {
		m.mu.Lock()
		ended = former.mu.closed
		m.mu.Unlock()
	}
	next := NewContent(m, s, int64(len(s.data)), nil)
	next.GiveTo(g)
	r = next.Reader(nil)
	defer r.Close()
	go func() {
		next.StopGiving()
		close(stopped)
	}()
	select {
	case <-stopped:
		t.Error("it did not wait for the former content")
	case <-time.After(50 * time.Millisecond):
	}
	n := given.Load()
	close(hold)
	<-stopped
	if <-closed; given.Load() != n {
		t.Error("the former content went on after its end")
	}
}
