package fs

import (
	"context"
	"slices"
	"strings"
	"sync"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

var (
	_ fusefs.NodeOpendirHandler = (*node)(nil)
	_ fusefs.FileReaddirenter   = (*dirHandle)(nil)
	_ fusefs.FileLookuper       = (*dirHandle)(nil)
	_ fusefs.FileSeekdirer      = (*dirHandle)(nil)
	_ fusefs.FileReleasedirer   = (*dirHandle)(nil)
	_ fusefs.FileFsyncdirer     = (*dirHandle)(nil)
)

// maxShown is how many entries a directory handle keeps; twice that while it
// reads. A seek further back reads the directory again.
const maxShown = 50_000

// dirHandle is one open directory. It keeps what it has shown last, so that a
// seek finds the same entries at the same offsets until it is rewound.
type dirHandle struct {
	n *node

	mu struct {
		sync.Mutex
		dir   string // the directory's key, as the items have it
		items []item // shown, or about to be
		base  int    // position of items[0]
		pos   int    // of the next entry
		list  *lister
		done  bool
		skip  map[string]bool // names shown before a rename made the listing begin anew
	}
}

// item is one name of a directory.
type item struct {
	name  string
	entry cache.Entry
	dots  bool // "." or ".."
}

// OpendirHandle opens a directory. The listing begins with the first read.
func (n *node) OpendirHandle(_ context.Context, _ uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	h := &dirHandle{n: n}
	h.resetLocked()
	return h, 0, 0
}

func (h *dirHandle) resetLocked() {
	if h.mu.list != nil {
		h.mu.list.cancel()
	}
	h.mu.items = []item{{name: ".", dots: true}, {name: "..", dots: true}}
	h.mu.base, h.mu.pos, h.mu.list, h.mu.done, h.mu.skip = 0, 0, nil, false, nil
	h.mu.dir = h.n.key()
}

// followLocked follows a rename of the directory: what was shown stands at new
// keys, and the rest is listed there.
func (h *dirHandle) followLocked() {
	dir := h.n.key()
	if dir == h.mu.dir {
		return
	}
	h.mu.skip = make(map[string]bool, len(h.mu.items))
	for i := range h.mu.items {
		it := &h.mu.items[i]
		h.mu.skip[it.name] = true
		if rest, ok := strings.CutPrefix(it.entry.Key, h.mu.dir); ok && !it.dots {
			// Its version is that of the copy, which is not known here.
			it.entry = cache.Entry{Key: dir + rest, Object: bucket.Object{Key: dir + rest}}
		}
	}
	if h.mu.list != nil {
		h.mu.list.cancel()
		h.mu.list = nil
	}
	h.mu.dir = dir
}

// Readdirent returns the next entry, or nil at the end. The offset of an entry
// is its position, so that one past the end is the end.
func (h *dirHandle) Readdirent(ctx context.Context) (*fuse.DirEntry, syscall.Errno) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.followLocked()
	for h.mu.pos >= h.mu.base+len(h.mu.items) {
		if h.mu.done {
			return nil, 0
		}
		if err := h.moreLocked(ctx); err != nil {
			return nil, h.n.fs.fail("readdir", h.n.key(), err)
		}
	}
	it := h.mu.items[h.mu.pos-h.mu.base]
	h.mu.pos++
	return &fuse.DirEntry{
		Name: it.name, Mode: h.typeOf(it), Ino: h.n.fs.tree.inoOf(it.entry.Key), Off: uint64(h.mu.pos),
	}, 0
}

// moreLocked gets the next page. It holds the handle's lock over the request:
// only readers of this very handle wait for it.
func (h *dirHandle) moreLocked(ctx context.Context) error {
	ctx, cancel := patient(ctx)
	defer cancel()
	if h.mu.list == nil {
		h.mu.list = h.n.fs.newLister(h.mu.dir)
	}
	items, done, err := h.mu.list.next(ctx)
	if err != nil {
		return err
	}
	items = slices.DeleteFunc(items, func(it item) bool { return h.mu.skip[it.name] })
	h.mu.items = append(h.mu.items, items...)
	h.mu.done = done
	if old := min(h.mu.pos-h.mu.base, len(h.mu.items)-maxShown); old > maxShown {
		h.mu.items = append([]item(nil), h.mu.items[old:]...)
		h.mu.base += old
	}
	return nil
}

// typeOf is the type shown beside a name; 0 is "ask", for what could turn out
// to be a symbolic link.
func (h *dirHandle) typeOf(it item) uint32 {
	f := h.n.fs
	if it.dots {
		return kindDir
	}
	if n := f.tree.at(it.entry.Key); n != nil && n.follows(it.entry) {
		return n.kind
	}
	if maybeSpecial(it.entry) && !f.plain(cache.ParentKey(it.entry.Key)) {
		return 0
	}
	return kindOf(it.entry)
}

