package cache

import (
	"maps"
	"slices"
	"sort"
	"strings"
	"time"
)

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
	if before := w.m.freshListLocked(w.dir); before != nil {
		l.made = before.made
	}
	l.newest = newestOf(l.entries)
	if !w.void && l.size() <= maxListed {
		w.m.installLocked(w.dir, l)
	}
}

// Cancel ends a listing that did not reach its end.
func (w *Walk) Cancel() {
	w.m.mu.Lock()
	defer w.m.mu.Unlock()
	delete(w.m.mu.walks, w)
}
