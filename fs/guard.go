package fs

import (
	"context"
	"strings"
	"sync"
)

// guard orders changes of keys: many may change their own key at once (share),
// a rename has a key or a whole prefix to itself (own).
type guard struct {
	mu      sync.Mutex
	owned   map[*claim]struct{}
	shared  map[*claim]struct{}
	changed chan struct{} // closed and replaced at each release
}

// claim is what one holder has: keys, or prefixes ending in "/".
type claim struct{ keys []string }

func newGuard() *guard {
	return &guard{owned: map[*claim]struct{}{}, shared: map[*claim]struct{}{}, changed: make(chan struct{})}
}

func overlap(a, b string) bool {
	if strings.HasSuffix(a, "/") && strings.HasPrefix(b, a) {
		return true
	}
	return a == b || strings.HasSuffix(b, "/") && strings.HasPrefix(a, b)
}

func (c *claim) conflicts(with map[*claim]struct{}) bool {
	for other := range with {
		if other == c {
			continue
		}
		for _, a := range c.keys {
			for _, b := range other.keys {
				if overlap(a, b) {
					return true
				}
			}
		}
	}
	return false
}

// share waits until nobody owns key, and keeps it from being owned until the
// returned function is called. It fails only with ctx.
//
// A directory's own key is named without its slash here, so that changes of a
// directory's marker do not exclude changes of the files below it.
func (g *guard) share(ctx context.Context, key string) (release func(), err error) {
	c := &claim{keys: []string{key}}
	if err := g.enter(ctx, c, g.shared, func() bool { return c.conflicts(g.owned) }); err != nil {
		return nil, err
	}
	return func() { g.leave(c, g.shared) }, nil
}

// own waits until nobody else owns or shares anything in keys, and has them
// alone until the returned function is called. It fails only with ctx.
func (g *guard) own(ctx context.Context, keys ...string) (release func(), err error) {
	c := &claim{keys: keys}
	// First against other owners, which also stops new sharers, then against
	// the sharers that are in: so a stream of commits cannot starve a rename.
	if err := g.enter(ctx, c, g.owned, func() bool { return c.conflicts(g.owned) }); err != nil {
		return nil, err
	}
	if err := g.wait(ctx, func() bool { return c.conflicts(g.shared) }, func() {}); err != nil {
		g.leave(c, g.owned)
		return nil, err
	}
	return func() { g.leave(c, g.owned) }, nil
}

// enter adds c once it is no longer blocked.
func (g *guard) enter(ctx context.Context, c *claim, in map[*claim]struct{}, blocked func() bool) error {
	return g.wait(ctx, blocked, func() { in[c] = struct{}{} })
}

// wait runs then, under the lock, once blocked is false.
func (g *guard) wait(ctx context.Context, blocked func() bool, then func()) error {
	for {
		g.mu.Lock()
		if !blocked() {
			then()
			g.mu.Unlock()
			return nil
		}
		changed := g.changed
		g.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (g *guard) leave(c *claim, in map[*claim]struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(in, c)
	close(g.changed)
	g.changed = make(chan struct{})
}
