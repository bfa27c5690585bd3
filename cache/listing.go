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
// learnt since; or a hint, which may be of its first keys only.
type listing struct {
	at      time.Time
	entries []Entry // sorted by key
	over    map[string]record
	live    int       // entries that are there, with what was learnt
	newest  time.Time // latest modification in entries
	counted int       // of Metadata's listed entries
	hint    bool      // nobody has asked for it: see Walk.Hint
	upTo    string    // of a hint: the last key that it tells of; "" is all
	made    making    // of a directory that this mount has made
}

// making is how a directory that this mount has made is filled.
type making struct {
	here  bool      // it was made here
	files int       // changes of our own in it, each less than makingWindow after the one before
	at    time.Time // of the newest of them
}

// Who makes many files in a row in a new directory asks for each name first, and
// waits for nobody else's: after makingFiles of them, and for makingWindow after
// each, a name that is not known there is not there. The window is as long as the
// word of a HEAD counts for the open that follows. In all other directories others
// may have put something that is looked for at once.
const (
	makingWindow = time.Second
	makingFiles  = 3
)

// changed notes a change of our own.
func (m *making) changed(at time.Time) {
	if at.Sub(m.at) >= makingWindow {
		m.files = 0
	}
	m.at = at
	m.files++
}

// goesOn tells, at now, that files are being made one after the other.
func (m *making) goesOn(now time.Time) bool {
	return m.here && m.files >= makingFiles && now.Sub(m.at) < makingWindow
}

// settles reports whether l says, at now, whether key is there.
func (l *listing) settles(key string, now time.Time) bool {
	if _, ok := l.find(key); ok || !l.hint {
		return true
	}
	if l.made.goesOn(now) {
		return true
	}
	if _, ok := l.over[key]; ok {
		return true
	}
	_, object := l.find(strings.TrimSuffix(key, "/"))
	return object && strings.HasSuffix(key, "/") && (l.upTo == "" || key <= l.upTo)
}

func (l *listing) size() int { return len(l.entries) + len(l.over) }

func (l *listing) find(key string) (Entry, bool) {
	if rec, ok := l.over[key]; ok {
		return rec.entry, !rec.absent
	}
	i, ok := indexOf(l.entries, key)
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
	return byKey(out)
}

// newestOf is the latest modification.
func newestOf(entries []Entry) (t time.Time) {
	for _, e := range entries {
		t = maxTime(t, e.Object.LastModified)
	}
	return t
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

// List returns a complete listing of dir that may still be believed.
func (m *Metadata) List(dir string) ([]Entry, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.freshListLocked(dir)
	if l == nil || l.hint {
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

// LastList returns the last complete listing of dir, however old, or else what
// has come of one under way: good enough to pick samples from.
func (m *Metadata) LastList(dir string) (entries []Entry, complete bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if l, ok := m.mu.lists.Peek(dir); ok {
		return l.all(), l.upTo == ""
	}
	return m.walkedLocked(dir), false
}

// walkedLocked is what has come of a listing of dir under way.
func (m *Metadata) walkedLocked(dir string) []Entry {
	for w := range m.mu.walks {
		if w.dir == dir && !w.void && w.count > 0 {
			return w.all()
		}
	}
	return nil
}

// Empty reports whether a complete listing that may still be believed shows dir
// without entries; known is false where there is no such listing.
func (m *Metadata) Empty(dir string) (empty, known bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	l := m.freshListLocked(dir)
	if l == nil || l.hint {
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
	} else {
		rec.newest = newestOf(m.walkedLocked(dir))
	}
	m.mu.attrs.Add(dir, rec)
}
