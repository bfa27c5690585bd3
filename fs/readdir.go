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
