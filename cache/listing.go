package cache

import (
	"maps"
	"slices"
	"sort"
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
}

// settles reports whether l says whether key is there.
func (l *listing) settles(key string) bool {
	if _, ok := l.find(key); ok || !l.hint {
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

// Walk is a listing under way. Own changes made meanwhile are laid over what
// it brings, whenever its pages were cut. What has come by answers Metadata.Get
// like a complete listing: a program asks for the names that it has just read.
type Walk struct {
	m     *Metadata
	dir   string
	pages []walked
	count int // entries of pages
	own   map[string]record
	void  bool // not to be believed
	huge  bool // not to be kept: more than maxListed entries
	mixed bool // the store does not list in the order of keys: only all of it tells
	hint  bool
	goOn  bool // of a hint: there was a Part before it
}

// walked is one page: all keys after the last of the page before it, up to last.
type walked struct {
	entries []Entry // sorted by key
	after   string
	last    string
	at      time.Time
}

// Walk begins a listing of the directory dir; end it with Done or Cancel.
func (m *Metadata) Walk(dir string) *Walk {
	w := &Walk{m: m, dir: dir, own: map[string]record{}}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.walks[w] = struct{}{}
	return w
}

// Hint makes the listing one that was made to spare questions, and that nobody
// has seen: it tells what is there. That a name is not in it says nothing, since
// who has not looked yet expects to find what others have just put there.
// With goOn it continues where the Part before it ended.
func (w *Walk) Hint(goOn bool) {
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	w.hint, w.goOn = true, goOn
}

// Part ends a hint that may be continued. It reports whether there is a use in
// that: a store that does not list in the order of keys tells with all of them.
func (w *Walk) Part() bool {
	m := w.m
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.mu.walks, w)
	if w.mixed || w.void || len(w.pages) == 0 {
		return false
	}
	l := w.listingLocked()
	l.upTo = w.pages[len(w.pages)-1].last
	w.installLocked(l)
	return true
}

// listingLocked is what w has brought, beside what the Part before it had.
func (w *Walk) listingLocked() *listing {
	l := &listing{at: w.m.now(), hint: w.hint, entries: w.all(), over: map[string]record{}}
	before := w.m.freshListLocked(w.dir)
	if !w.goOn || before == nil || before.upTo == "" {
		l.live = len(l.entries)
		return l
	}
	l.at = before.at // it is as old as its oldest part
	l.entries = mergeEntries(l.entries, before.entries)
	l.live = len(l.entries)
	for k, rec := range before.over {
		l.learn(k, rec) // what was asked for by itself is believed as long as any answer
	}
	return l
}

// mergeEntries sorts by key. Where both have one, the first's counts.
func mergeEntries(first, second []Entry) []Entry {
	out := slices.Concat(first, second)
	slices.SortStableFunc(out, func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
	return slices.CompactFunc(out, func(a, b Entry) bool { return a.Key == b.Key })
}

// Add takes the entries of the next page, whose greatest key is last, and
// returns them as they are to be shown: own changes applied, details of the same
// versions kept. Entries that are our own and new come with Done.
func (w *Walk) Add(page []Entry, last string) []Entry {
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
	w.keep(walked{entries: byKey(out), last: last, at: m.now()})
	w.mixed = w.mixed || !inOrder(page, w.pages[len(w.pages)-1].after)
	return out
}

// inOrder reports whether the keys of a page, which has objects first and then
// prefixes, come in order, and all after after.
func inOrder(page []Entry, after string) bool {
	objects, prefixes := after, after
	for _, e := range page {
		last := &objects
		if e.IsDir() {
			last = &prefixes
		}
		if e.Key <= *last {
			return false
		}
		*last = e.Key
	}
	return true
}

// keep adds a page. Of a listing that is too long to be kept the last two stay.
func (w *Walk) keep(p walked) {
	if n := len(w.pages); n > 0 {
		p.after = w.pages[n-1].last
		p.last = max(p.last, p.after)
	}
	w.pages = append(w.pages, p)
	if w.count += len(p.entries); w.count > maxListed {
		w.huge = true
		w.pages = slices.Clone(w.pages[max(0, len(w.pages)-2):])
	}
}

// find says what the pages say of key.
func (w *Walk) find(key string) (Entry, time.Time, State) {
	i := sort.Search(len(w.pages), func(i int) bool { return w.pages[i].last >= key })
	if w.void || w.mixed || w.hint || i == len(w.pages) || key <= w.pages[i].after {
		return Entry{}, time.Time{}, Unknown
	}
	p := w.pages[i]
	if rec, ok := w.own[key]; ok {
		if rec.absent {
			return Entry{}, p.at, Absent
		}
		return rec.entry, p.at, Found
	}
	if k, ok := indexOf(p.entries, key); ok {
		return p.entries[k], p.at, Found
	}
	return Entry{}, p.at, Absent
}

// all returns the entries so far, sorted by key and each once.
func (w *Walk) all() []Entry {
	out := make([]Entry, 0, w.count)
	for _, p := range w.pages {
		out = append(out, p.entries...)
	}
	return slices.CompactFunc(byKey(out), func(a, b Entry) bool { return a.Key == b.Key })
}

// byKey returns a sorted copy.
func byKey(entries []Entry) []Entry {
	return slices.SortedFunc(slices.Values(entries), func(a, b Entry) int { return strings.Compare(a.Key, b.Key) })
}

func indexOf(sorted []Entry, key string) (int, bool) {
	return slices.BinarySearchFunc(sorted, key, func(e Entry, k string) int { return strings.Compare(e.Key, k) })
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
	l := w.listingLocked()
	for _, k := range slices.Sorted(maps.Keys(w.own)) {
		if _, listed := l.find(k); !listed && !w.own[k].absent {
			extra = append(extra, w.own[k].entry)
		}
	}
	w.installLocked(l)
	return extra
}

// installLocked makes l the listing of w's directory, with what changed meanwhile.
func (w *Walk) installLocked(l *listing) {
	if now := w.m.freshListLocked(w.dir); l.hint && now != nil && !now.hint {
		return // a program has listed it meanwhile
	}
	for k, rec := range w.own {
		l.learn(k, rec)
	}
	l.newest = newestOf(l.entries)
	if !w.void && l.size() <= maxListed {
		w.m.installLocked(w.dir, l)
	}
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