// plain reports whether a listing's entries in dir need no question of their
// own. It asks nothing.
func (f *FS) plain(dir string) bool {
	return f.opt.Metadata == MetadataList || f.opt.Metadata == MetadataAuto && f.meta.Attrs(dir) == cache.AttrsNone
}

// Lookup gives READDIRPLUS the inode for the entry just read, from the
// listing's page alone. An entry whose type is not certain gets none (the
// kernel then takes it as a plain entry and looks it up when it is used), one
// whose attributes are not known enters the kernel with a timeout of 0.
func (h *dirHandle) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	f := h.n.fs
	h.mu.Lock()
	h.followLocked()
	var it item
	if i := h.mu.pos - 1 - h.mu.base; i >= 0 && i < len(h.mu.items) {
		it = h.mu.items[i]
	}
	h.mu.Unlock()
	if it.name != name {
		return nil, syscall.ENOENT
	}
	n := f.tree.local(it.entry.Key)
	if n == nil {
		plain := f.plain(cache.ParentKey(it.entry.Key))
		if !plain && maybeSpecial(it.entry) {
			return nil, syscall.ENOENT
		}
		// The listing may be older than what was learnt since, and what is not
		// known any more has to be asked.
		e, left, s := f.meta.Get(it.entry.Key)
		if s == cache.Unknown && f.tree.at(it.entry.Key) == nil && it.entry.Object.ETag != "" {
			e, s = it.entry, cache.Found
		}
		if s != cache.Found {
			return nil, syscall.ENOENT
		}
		if n = f.tree.adopt(ctx, h.n, e, plain); n == nil {
			return nil, syscall.ENOENT
		}
		n.fillEntry(out, left)
		return n.EmbeddedInode(), 0
	}
	n.fillEntry(out, f.meta.TTL())
	return n.EmbeddedInode(), 0
}

// Seekdir goes to an offset that Readdirent gave out; 0 begins anew.
func (h *dirHandle) Seekdir(ctx context.Context, off uint64) syscall.Errno {
	h.mu.Lock()
	defer h.mu.Unlock()
	if off == 0 || off < uint64(h.mu.base) {
		h.resetLocked()
	}
	h.mu.pos = h.mu.base
	for {
		h.mu.pos = int(min(off, uint64(h.mu.base+len(h.mu.items))))
		if h.mu.done || uint64(h.mu.pos) == off {
			return 0
		}
		if err := h.moreLocked(ctx); err != nil {
			return h.n.fs.fail("seekdir", h.n.key(), err)
		}
	}
}

// Releasedir closes the directory.
func (h *dirHandle) Releasedir(context.Context, uint32) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.mu.list != nil {
		h.mu.list.cancel()
	}
}

// Fsyncdir has nothing to do: changes of names are on S3 when they return.
func (h *dirHandle) Fsyncdir(context.Context, uint32) syscall.Errno { return 0 }

// lister lists one directory, page by page.
type lister struct {
	f     *FS
	dir   string
	walk  *cache.Walk // nil: from the cache
	token string
	held  []cache.Entry // objects whose name may yet turn out to be a directory's

	mark   cache.Mark // of the beginning
	marker bool       // the directory's own marker was listed
	count  int        // entries so far
}

func (f *FS) newLister(dir string) *lister { return &lister{f: f, dir: dir} }

// next returns the items of the next page, and whether it was the last.
func (l *lister) next(ctx context.Context) (items []item, done bool, err error) {
	if l.walk == nil {
		if entries, ok := l.f.meta.List(l.dir); ok {
			return append(l.name(entries, "", true), l.pending()...), true, nil
		}
		l.walk, l.mark = l.f.meta.Walk(l.dir), l.f.meta.Mark()
	}
	page, err := l.f.b.List(ctx, bucket.ListInput{Prefix: l.dir, Delimiter: "/", Token: l.token})
	if err != nil {
		return nil, false, err
	}
	entries, last := l.entries(page)
	l.token = page.Next
	items = l.name(l.walk.Add(entries), last, page.Next == "")
	if page.Next != "" {
		return items, false, nil
	}
	// Own files that were stored since, on a part of the listing that had passed.
	items = append(items, l.name(l.finish(), "", true)...)
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

// pending are the files that are not stored yet.
func (l *lister) pending() []item {
	var items []item
	for _, n := range l.f.tree.pendingIn(l.dir) {
		key := n.key()
		if n.version().ETag != "" {
			continue // an edit of what the listing shows
		}
		if name, ok := nameOf(lastPart(key)); ok {
			items = append(items, item{name: name, entry: cache.Entry{Key: key}})
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

func (l *lister) cancel() {
	if l.walk != nil {
		l.walk.Cancel()
		l.walk = nil
	}
}
