package cache

import (
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"

	"github.com/pailfs/pailfs/bucket"
)

// Entry is one name in a directory. A directory's key ends in "/"; its Object
// is the marker, with an empty ETag where there is none (or none is known:
// then Object.Full is false).
type Entry struct {
	Key    string
	Object bucket.Object
	Asked  time.Time // when the HEAD that described it began; zero where another answer did
}

// IsDir reports whether the entry is a directory.
func (e Entry) IsDir() bool { return strings.HasSuffix(e.Key, "/") }

// State says what is known of a key.
type State int

// What Metadata.Get can answer.
const (
	Unknown State = iota // ask the bucket
	Found
	Absent // a HEAD, a complete listing or an own removal said so
)

// Limits of Metadata, in entries. An entry costs 300 to 400 bytes.
const (
	maxEntries = 100_000
	maxListed  = 250_000 // entries of all cached listings together
	maxDirs    = 20_000  // directories whose Attrs are remembered
)

// Metadata is a bounded LRU of entries and listings with a time to live.
//
// The bucket's answers and our own changes meet here. Our own change wins over
// every answer to a question that was asked before it: each question takes a
// Mark first (a listing takes a Walk), and brings it along with its answer.
type Metadata struct {
	ttl time.Duration
	now func() time.Time

	mu struct {
		sync.Mutex
		seq     uint64 // counts own changes
		entries *simplelru.LRU[string, record]
		lists   *simplelru.LRU[string, *listing]
		listed  int
		walks   map[*Walk]struct{}
		attrs   *simplelru.LRU[string, dirAttrs]
	}
}

// record is what is known of one key, at one time.
type record struct {
	entry  Entry
	absent bool
	at     time.Time
	own    uint64 // seq of the own change that set it; 0: the bucket said so
}

// Mark is a point in the sequence of own changes.
type Mark uint64

// NewMetadata returns an empty cache. What it holds is believed for ttl;
// 0 believes nothing but own changes of this very moment.
func NewMetadata(ttl time.Duration) *Metadata {
	m := &Metadata{ttl: ttl, now: time.Now}
	m.mu.entries, _ = simplelru.NewLRU[string, record](maxEntries, nil) // fails only for a size of 0
	m.mu.attrs, _ = simplelru.NewLRU[string, dirAttrs](maxDirs, nil)
	m.mu.lists, _ = simplelru.NewLRU(maxDirs, func(_ string, l *listing) { m.mu.listed -= l.counted })
	m.mu.walks = map[*Walk]struct{}{}
	return m
}

// TTL is how long an answer is believed.
func (m *Metadata) TTL() time.Duration { return m.ttl }

// Mark is taken before the bucket is asked.
func (m *Metadata) Mark() Mark {
	m.mu.Lock()
	defer m.mu.Unlock()
	return Mark(m.mu.seq)
}

// Get returns what is known of key and how long that may still be believed.
func (m *Metadata) Get(key string) (e Entry, left time.Duration, s State) {
	m.mu.Lock()
	defer m.mu.Unlock()
	rec, known := m.mu.entries.Get(key)
	if seen, at, s := m.seenLocked(key); s != Unknown && (!known || at.After(rec.at)) {
		if s == Found {
			seen = enrich(seen, rec, known)
		}
		return seen, m.leftLocked(at), s
	}
	if !known {
		return Entry{}, 0, Unknown
	}
	if left = m.leftLocked(rec.at); left <= 0 {
		return Entry{}, 0, Unknown
	}
	if rec.absent {
		return Entry{}, left, Absent
	}
	return rec.entry, left, Found
}

// seenLocked is what a listing of key's directory says of it, a complete one or
// the part of one under way that has come by, if that may still be believed.
func (m *Metadata) seenLocked(key string) (e Entry, at time.Time, s State) {
	dir := ParentKey(key)
	if l := m.freshListLocked(dir); l != nil && l.settles(key, m.now()) {
		if e, ok := l.find(key); ok {
			return e, l.at, Found
		}
		return Entry{}, l.at, Absent
	}
	for w := range m.mu.walks {
		if w.dir != dir {
			continue
		}
		e, at, s := w.find(key)
		if s != Unknown && m.leftLocked(at) > 0 {
			return e, at, s
		}
	}
	return Entry{}, time.Time{}, Unknown
}

// enrich keeps what a HEAD said of the version that a listing shows.
func enrich(listed Entry, rec record, known bool) Entry {
	o := rec.entry.Object
	same := o.ETag == listed.Object.ETag || listed.IsDir() && listed.Object.ETag == ""
	if known && !rec.absent && o.Full && !listed.Object.Full && same {
		o.LastModified = maxTime(o.LastModified, listed.Object.LastModified)
		listed.Object = o
	}
	return listed
}

