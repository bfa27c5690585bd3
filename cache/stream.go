package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// PartUpload is what a stream sends parts to (bucket.OpenUpload).
type PartUpload interface {
	// Send stores part number, of size bytes, in place of what that was before.
	Send(ctx context.Context, number int, body io.ReaderAt, size int64) error
	// Abort gives the parts up.
	Abort(ctx context.Context)
}

// streams is what all streams of a stage share.
type streams struct {
	layout PartLayout
	slots  chan struct{} // one for each part under way
	wg     sync.WaitGroup
}

// sender sends the new content of a draft while it is being written. Whatever
// fails is tried again at the commit, and once more from the beginning if that
// fails: the stage file has all of it.
type sender struct {
	*streams
	body   func(number int, off, size int64) (body io.ReaderAt, release func())
	ctx    context.Context // of all that it sends
	cancel context.CancelFunc

	mu struct {
		sync.Mutex
		sending
		up       PartUpload // nil: not begun yet, or not to be had
		head     int64      // up to where the content was written from its beginning
		total    int64      // the size of what is to be completed now; -1: it is being written
		workers  int
		starting bool
		ended    bool
		failed   error         // since the last finish: nothing is begun after that
		moved    chan struct{} // closed when something of this has changed
	}
}

// endWait is how long parts under way may take before an upload is aborted: one
// that arrives after that may stay with the store.
const endWait = 3 * time.Second

var errStreamEnded = errors.New("the upload was given up")

// start begins an upload. body gives a part's bytes.
func (c *streams) start(begin func(context.Context) (PartUpload, error),
	body func(number int, off, size int64) (io.ReaderAt, func())) *sender {
	s := &sender{streams: c, body: body}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.mu.layout, s.mu.total, s.mu.starting, s.mu.moved = c.layout, -1, true, make(chan struct{})
	c.wg.Go(func() {
		up, err := begin(s.ctx)
		s.mu.Lock()
		s.mu.starting, s.mu.failed = false, err
		if err == nil {
			s.mu.up = up
		}
		s.goOnLocked()
		s.wakeLocked()
		s.mu.Unlock()
	})
	return s
}

// wrote notes that [off, end) has other bytes now, and that all up to head is there.
func (s *sender) wrote(off, end, head int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.wrote(off, end)
	s.mu.head = head
	s.goOnLocked()
}

// cut notes that the content ends at size now.
func (s *sender) cut(size int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.cut(size)
	s.mu.head = min(s.mu.head, size)
}

// goOnLocked sends what can be sent.
func (s *sender) goOnLocked() {
	if s.mu.up == nil {
		return
	}
	for s.mu.workers < cap(s.slots) {
		number, ok := s.takeLocked()
		if !ok {
			return
		}
		s.mu.workers++
		s.wg.Go(func() { s.work(number) })
	}
}

func (s *sender) takeLocked() (number int, ok bool) {
	switch {
	case s.mu.ended || s.mu.failed != nil:
		return 0, false
	case s.mu.total >= 0:
		return s.mu.rest(s.mu.total)
	}
	return s.mu.next(s.mu.head)
}

// work sends a part, and others after it as long as there are any.
func (s *sender) work(number int) {
	for ok := true; ok; {
		err := s.send(number)
		s.mu.Lock()
		if err != nil && s.mu.failed == nil && !s.mu.parts[number-1].stale {
			s.mu.failed = err // of a part that was changed or cut off it says nothing
		}
		s.mu.done(number, err == nil)
		if number, ok = s.takeLocked(); !ok {
			s.mu.workers--
		}
		s.wakeLocked()
		s.mu.Unlock()
	}
}

func (s *sender) send(number int) error {
	s.mu.Lock()
	up, size := s.mu.up, s.mu.total
	s.mu.Unlock()
	off, n := s.layout.Part(number)
	if size >= 0 {
		n = min(n, size-off)
	}
	if n <= 0 {
		return io.ErrUnexpectedEOF // cut off since it was taken
	}
	s.slots <- struct{}{} // of others, who send: it comes free
	defer func() { <-s.slots }()
	body, release := s.body(number, off, n)
	defer release()
	if err := up.Send(s.ctx, number, body, n); err != nil {
		return fmt.Errorf("send part %d: %w", number, err)
	}
	return nil
}

// finish sends what the store does not have of the content's size bytes, which
// must not change meanwhile. It returns the upload and its number of parts; nil
// where none could be begun.
func (s *sender) finish(size int64) (up PartUpload, parts int, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waitLocked(func() bool { return !s.mu.starting })
	if s.mu.up == nil {
		return nil, 0, nil // it is as if it had not been tried
	}
	// What is under way may have failed already, and is to be tried again.
	if s.mu.failed != nil {
		s.waitLocked(func() bool { return s.mu.workers == 0 })
	}
	s.mu.failed, s.mu.total = nil, size
	s.goOnLocked()
	s.waitLocked(func() bool { return s.mu.workers == 0 })
	s.mu.total = -1
	switch {
	case s.mu.failed != nil:
		return nil, 0, s.mu.failed
	case s.mu.ended:
		return nil, 0, errStreamEnded
	case !s.mu.complete(size):
		return nil, 0, errors.New("parts of the upload are missing") // not reached
	}
	return s.mu.up, s.mu.count(size), nil
}

func (s *sender) wakeLocked() {
	close(s.mu.moved)
	s.mu.moved = make(chan struct{})
}

func (s *sender) waitLocked(done func() bool) {
	for !done() {
		moved := s.mu.moved
		s.mu.Unlock()
		<-moved
		s.mu.Lock()
	}
}

// end gives the upload up, unless it was completed. It does not wait for that:
// streams.wg does.
func (s *sender) end(completed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.ended {
		return
	}
	s.mu.ended = true
	late := time.AfterFunc(endWait, s.cancel)
	s.wg.Go(func() {
		s.mu.Lock()
		s.waitLocked(func() bool { return s.mu.workers == 0 && !s.mu.starting })
		up := s.mu.up
		s.mu.Unlock()
		if up != nil && !completed {
			up.Abort(context.WithoutCancel(s.ctx))
		}
		late.Stop()
		s.cancel()
	})
}
