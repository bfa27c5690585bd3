package cache

import "sync"

// Giver puts bytes of an object where readers find them before they ask us: the
// kernel's page cache of one inode. What the kernel has needs no memory of ours,
// and costs its reader no request. All contents that an inode has had share one:
// the former may still be giving when the next has begun.
type Giver struct {
	to func(off int64, data []byte) bool

	mu    sync.Mutex
	idle  sync.Cond
	under int // calls of to under way
}

// NewGiver returns a Giver by to, which takes the data from off on and reports
// whether that worked.
func NewGiver(to func(off int64, data []byte) bool) *Giver {
	g := &Giver{to: to}
	g.idle.L = &g.mu
	return g
}

// giving is the way of a content's fill to the kernel.
type giving struct {
	by      *Giver // nil: nobody takes content off our hands
	stopped bool   // for good; guarded by by.mu
}

// GiveTo makes what is fetched of a whole object go to the kernel. Call it
// before the first reader.
func (c *Content) GiveTo(g *Giver) { c.give.by = g }

// StopGiving returns when nothing is given any more, neither by c nor by a former
// content of the same Giver that has ended. From then on the object may be written
// to: old bytes must not come over what was written.
func (c *Content) StopGiving() {
	g := c.give.by
	if g == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	c.give.stopped = true
	for g.under > 0 {
		g.idle.Wait()
	}
}

// endGiving is for a content that ends: what is under way comes to its end, and
// nothing follows. After it, only StopGiving of the next one is waited for.
func (c *Content) endGiving() {
	if g := c.give.by; g != nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		c.give.stopped = true
	}
}

func (t *giving) put(off int64, data []byte) bool {
	g := t.by
	g.mu.Lock()
	if t.stopped {
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
	wanted := b.fill && c.give.by != nil && !c.mu.closed
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
