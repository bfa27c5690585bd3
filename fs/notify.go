package fs

import (
	"sync"
	"time"

	"github.com/pailfs/pailfs/cache"
)

// notifier tells the kernel to forget names. It does so from a goroutine of its
// own: a notification takes locks that the kernel may hold for the very request
// that wants to send it. What does not fit the queue is left to the timeouts.
type notifier struct {
	f     *FS
	queue chan name
	once  sync.Once
	done  chan struct{}
}

type name struct {
	parent, name string // "": only the pages
	node         *node
}

const notifyQueue = 1024

func newNotifier(f *FS) *notifier {
	q := &notifier{f: f, queue: make(chan name, notifyQueue), done: make(chan struct{})}
	go q.run()
	return q
}

// entry asks the kernel to look n's name up again before its next use, and to
// drop the pages it has of n.
func (q *notifier) entry(n *node) {
	key := n.key()
	shown, ok := nameOf(lastPart(key))
	if !ok {
		return
	}
	q.put(name{cache.ParentKey(key), shown, n})
}

// pages asks the kernel to drop the pages it has of n.
func (q *notifier) pages(n *node) { q.put(name{node: n}) }

func (q *notifier) put(it name) {
	select {
	case q.queue <- it:
	default:
	}
}

// forget asks the kernel to look the name of key up again before its next use.
func (q *notifier) forget(key string) {
	shown, ok := nameOf(lastPart(key))
	if !ok {
		return
	}
	q.put(name{parent: cache.ParentKey(key), name: shown})
}

func (q *notifier) run() {
	defer close(q.done)
	for it := range q.queue {
		if p := q.f.tree.at(it.parent); p != nil && it.name != "" {
			// ENOENT: the kernel has forgotten it already.
			_ = p.EmbeddedInode().NotifyEntry(it.name)
		}
		if it.node != nil {
			_ = it.node.EmbeddedInode().NotifyContent(0, 0) // of what was given up, or written past them
		}
	}
}

// close ends the goroutine; call it after the last request.
func (q *notifier) close() {
	q.once.Do(func() { close(q.queue) })
	<-q.done
}

// sweeper drops forgotten nodes, and memory that is not used, in the background.
type sweeper struct {
	stop, done chan struct{}
	once       sync.Once
}

// sweepEvery is the time between sweeps; a node outlives one whole of them.
const sweepEvery = 5 * time.Second

func newSweeper(t *tree, m *cache.Memory) *sweeper {
	s := &sweeper{stop: make(chan struct{}), done: make(chan struct{})}
	go func() {
		defer close(s.done)
		tick := time.NewTicker(sweepEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				t.sweep()
				m.Trim()
			case <-s.stop:
				return
			}
		}
	}()
	return s
}

func (s *sweeper) close() {
	s.once.Do(func() { close(s.stop) })
	<-s.done
}
