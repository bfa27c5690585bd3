package fs

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

// fakeKeys is a bucket with these empty objects.
type fakeKeys struct {
	bucket.API
	keys []string
}

func (b fakeKeys) Head(_ context.Context, key string) (bucket.Object, error) {
	for _, k := range b.keys {
		if k == key {
			return bucket.Object{Key: k, ETag: "e", Full: true}, nil
		}
	}
	return bucket.Object{}, bucket.ErrNotExist
}

func (b fakeKeys) List(_ context.Context, in bucket.ListInput) (p bucket.Page, err error) {
	for _, k := range b.keys {
		if strings.HasPrefix(k, in.Prefix) {
			p.Objects = append(p.Objects, bucket.Object{Key: k, ETag: "e"})
		}
	}
	return p, nil
}

// The empty part of a directory's key is a directory or nothing. What has the
// key "d/" is the marker of d: it once came back as its own child, and a
// lookup of d/.pailfs~empty never ended.
func TestEmptyPartIsNotItsDirectory(t *testing.T) {
	for _, ttl := range []time.Duration{0, time.Minute} {
		for _, c := range []struct {
			keys []string
			ask  string // the directory's key and the empty part
			want string // key that is found, or ""
		}{
			{keys: []string{"d/", "d/x"}, ask: "d/"},
			{keys: []string{"d/", "d//x"}, ask: "d/", want: "d//"},
			{keys: []string{"x"}, ask: ""},
			{keys: []string{"x", "/x"}, ask: "", want: "/"},
		} {
			f := &FS{b: fakeKeys{keys: c.keys}, meta: cache.NewMetadata(ttl)}
			for _, k := range c.keys { // all is known that a listing tells
				f.meta.Put(cache.Entry{Key: k, Object: bucket.Object{Key: k, ETag: "e"}}, f.meta.Mark())
			}
			e, _, err := f.resolve(t.Context(), c.ask, false)
			if e.Key != c.want || (c.want == "") != errors.Is(err, bucket.ErrNotExist) {
				t.Errorf("ttl %v, keys %q: %q is %q, %v; want %q", ttl, c.keys, c.ask, e.Key, err, c.want)
			}
		}
	}
}

// unlisted is a bucket that lists no directory.
type unlisted struct {
	fakeKeys
	tries   *int
	bounded *bool
}

func (b unlisted) List(ctx context.Context, in bucket.ListInput) (bucket.Page, error) {
	if in.Delimiter == "" {
		return b.fakeKeys.List(ctx, in)
	}
	*b.tries++
	_, *b.bounded = ctx.Deadline()
	return bucket.Page{}, bucket.ErrServer
}

// Where a directory cannot be listed, its names are asked for one by one. None of
// them waits for a listing but one, and that one not for long.
func TestNamesWhereListingFails(t *testing.T) {
	b := unlisted{fakeKeys{keys: []string{"d/0", "d/5", "d/9"}}, new(int), new(bool)}
	f := &FS{b: b, meta: cache.NewMetadata(time.Minute), tree: newTree()}
	for i := range 10 {
		key := "d/" + strconv.Itoa(i)
		want := slices.Contains(b.keys, key)
		if e, _, err := f.resolve(t.Context(), key, false); (err == nil) != want || want && e.Key != key {
			t.Errorf("%s: %q, %v", key, e.Key, err)
		}
	}
	if *b.tries != 1 || !*b.bounded {
		t.Errorf("%d listings were tried, want 1; bounded: %v", *b.tries, *b.bounded)
	}
}

// The first key below a directory tells of the directories on its way, which then
// cost nothing on the way down; of others it tells nothing.
func TestFirstKeyShowsTheWay(t *testing.T) {
	b := &countedKeys{fakeKeys: fakeKeys{keys: []string{"a/b/c/x", "a/b/d/", "a/e/y"}}}
	f := &FS{b: b, meta: cache.NewMetadata(time.Minute)}
	if _, err := f.headDir(t.Context(), "a/", f.meta.Mark()); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]cache.State{
		"a/": cache.Found, "a/b/": cache.Found, "a/b/c/": cache.Found,
		"a/b/c/x": cache.Unknown, "a/b/d/": cache.Unknown, "a/e/": cache.Unknown,
	} {
		if e, _, s := f.meta.Get(key); s != want || e.Object.ETag != "" {
			t.Errorf("%s: %v with %q, want %v without a marker", key, s, e.Object.ETag, want)
		}
	}
	for _, key := range []string{"a/b", "a/b/c"} {
		if _, _, err := f.resolve(t.Context(), key, false); err != nil {
			t.Error(err)
		}
	}
	if b.lists != 1 {
		t.Errorf("%d LISTs, want the first alone", b.lists)
	}
}

// countedKeys counts listings.
type countedKeys struct {
	fakeKeys
	lists int
}

func (b *countedKeys) List(ctx context.Context, in bucket.ListInput) (bucket.Page, error) {
	b.lists++
	return b.fakeKeys.List(ctx, in)
}
