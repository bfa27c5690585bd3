package fs

import (
	"container/heap"
	"context"
	"errors"
	"sync"
	"time"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

const (
	uploadParallel = 16
	// uploadDelay lets a file that is written again at once go up once.
	uploadDelay = 100 * time.Millisecond
	// uploadHold is for how long at most uploads that are due wait while one close
	// comes less than uploadDelay after the other: a program that writes many
	// files has the machine for itself until it is done.
	uploadHold = time.Second
	// An upload that fails is tried again after a pause that doubles.
	minRetry = time.Second
	maxRetry = 30 * time.Second
)

// writeback uploads what the journal has promised: soon, so many files at once,
// and again until it is done or refused. It is there on each mount, as one
// without --writeback may find the journal of one that had it.
type writeback struct {
	fs     *FS
	on     bool // closes write to the journal
	active bool // on, or something of an earlier mount is stored
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	wake   chan struct{}
	told   sync.Once // that closes wait for the store

	mu struct {
		sync.Mutex
		jobs    map[*node]*job // queued or running
		queue   jobQueue
		running int
		closed  time.Time // when a file was queued last
	}
}

type job struct {
	n        *node
	due      time.Time
	failures int
}

func newWriteback(f *FS, on bool) *writeback {
	w := &writeback{fs: f, on: on, active: on, wake: make(chan struct{}, 1)}
	w.ctx, w.cancel = context.WithCancel(context.Background())
	w.mu.jobs = map[*node]*job{}
	w.wg.Go(w.run)
	return w
}

// stop ends the uploads, those under way too, and waits for them.
func (w *writeback) stop() {
	w.cancel()
	w.wg.Wait()
}

// queue has n uploaded soon. Where that is to come already it does nothing, so
// that no file is put off for ever.
func (w *writeback) queue(n *node) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.closed = time.Now()
	if w.mu.jobs[n] == nil {
		j := &job{n: n}
		w.mu.jobs[n] = j
		w.pushLocked(j, uploadDelay)
	}
}

func (w *writeback) pushLocked(j *job, after time.Duration) {
	j.due = time.Now().Add(after)
	heap.Push(&w.mu.queue, j)
	select {
	case w.wake <- struct{}{}:
	default:
	}
}

// run starts uploads when they are due.
func (w *writeback) run() {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-w.ctx.Done():
			return
		case <-w.wake:
		case <-timer.C:
		}
		if next := w.begin(); next > 0 {
			timer.Reset(next)
		}
	}
}

// begin starts what is due, and returns when to look again; 0 is when woken.
func (w *writeback) begin() time.Duration {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(w.mu.queue) > 0 && w.mu.running < uploadParallel {
		if left := uploadIn(time.Now(), w.mu.queue[0].due, w.mu.closed); left > 0 {
			return left
		}
		j := heap.Pop(&w.mu.queue).(*job)
		w.mu.running++
		w.wg.Go(func() { w.end(j, w.upload(j.n)) })
	}
	return 0
}

// uploadIn is how long, from now, an upload that is due then is to wait where a
// file was closed last at closed.
func uploadIn(now, due, closed time.Time) time.Duration {
	at := due
	if quiet := closed.Add(uploadDelay); quiet.After(at) {
		at = quiet
		if last := due.Add(uploadHold); last.Before(at) {
			at = last
		}
	}
	return at.Sub(now)
}

// upload stores what the journal has of n. What is refused for good becomes a
// kept draft.
func (w *writeback) upload(n *node) error {
	err := n.commitWithin(w.ctx, true)
	if err != nil && w.ctx.Err() == nil {
		key := n.key()
		if final(err) {
			n.keep(err)
		} else {
			w.fs.log.Warn("upload failed: it is tried again", "key", key, "err", err)
		}
	}
	n.dropIdle()
	return err
}

// end takes j off, unless there is more to be uploaded.
func (w *writeback) end(j *job, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.running--
	after := uploadDelay
	if err != nil {
		after = min(minRetry<<min(j.failures, 10), maxRetry)
		j.failures++
	} else {
		j.failures = 0
	}
	if j.n.gone() || !j.n.promised() {
		delete(w.mu.jobs, j.n)
		after = 0
	}
	if after > 0 {
		w.pushLocked(j, after)
		return
	}
	select { // there is room for another
	case w.wake <- struct{}{}:
	default:
	}
}

// final reports whether trying again would be refused again.
func final(err error) bool {
	for _, class := range []error{
		bucket.ErrChanged, bucket.ErrPermission, bucket.ErrTooLarge, bucket.ErrInvalid, bucket.ErrNotSupported,
		bucket.ErrArchived, bucket.ErrNotExist, bucket.ErrNoBucket,
	} {
		if errors.Is(err, class) {
			return true
		}
	}
	return false
}

// refused notes that a close could not write to the journal.
func (w *writeback) refused(err error) {
	if errors.Is(err, cache.ErrJournalFull) {
		w.fs.log.Debug("the journal is full: a close waits for the store")
		return
	}
	w.told.Do(func() {
		w.fs.log.Error("the journal cannot be written: from now on each close that fails to waits for the store", "err", err)
	})
}

// jobQueue is a heap.Interface by due.
type jobQueue []*job

func (q jobQueue) Len() int           { return len(q) }
func (q jobQueue) Less(i, j int) bool { return q[i].due.Before(q[j].due) }
func (q jobQueue) Swap(i, j int)      { q[i], q[j] = q[j], q[i] }
func (q *jobQueue) Push(x any)        { *q = append(*q, x.(*job)) }
func (q *jobQueue) Pop() any {
	old := *q
	j := old[len(old)-1]
	old[len(old)-1] = nil
	*q = old[:len(old)-1]
	return j
}
