package fs

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// siblings notes which directories are asked for one name after another. One
// listing then answers for all of them, where each name alone costs two requests.
// The zero value is empty.
type siblings struct {
	mu   sync.Mutex
	seen *simplelru.LRU[string, asked]
}

// asked is how names of one directory were looked up lately.
type asked struct {
	since time.Time
	names int
	done  bool // it has been listed, or is too long for one page
}

const (
	// manyNames is how many names are asked for singly: a path to one file passes
	// each directory once, and a program that probes for a name adds another.
	manyNames = 2
	// maxAsked bounds the directories that are watched.
	maxAsked = 10_000
)

// worthListing notes that a name in dir has to be asked for, and tells whether
// to list the directory instead. What is older than ttl does not count.
func (s *siblings) worthListing(dir string, ttl time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen, _ = simplelru.NewLRU[string, asked](maxAsked, nil) // fails only for a size of 0
	}
	a, ok := s.seen.Get(dir)
	if !ok || time.Since(a.since) > ttl {
		a = asked{since: time.Now()}
	}
	a.names++
	s.seen.Add(dir, a)
	return a.names > manyNames && !a.done
}

// listed notes that dir is not worth it again for a while: what its listing does
// not show has to be asked for, and one page says nothing of a long directory.
func (s *siblings) listed(dir string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seen.Add(dir, asked{since: time.Now(), done: true})
}

// listOnce learns which names are in dir, if one page has them all.
func (f *FS) listOnce(ctx context.Context, dir string) error {
	l := f.newLister(dir)
	l.hint = true
	defer l.cancel()
	_, _, err := l.next(ctx)
	if err == nil {
		f.siblings.listed(dir)
	}
	return err
}
