package fs

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"pgregory.net/rapid"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

func entriesOf(keys ...string) []cache.Entry {
	out := make([]cache.Entry, len(keys))
	for i, k := range keys {
		out[i] = cache.Entry{Key: k, Object: bucket.Object{Key: k}}
	}
	return out
}

// namesOf names a listing that comes in pages of n keys.
func namesOf(t interface{ Fatalf(string, ...any) }, keys []string, n int) []string {
	l := &lister{f: &FS{opt: Options{}.withDefaults()}}
	l.f.log = l.f.opt.Logger
	var names []string
	for len(keys) > 0 {
		page := keys[:min(n, len(keys))]
		keys = keys[len(page):]
		for _, it := range l.name(entriesOf(page...), page[len(page)-1], len(keys) == 0) {
			names = append(names, it.name)
		}
	}
	if len(l.held) > 0 {
		t.Fatalf("held back at the end: %v", l.held)
	}
	return names
}

// K12 B113: a name is never listed twice, however the pages are cut.
func TestObjectBesideDirectory(t *testing.T) {
	keys := []string{"out", "out-1", "out-2", "out-3", "out.txt", "out/", "zz"}
	want := []string{".pailfs~file~out", "out", "out-1", "out-2", "out-3", "out.txt", "zz"}
	for n := 1; n <= len(keys); n++ {
		got := namesOf(t, keys, n)
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Errorf("pages of %d: %q", n, got)
		}
	}
}

func TestNamesOfAListing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.StringMatching(`[a-b!.~]{1,3}`)
		set := map[string]bool{}
		for _, p := range rapid.SliceOfN(part, 1, 12).Draw(t, "parts") {
			if rapid.Bool().Draw(t, "dir") {
				p += "/"
			}
			set[p] = true
		}
		var keys []string
		for k := range set {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		names := namesOf(t, keys, rapid.IntRange(1, 5).Draw(t, "page"))
		if len(names) != len(keys) {
			t.Fatalf("%d names for %d keys", len(names), len(keys))
		}
		seen := map[string]bool{}
		for _, name := range names {
			if seen[name] {
				t.Fatalf("%q twice among %q", name, names)
			}
			seen[name] = true
			if strings.HasPrefix(name, escapeFile) && !set[strings.TrimPrefix(name, escapeFile)+"/"] {
				t.Fatalf("%q without a directory", name)
			}
		}
	})
}

// fakeList is a bucket that holds n keys in its root, a thousand a page.
type fakeList struct {
	bucket.API
	n, pages int
}

func (b *fakeList) List(_ context.Context, in bucket.ListInput) (bucket.Page, error) {
	b.pages++
	from, _ := strconv.Atoi(in.Token)
	var p bucket.Page
	for i := from; i < min(from+1000, b.n); i++ {
		p.Objects = append(p.Objects, bucket.Object{Key: fmt.Sprintf("%08d", i), ETag: "e", Size: 1 << 20})
	}
	if from+1000 < b.n {
		p.Next = strconv.Itoa(from + 1000)
	}
	return p, nil
}

// A directory of any length is read with bounded memory, and a seek finds its
// entry again, also one that has been let go of.
func TestLongDirectory(t *testing.T) {
	const n = 300_000
	b := &fakeList{n: n}
	f := &FS{opt: Options{}.withDefaults(), b: b, tree: newTree(), meta: cache.NewMetadata(time.Minute)}
	f.log = f.opt.Logger
	f.root = f.tree.addRoot(f, "")
	handle, _, _ := f.root.OpendirHandle(t.Context(), 0)
	h := handle.(*dirHandle)
	next := func() string {
		e, errno := h.Readdirent(t.Context())
		if errno != 0 {
			t.Fatal(errno)
		}
		if e == nil {
			return ""
		}
		return e.Name
	}
	most := 0
	for i := -2; i < n; i++ { // with "." and ".."
		if got := next(); i >= 0 && got != fmt.Sprintf("%08d", i) {
			t.Fatalf("entry %d is %q", i, got)
		}
		most = max(most, len(h.mu.items))
	}
	if got := next(); got != "" {
		t.Fatalf("after the end: %q", got)
	}
	if most > 2*maxShown+1000 {
		t.Errorf("%d entries were kept", most)
	}
	for _, at := range []int{n - 1, 5} {
		if errno := h.Seekdir(t.Context(), uint64(at+2)); errno != 0 {
			t.Fatal(errno)
		}
		if got, want := next(), fmt.Sprintf("%08d", at); got != want {
			t.Errorf("after a seek: %q, want %q", got, want)
		}
	}
	if errno := h.Seekdir(t.Context(), 99*n); errno != 0 || next() != "" {
		t.Error("an offset past the end is the end")
	}
	if _, ok := f.meta.List(""); ok {
		t.Error("a listing of 300,000 entries was kept")
	}
}

// A file that is being written when a listing begins is in it, also where it is
// stored after the listing's entries were looked at.
func TestStoredDuringListing(t *testing.T) {
	f := &FS{opt: Options{}.withDefaults(), tree: newTree(), meta: cache.NewMetadata(time.Minute)}
	f.log = f.opt.Logger
	f.root = f.tree.addRoot(f, "")
	fusefs.NewNodeFS(f.root, nil) // inodes need it; nothing is mounted
	var err error
	if f.stage, err = cache.OpenStage(t.TempDir(), f.log); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := f.stage.Close(); err != nil {
			t.Error(err)
		}
	})
	file := func(key string) *node {
		n, err := f.newFile(t.Context(), key, 0, 0o644)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	seal := func(n *node) {
		if err := n.draft().Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	store := func(n *node) {
		seal(n)
		o := bucket.Object{Key: n.key(), ETag: "e"}
		n.setEdited(o)
		f.changed(cache.Entry{Key: o.Key, Object: o})
		n.draft().Unseal(true)
	}
	file("waiting")
	halfway := file("halfway")
	stored, listed, removed := file("stored"), file("listed"), file("removed")
	f.meta.Walk("").Done() // a listing that has none of them
	l := f.newLister("")
	seal(halfway)
	halfway.setEdited(bucket.Object{Key: "halfway", ETag: "e"}) // and not yet made known
	for _, n := range []*node{stored, listed, removed} {
		store(n)
	}
	f.meta.Removed("removed")
	f.tree.remove(removed)
	l.note([]item{{name: "listed", entry: cache.Entry{Key: "listed"}}})
	var names []string
	for _, it := range l.pending() {
		names = append(names, it.name)
	}
	slices.Sort(names)
	if want := []string{"halfway", "stored", "waiting"}; !slices.Equal(names, want) {
		t.Errorf("%q besides what was listed, want %q", names, want)
	}
}
