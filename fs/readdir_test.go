package fs

import (
	"slices"
	"strings"
	"testing"

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
