package fs

import (
	"context"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

// lister lists one directory, page by page.
type lister struct {
	f     *FS
	dir   string
	walk  *cache.Walk // nil: from the cache
	token string
	held  []cache.Entry // objects whose name may yet turn out to be a directory's

	hint bool // the listing is one that no program asked for, from token on

	mark   cache.Mark // of the beginning
	marker bool       // the directory's own marker was listed
	count  int        // entries so far

	edited map[string]bool // keys of files that were being written when it began: whether they were stored
	shown  map[string]bool // those of them, and of others being written, that had their turn
}

func (f *FS) newLister(dir string) *lister {
	l := &lister{f: f, dir: dir, edited: map[string]bool{}, shown: map[string]bool{}}
	for _, n := range f.tree.pendingIn(dir) {
		l.edited[n.key()] = n.version().ETag != ""
	}
	return l
}

// next returns the items of the next page, and whether it was the last.
func (l *lister) next(ctx context.Context) (items []item, done bool, err error) {
	if l.walk == nil {
		if entries, ok := l.f.meta.List(l.dir); ok {
			return append(l.note(l.name(entries, "", true)), l.pending()...), true, nil
		}
		l.walk, l.mark = l.f.meta.Walk(l.dir), l.f.meta.Mark()
		if l.hint {
			l.walk.Hint(l.token != "")
		}
	}
	page, err := l.f.b.List(ctx, bucket.ListInput{Prefix: l.dir, Delimiter: "/", Token: l.token})
	if err != nil {
		return nil, false, err
	}
	entries, last := l.entries(page)
	l.token = page.Next
	items = l.note(l.name(l.walk.Add(entries, last), last, page.Next == ""))
	if page.Next != "" {
		return items, false, nil
	}
	// Own files that were stored since, on a part of the listing that had passed.
	items = append(items, l.note(l.name(l.finish(), "", true))...)
	return append(items, l.pending()...), true, nil
}

// entries turns a page into entries; last is its greatest key.
func (l *lister) entries(p bucket.Page) (out []cache.Entry, last string) {
	out = make([]cache.Entry, 0, len(p.Objects)+len(p.Prefixes))
	for _, o := range p.Objects {
		last = max(last, o.Key)
		if o.Key == l.dir {
			l.marker = true
			l.f.meta.Put(cache.Entry{Key: o.Key, Object: o}, l.mark)
			continue
		}
		out = append(out, cache.Entry{Key: o.Key, Object: o})
	}
	for _, k := range p.Prefixes {
		last = max(last, k)
		out = append(out, cache.Entry{Key: k, Object: bucket.Object{Key: k}})
	}
	l.count += len(out)
	return out, last
}

// name gives each entry its name. An object that stands beside a directory of
// its name gets an escaped one; as the directory comes later in the listing,
// perhaps pages later, an object is held back until that is settled.
func (l *lister) name(entries []cache.Entry, last string, final bool) []item {
	dirs := map[string]bool{}
	for _, e := range entries {
		if e.IsDir() {
			dirs[e.Key] = true
		}
	}
	todo := append(l.held, entries...)
	l.held = nil
	items := make([]item, 0, len(todo))
	for _, e := range todo {
		if !e.IsDir() && !final && !dirs[e.Key+"/"] && last < e.Key+"/" {
			l.held = append(l.held, e)
			continue
		}
		name, ok := nameOf(lastPart(e.Key))
		if !e.IsDir() && dirs[e.Key+"/"] {
			name, ok = besideName(lastPart(e.Key))
		}
		if !ok {
			l.f.log.Debug("a key cannot be shown as a name", "key", e.Key)
			continue
		}
		items = append(items, item{name: name, entry: e})
	}
	return items
}

// note remembers the files being written, or that were when it began, that have
// had their turn.
func (l *lister) note(items []item) []item {
	for _, it := range items {
		_, began := l.edited[it.entry.Key]
		if n := l.f.tree.at(it.entry.Key); began || n != nil && n.isDirty() {
			l.shown[it.entry.Key] = true
		}
	}
	return items
}

// pending are the files that are being written and that the listing does not
// show: not stored yet, or removed by somebody else meanwhile. A file that
// somebody else has stored at the name of a new one is listed already.
func (l *lister) pending() []item {
	var items []item
	for _, n := range l.f.tree.pendingIn(l.dir) {
		key := n.key()
		if l.shown[key] || n.version().ETag != "" && !l.edited[key] || l.f.tree.at(key) != n {
			continue
		}
		l.shown[key] = true
		if name, ok := nameOf(lastPart(key)); ok {
			items = append(items, item{name: name, entry: cache.Entry{Key: key}})
		}
	}
	return append(items, l.storedSince()...)
}

// storedSince are the files that were being written when the listing began, and
// that were stored behind its back: after the entries were looked at, and before
// the files being written were.
func (l *lister) storedSince() []item {
	var items []item
	for key := range l.edited {
		n := l.f.tree.at(key)
		if l.shown[key] || n == nil || n.gone() || n.version().ETag == "" {
			continue
		}
		// Its commit makes it known before the draft is clean.
		if dirty := n.isDirty(); !dirty {
			if _, _, s := l.f.meta.Get(key); s == cache.Absent {
				continue // removed since
			}
		}
		if name, ok := nameOf(lastPart(key)); ok {
			items = append(items, item{name: name, entry: cache.Entry{Key: key, Object: n.version()}})
		}
	}
	return items
}

// finish installs the complete listing, and what it says of the directory's
// own marker.
func (l *lister) finish() (extra []cache.Entry) {
	extra = l.walk.Done()
	l.walk = nil
	if !l.marker && l.count > 0 && l.dir != "" {
		l.f.meta.Put(cache.Entry{Key: l.dir, Object: noMarker(l.dir)}, l.mark)
	}
	return extra
}

// part keeps what has come of a hint, for another lister to go on. It reports
// whether one should.
func (l *lister) part() bool {
	ok := l.walk.Part()
	l.walk = nil
	return ok
}

func (l *lister) cancel() {
	if l.walk != nil {
		l.walk.Cancel()
		l.walk = nil
	}
}
