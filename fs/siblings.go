package fs

import (
	"context"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// siblings notes which directories are asked for one name after another. One
// listing then answers for many of them, where each name alone costs two requests.
// The zero value is empty.
type siblings struct {
	mu   sync.Mutex
	seen *simplelru.LRU[string, asked]
}

// asked is how names of one directory were looked up lately.
type asked struct {
	since time.Time
	names int    // since the last page
	pages int    // listed
	token string // of the next page; "" before the first
	done  bool   // nothing more is to be listed, or it failed
}

const (
	// manyNames is how many names are asked for singly, before each page: a path to
	// one file passes each directory once, and a program that probes for a name
	// adds another.
	manyNames = 2
	// maxHintPages bounds what is listed of a directory where names are asked for
	// that are not on its first pages.
	maxHintPages = 10
	// maxAsked bounds the directories that are watched.
	maxAsked = 10_000
	// hintTime bounds the listing: those who wait for it have asked for one name
	// each, which costs no more than two short questions.
	hintTime = 3 * time.Second
)

// worthListing notes that a name in dir has to be asked for, and tells whether
// to list more of the directory instead. What is older than ttl does not count.
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
	return a.worth()
}

func (a asked) worth() bool { return a.names > manyNames && !a.done }

// next is which page to list, if any: another caller may just have done so.
func (s *siblings) next(dir string) (token string, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, _ := s.seen.Peek(dir)
	return a.token, a.worth()
}

// listed notes that a page of dir was listed, and which one comes next: "" is none.
func (s *siblings) listed(dir, next string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.seen.Peek(dir)
	if !ok {
		a.since = time.Now()
	}
	a.names, a.token = 0, next
	a.pages++
	a.done = next == "" || a.pages >= maxHintPages
	s.seen.Add(dir, a)
}

// listOnce learns which names are on the next page of dir. Where that fails, the
// next names do not wait for another try.
func (f *FS) listOnce(ctx context.Context, dir string) error {
	token, ok := f.siblings.next(dir)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, hintTime)
	defer cancel()
	l := f.newLister(dir)
	l.hint, l.token = true, token
	l.marker = token != "" // the first page may have had it
	defer l.cancel()
	_, done, err := l.next(ctx)
	next := l.token
	if err != nil || !done && !l.part() {
		next = ""
	}
	f.siblings.listed(dir, next)
	return err
}
