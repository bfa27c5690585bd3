package cache

import (
	"context"
	"errors"
	"testing"
	"time"
)

// A read whose source fails for good ends with its error, also while the whole
// object is fetched ahead behind its back: what that begins anew where the read
// has just failed is no reason to try again.
func TestReadOfFailingSourceEnds(t *testing.T) {
	for _, limit := range []int64{32 << 20, 1 << 20} { // a view, and a copy piece by piece
		s := &memSource{data: randomBytes(8<<20, 3)}
		r := newReader(newMemory(t, limit), s, nil)
		checkRead(t, r, s, 0, 4096)
		m := r.c.mem
		s.failing.Store(-1) // first: the first block may still be on its way, and its end fetches more
		m.mu.Lock()
		r.c.mu.filling = true
		m.mu.Unlock()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		for off := int64(1 << 20); off < 5<<20; off += 2 << 20 {
			if _, err := r.ReadAt(ctx, make([]byte, 2<<20), off); !errors.Is(err, errBroken) {
				t.Errorf("limit %d: read at %d: %v, want %v", limit, off, err, errBroken)
			}
		}
		cancel()
		if n := len(s.asked()); n > 200 {
			t.Errorf("limit %d: %d fetches", limit, n)
		}
		s.failing.Store(0)
		checkRead(t, r, s, 1<<20, 2<<20)
		r.Close()
	}
}
