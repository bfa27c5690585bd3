package xattr

import (
	"sync"
	"time"
)

// maxLinks bounds the links a Linker remembers; a link is about 500 bytes,
// 2 KiB with a session token.
const maxLinks = 256

// maxReuse is how long a link is given out again.
const maxReuse = 5 * time.Second

// Linker remembers each link for a few seconds. getxattr(2) is called twice,
// for the size and for the value, and both calls must see the same link, while
// the signature changes every second. The zero value is ready; one Linker
// serves one mount and is safe for concurrent use.
type Linker struct {
	now func() time.Time // nil is time.Now; tests set it
	mu  struct {
		sync.Mutex
		links map[linkKey]link
	}
}

type linkKey struct {
	bucket, key, etag string
	lifetime          time.Duration
}

type link struct {
	url   string
	until time.Time // when the link really ends
	made  time.Time
}

// reuse is how long a link of the given lifetime is given out again: a short
// part of its life, so that nobody gets a link that is about to end.
func reuse(lifetime time.Duration) time.Duration {
	return min(maxReuse, max(lifetime/10, 250*time.Millisecond))
}

// get returns the remembered link, or the one that mint makes. mint runs
// without the lock: it may have to refresh credentials.
func (l *Linker) get(k linkKey, mint func() (string, time.Time, error)) (link, error) {
	if found, ok := l.find(k); ok {
		return found, nil
	}
	made := l.time()
	url, until, err := mint()
	if err != nil {
		return link{}, err
	}
	return l.keep(k, link{url: url, until: until, made: made}), nil
}

func (l *Linker) find(k linkKey) (link, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	found, ok := l.mu.links[k]
	return found, ok && l.freshLocked(k, found)
}

// keep stores made, unless another caller was first: then both return that one.
func (l *Linker) keep(k linkKey, made link) link {
	l.mu.Lock()
	defer l.mu.Unlock()
	if found, ok := l.mu.links[k]; ok && l.freshLocked(k, found) {
		return found
	}
	if l.mu.links == nil {
		l.mu.links = map[linkKey]link{}
	}
	if len(l.mu.links) >= maxLinks {
		l.evictLocked()
	}
	l.mu.links[k] = made
	return made
}

func (l *Linker) freshLocked(k linkKey, found link) bool {
	age := l.time().Sub(found.made)
	return age >= 0 && age < reuse(k.lifetime)
}

// evictLocked drops what is stale and, if nothing is, the oldest link.
func (l *Linker) evictLocked() {
	var oldest linkKey
	var when time.Time
	for k, v := range l.mu.links {
		if !l.freshLocked(k, v) {
			delete(l.mu.links, k)
		} else if when.IsZero() || v.made.Before(when) {
			oldest, when = k, v.made
		}
	}
	if len(l.mu.links) >= maxLinks {
		delete(l.mu.links, oldest)
	}
}

func (l *Linker) time() time.Time {
	if l.now != nil {
		return l.now()
	}
	return time.Now()
}
