package cache

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Attrs says what is known of the x-amz-meta attributes in one directory.
type Attrs int

// States of a directory's attributes.
const (
	AttrsUnknown Attrs = iota
	AttrsNone          // samples showed none: listings are believed
	AttrsSome          // each entry has to be asked for its own
)

// listing is a complete listing of one directory, as of at, and what was
// learnt since.
type listing struct {
	at      time.Time
	entries []Entry // sorted by key
	over    map[string]record
	live    int       // entries that are there, with what was learnt
	newest  time.Time // latest modification in entries
	counted int       // of Metadata's listed entries
}

func (l *listing) size() int { return len(l.entries) + len(l.over) }

func (l *listing) find(key string) (Entry, bool) {
	if rec, ok := l.over[key]; ok {
		return rec.entry, !rec.absent
	}
	i, ok := slices.BinarySearchFunc(l.entries, key, func(e Entry, k string) int { return strings.Compare(e.Key, k) })
	if !ok {
		return Entry{}, false
	}
	return l.entries[i], true
}

// learn lays what was learnt of a key over the listing.
func (l *listing) learn(key string, rec record) {
	_, before := l.find(key)
	l.over[key] = rec
	switch after := !rec.absent; {
	case after && !before:
		l.live++
	case before && !after:
		l.live--
	}
}

// all returns the entries with what was learnt since, sorted by key.
func (l *listing) all() []Entry {
	if len(l.over) == 0 {
		return l.entries // never modified in place
	}
	out := make([]Entry, 0, l.size())
	for _, e := range l.entries {
		if _, ok := l.over[e.Key]; !ok {
			out = append(out, e)
		}
	}
	for _, k := range slices.Sorted(maps.Keys(l.over)) {
		if rec := l.over[k]; !rec.absent {
			out = append(out, rec.entry)
		}
	}
	slices.SortFunc(out, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// Walk is a listing under way. Own changes made meanwhile are laid over what
// it brings, whenever its pages were cut.
type Walk struct {
	m       *Metadata
	dir     string
	entries []Entry
	own     map[string]record
	void    bool // not to be believed
	huge    bool // not to be kept: more than maxListed entries
}

// Walk begins a listing of the directory dir; end it with Done or Cancel.
func (m *Metadata) Walk(dir string) *Walk {
	w := &Walk{m: m, dir: dir, own: map[string]record{}}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.walks[w] = struct{}{}
	return w
}

// Add takes the entries of the next page and returns them as they are to be
// shown: own changes applied, details of the same versions kept. Entries that
// are our own and new come with Done.
func (w *Walk) Add(page []Entry) []Entry {
	m := w.m
	m.mu.Lock()
	defer m.mu.Unlock()
	out := page[:0:0]
	for _, e := range page {
		if rec, ok := w.own[e.Key]; ok {
			if !rec.absent {
				out = append(out, rec.entry)
			}
			continue
		}
		rec, known := m.mu.entries.Peek(e.Key)
		out = append(out, enrich(e, rec, known))
	}
	if w.entries = append(w.entries, out...); len(w.entries) > maxListed {
		w.entries, w.huge = nil, true
	}
	return out
}

// Done ends a complete listing and installs it. It returns our own new entries
// that no page brought, sorted by key. A listing that is too long to be kept is
// not remembered, and returns none.
func (w *Walk) Done() (extra []Entry) {
	m := w.m
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.mu.walks, w)
	if w.huge {
		return nil
	}
	slices.SortFunc(w.entries, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	w.entries = slices.CompactFunc(w.entries, func(a, b Entry) bool { return a.Key == b.Key })
	l := &listing{at: m.now(), entries: w.entries, live: len(w.entries), over: map[string]record{}}
	for _, k := range slices.Sorted(maps.Keys(w.own)) {
		if _, listed := l.find(k); !listed && !w.own[k].absent {
			extra = append(extra, w.own[k].entry)
		}
	}
	for k, rec := range w.own {
		l.learn(k, rec)
	}
	for _, e := range l.entries {
		l.newest = maxTime(l.newest, e.Object.LastModified)
	}
	if !w.void && l.size() <= maxListed {
		m.installLocked(w.dir, l)
	}
	return extra
}

func (m *Metadata) installLocked(dir string, l *listing) {
	m.mu.lists.Remove(dir) // the eviction hook counts it off
	l.counted = l.size()
	m.mu.lists.Add(dir, l)
	for m.mu.listed += l.counted; m.mu.listed > maxListed; {
		if _, _, ok := m.mu.lists.RemoveOldest(); !ok {
			break
		}
	}
}

// Cancel ends a listing that did not reach its end.
func (w *Walk) Cancel() {
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	delete(w.m.mu.walks, w)
}

// List returns a complete listing of dir that may still be believed.
func (m *Metadata) List(dir string) ([]Entry, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.freshListLocked(dir)
	if l == nil {
		return nil, false
	}
	all := l.all()
	out := make([]Entry, len(all))
	for i, e := range all {
		rec, known := m.mu.entries.Peek(e.Key)
		out[i] = enrich(e, rec, known)
	}
	return out, true
}

// LastList returns the last complete listing of dir, however old: good enough
// to pick samples from.
func (m *Metadata) LastList(dir string) ([]Entry, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l, ok := m.mu.lists.Peek(dir)
	if !ok {
		return nil, false
	}
	return l.all(), true
}

// Empty reports whether a complete listing that may still be believed shows dir
// without entries; known is false where there is no such listing.
func (m *Metadata) Empty(dir string) (empty, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.freshListLocked(dir)
	if l == nil {
		return false, false
	}
	return l.live == 0, true
}

// dirAttrs is what samples of one directory said, and of the objects up to
// which time of modification they speak.
type dirAttrs struct {
	state  Attrs
	newest time.Time
}

// Attrs returns what is known of the attributes in dir. That there are none
// is believed only while the listing shows no object newer than the samples.
func (m *Metadata) Attrs(dir string) Attrs {
	m.mu.Lock()
	defer m.mu.Unlock()
	a, _ := m.mu.attrs.Get(dir)
	if l, ok := m.mu.lists.Peek(dir); ok && a.state == AttrsNone && l.newest.After(a.newest) {
		return AttrsUnknown
	}
	return a.state
}

// SetAttrs records what is known. AttrsSome is never taken back.
func (m *Metadata) SetAttrs(dir string, a Attrs) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if old, _ := m.mu.attrs.Peek(dir); old.state == AttrsSome {
		return
	}
	rec := dirAttrs{state: a}
	if l, ok := m.mu.lists.Peek(dir); ok {
		rec.newest = l.newest
	}
	m.mu.attrs.Add(dir, rec)
}
