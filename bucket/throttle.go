package bucket

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	throttleBase = 100 * time.Millisecond
	throttleCap  = 10 * time.Second
)

// throttle is the one gate of a Bucket. A SlowDown closes it for a while that
// grows with each further one; an answer to a request that was sent after that
// opens it. The zero value is open.
type throttle struct {
	mu struct {
		sync.Mutex
		until time.Time
		hold  time.Duration // of the last closing; 0 when open
		gen   int           // number of closings
	}
}

// enter waits until the gate is open and returns the generation to give to
// slow or ok. It fails with ErrThrottled at once where limit, or ctx's deadline,
// would be over before that.
func (t *throttle) enter(ctx context.Context, limit time.Duration) (gen int, waited time.Duration, err error) {
	for {
		wait, hold, gen := t.state()
		if wait <= 0 {
			return gen, waited, nil
		}
		// Those who wait do not all come back in the same instant.
		wait += rand.N(hold/4 + 1)
		if waited+wait > limit || wait > untilDeadline(ctx) {
			return gen, waited, ErrThrottled
		}
		if err := sleep(ctx, wait); err != nil {
			return gen, waited, err
		}
		waited += wait
	}
}

func (t *throttle) state() (wait, hold time.Duration, gen int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return time.Until(t.mu.until), t.mu.hold, t.mu.gen
}

// slow closes the gate. after is the store's Retry-After, or 0. Requests of the
// same generation fail together: only the first of them makes the wait grow.
func (t *throttle) slow(gen int, after time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if gen != t.mu.gen {
		return
	}
	t.mu.gen++
	t.mu.hold = min(max(2*t.mu.hold, throttleBase), throttleCap)
	t.mu.until = time.Now().Add(max(t.mu.hold, after))
}

// ok opens the gate, unless the request that succeeded was sent before the gate
// closed. The next closing begins at half of the last one's wait.
func (t *throttle) ok(gen int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if gen != t.mu.gen || t.mu.hold == 0 {
		return
	}
	t.mu.until = time.Time{}
	t.mu.hold /= 2
	if t.mu.hold < throttleBase {
		t.mu.hold = 0
	}
}

// sleep waits for d or for the end of ctx, whose error it returns.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// untilDeadline is the time left to ctx.
func untilDeadline(ctx context.Context) time.Duration {
	if at, ok := ctx.Deadline(); ok {
		return time.Until(at)
	}
	return 1<<63 - 1
}
