package cache

import (
	"bytes"
	"math/rand/v2"
	"slices"
	"sync"
	"testing"
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
	c.GiveTo(k.take)
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
	c.GiveTo(func(int64, []byte) bool {
		mu.Lock()
		defer mu.Unlock()
		if given++; given == 1 {
			close(first)
		}
		if stopped {
			t.Error("given after StopGiving had returned")
		}
		return true
	})
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