func maxTime(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// Put records the bucket's answer to a question asked at mark. It reports false
// where an own change has been made since: the answer does not count then.
func (m *Metadata) Put(e Entry, mark Mark) bool { return m.put(e.Key, record{entry: e}, mark) }

// PutAbsent records that the bucket has no such key.
func (m *Metadata) PutAbsent(key string, mark Mark) { _ = m.put(key, record{absent: true}, mark) }

func (m *Metadata) put(key string, rec record, mark Mark) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	old, ok := m.mu.entries.Peek(key)
	if ok && old.own > uint64(mark) {
		return false // asked before our own change
	}
	if !rec.absent {
		rec.entry = enrich(rec.entry, old, ok)
	}
	rec.at = m.now()
	m.mu.entries.Add(key, rec)
	m.learnLocked(key, rec)
	return true
}

// learnLocked lays what was learnt over the listing of the directory, if that
// may still be believed; else it goes, as it would only grow.
func (m *Metadata) learnLocked(key string, rec record) {
	dir := ParentKey(key)
	if l := m.freshListLocked(dir); l != nil {
		l.learn(key, rec)
		if rec.own != 0 {
			l.made.changed(rec.at)
		}
		return
	}
	m.mu.lists.Remove(dir)
}

// Changed records our own change: key now holds e.
func (m *Metadata) Changed(e Entry) { m.change(e.Key, record{entry: e}) }

// Made is Changed for a directory that this mount has just made. Where the bucket
// has said that there was nothing at or below its key, that is a listing of it:
// of what was there then, and a hint only (see Walk.Hint).
func (m *Metadata) Made(e Entry) {
	m.mu.Lock()
	defer m.mu.Unlock()
	at, empty := m.nothingBelowLocked(e.Key)
	m.changeLocked(e.Key, record{entry: e})
	if empty && m.freshListLocked(e.Key) == nil {
		m.installLocked(e.Key, &listing{at: at, over: map[string]record{}, hint: true, made: making{here: true}})
	}
}

// nothingBelowLocked tells when the bucket said that nothing is at the directory
// key or below it, if that may still be believed, and was not said by a removal
// of our own.
func (m *Metadata) nothingBelowLocked(dir string) (at time.Time, ok bool) {
	rec, known := m.mu.entries.Peek(dir)
	if known && rec.own != 0 {
		return time.Time{}, false
	}
	if _, at, s := m.seenLocked(dir); s == Absent {
		return at, true
	}
	return rec.at, known && rec.absent && m.leftLocked(rec.at) > 0
}

// Removed records our own removal of key.
func (m *Metadata) Removed(key string) { m.change(key, record{absent: true}) }

func (m *Metadata) change(key string, rec record) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.changeLocked(key, rec)
}

func (m *Metadata) changeLocked(key string, rec record) {
	m.mu.seq++
	rec.own, rec.at = m.mu.seq, m.now()
	m.mu.entries.Add(key, rec)
	m.learnLocked(key, rec)
	dir := ParentKey(key)
	for w := range m.mu.walks {
		if w.dir == dir {
			w.own[key] = rec
		}
	}
}

// Forget drops what is known of key, because it turned out to be wrong, or may be.
func (m *Metadata) Forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	dir := ParentKey(key)
	m.mu.entries.Remove(key)
	m.mu.lists.Remove(dir)
	for w := range m.mu.walks {
		if w.dir == dir {
			w.void = true
		}
	}
}

// ForgetTree drops all that is known at and below a directory key. Listings
// under way there are not believed either.
func (m *Metadata) ForgetTree(dir string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, k := range m.mu.entries.Keys() {
		if strings.HasPrefix(k, dir) {
			m.mu.entries.Remove(k)
		}
	}
	for _, k := range m.mu.lists.Keys() {
		if strings.HasPrefix(k, dir) {
			m.mu.lists.Remove(k)
		}
	}
	for w := range m.mu.walks {
		if strings.HasPrefix(w.dir, dir) {
			w.void = true
		}
	}
}

func (m *Metadata) leftLocked(at time.Time) time.Duration {
	return m.ttl - m.now().Sub(at)
}

func (m *Metadata) freshListLocked(dir string) *listing {
	l, ok := m.mu.lists.Get(dir)
	if !ok || m.leftLocked(l.at) <= 0 {
		return nil
	}
	return l
}

// ParentKey is the directory key that key stands in.
func ParentKey(key string) string {
	return key[:strings.LastIndexByte(strings.TrimSuffix(key, "/"), '/')+1]
}
