package cache

import "sync"

// Giver puts bytes of an object, from off on, where readers find them before
// they ask us: the kernel's page cache. It reports whether that worked.
type Giver func(off int64, data []byte) bool

// giving is the way of a content's fill to the kernel. What the kernel has needs
// no memory of ours, and costs its reader no request.
type giving struct {
	to Giver

	mu      sync.Mutex
	idle    sync.Cond
	under   int  // calls of to under way
	stopped bool // for good
}

// GiveTo makes what is fetched of a whole object go to the kernel. Call it
// before the first reader.
func (c *Content) GiveTo(to Giver) {
	c.give = &giving{to: to}
	c.give.idle.L = &c.give.mu
}

// StopGiving returns when nothing is given any more. From then on the object
// may be written to: old bytes must not come over what was written.
func (c *Content) StopGiving() {
	g := c.give
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.stopped = true
	for g.under > 0 {
		g.idle.Wait()
	}
}

func (g *giving) put(off int64, data []byte) bool {
	g.mu.Lock()
	if g.stopped {
		g.mu.Unlock()
		return false
	}
	g.under++
	g.mu.Unlock()
	ok := g.to(off, data)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.under--
	g.idle.Broadcast()
	return ok
}

// giveAway hands a block of a fill to the kernel, after which nobody needs it
// here. Where the kernel does not take it, it stays for the reads to come.
func (c *Content) giveAway(b *block) {
	m := c.mem
	m.mu.Lock()
	wanted := b.fill && c.give != nil && !c.mu.closed
	m.mu.Unlock()
	if !wanted {
		return
	}
	at := b.off
	for _, p := range b.at(b.off, b.end) {
		if !c.give.put(at, p) {
			return
		}
		at += int64(len(p))
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	c.mu.given.Add(b.off, b.end)
	b.served.Add(b.off, b.end)
}
