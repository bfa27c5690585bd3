package fs

import (
	"context"
	"sync"
	"time"
)

// patience is how long a request goes on after its caller was interrupted.
// The Go runtime preempts its threads by signals, and the kernel passes each
// one on as an interrupt: it says little. A person at ^C means it, and waits.
const patience = 2 * time.Second

// patient returns a context for work on behalf of a request that changes
// nothing: it ends patience after the request was interrupted. Call the
// returned function when the work is done.
func patient(ctx context.Context) (context.Context, func()) {
	c := &patientCtx{Context: context.WithoutCancel(ctx), request: ctx}
	return c, c.end
}

// patientCtx watches the request only once somebody waits on it: most requests
// are answered from memory, and a watch of go-fuse's context costs a goroutine.
type patientCtx struct {
	context.Context
	request context.Context

	mu struct {
		sync.Mutex
		out  context.Context // nil until somebody waits
		stop func()
	}
}

func (c *patientCtx) watch() context.Context {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.out == nil {
		out, cancel := context.WithCancel(c.Context)
		unwatch := context.AfterFunc(c.request, func() {
			t := time.AfterFunc(patience, cancel)
			context.AfterFunc(out, func() { t.Stop() })
		})
		c.mu.out, c.mu.stop = out, func() { unwatch(); cancel() }
	}
	return c.mu.out
}

// Done is closed patience after the request was interrupted, and at the end.
func (c *patientCtx) Done() <-chan struct{} { return c.watch().Done() }

// Err says whether Done is closed.
func (c *patientCtx) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.out == nil {
		return nil
	}
	return c.mu.out.Err()
}

func (c *patientCtx) end() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.stop != nil {
		c.mu.stop()
	}
}
