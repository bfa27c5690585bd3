package fs

import (
	"context"
	"errors"

	"golang.org/x/sync/errgroup"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

// Values of Options.Metadata.
const (
	MetadataAuto = "auto" // ask entries for attributes where samples show some
	MetadataFull = "full" // always ask
	MetadataList = "list" // never ask: what a listing shows has to do
)

// describe adds the attributes to an entry that is known by a listing, if the
// directory's entries have any. It is the one place that decides on a HEAD.
func (f *FS) describe(ctx context.Context, e cache.Entry) (cache.Entry, error) {
	if e.Object.Full {
		return e, nil
	}
	some, err := f.hasAttrs(ctx, cache.ParentKey(e.Key))
	if err != nil || !some {
		return e, err
	}
	// What a sample or another caller learnt meanwhile counts.
	if known, _, s := f.meta.Get(e.Key); s == cache.Found && known.Object.Full {
		return known, nil
	}
	mark := f.meta.Mark()
	full, err := f.head(ctx, e.Key, mark)
	if errors.Is(err, bucket.ErrPermission) {
		// A policy denies this object: what the listing shows has to do. It must
		// not make the whole of an ls fail.
		return e, nil
	}
	if e.IsDir() && errors.Is(err, bucket.ErrNotExist) {
		full, err = cache.Entry{Key: e.Key, Object: noMarker(e.Key)}, nil
		f.meta.Put(full, mark)
	}
	return full, err
}

// smallRoot is the number of entries up to which the bucket's root, which has
// no marker that could say so, is always taken to have attributes.
const smallRoot = 1000

// hasAttrs reports whether the entries of a directory have to be asked for
// their attributes.
func (f *FS) hasAttrs(ctx context.Context, dir string) (bool, error) {
	switch f.opt.Metadata {
	case MetadataFull:
		return true, nil
	case MetadataList:
		return false, nil
	}
	state := f.meta.Attrs(dir)
	if state == cache.AttrsUnknown {
		// One caller samples, the others wait for it.
		_, err, _ := f.flight.Do("\x00attributes "+dir, func() (any, error) {
			return nil, f.sampleDir(context.WithoutCancel(ctx), dir)
		})
		if err != nil {
			return false, err
		}
		state = f.meta.Attrs(dir)
	}
	return state != cache.AttrsNone, nil
}

// sampleDir settles what a directory's entries have. Without a listing there is
// none to be spared: a HEAD answers for itself.
func (f *FS) sampleDir(ctx context.Context, dir string) error {
	entries, complete := f.meta.LastList(dir)
	if entries == nil && !complete {
		return nil
	}
	if dir == "" && complete && len(entries) <= smallRoot {
		f.meta.SetAttrs(dir, cache.AttrsSome)
		return nil
	}
	state, err := f.sample(ctx, dir, entries)
	if err == nil {
		f.meta.SetAttrs(dir, state)
	}
	return err
}

// sample looks at up to three entries and the directory's own marker, which
// says so where this program has written attributes.
func (f *FS) sample(ctx context.Context, dir string, entries []cache.Entry) (cache.Attrs, error) {
	keys := sampleKeys(entries)
	if e, _, s := f.meta.Get(dir); s != cache.Absent && dir != "" && !(s == cache.Found && isNoMarker(e)) {
		keys = append(keys, dir)
	}
	found := make([]bool, len(keys))
	var g errgroup.Group
	for i, key := range keys {
		g.Go(func() error {
			e, err := f.head(ctx, key, f.meta.Mark())
			if errors.Is(err, bucket.ErrNotExist) || errors.Is(err, bucket.ErrPermission) {
				return nil // tells nothing
			}
			a := bucket.DecodeAttributes(e.Object.Metadata)
			found[i] = (key == dir && a.AttrsMarker) || (key != dir && anyAttr(a))
			return err
		})
	}
	err := g.Wait()
	for _, yes := range found {
		if yes {
			return cache.AttrsSome, nil
		}
	}
	return cache.AttrsNone, err
}

func isNoMarker(e cache.Entry) bool { return e.Object.Full && e.Object.ETag == "" }

// anyAttr reports whether there is an attribute that a listing would not show.
func anyAttr(a bucket.Attributes) bool {
	return a.Mode != nil || a.UID != nil || a.GID != nil || a.Mtime != nil || isLink(a)
}

// sampleKeys picks the newest object, the first that could be a symbolic
// link, and the last.
func sampleKeys(entries []cache.Entry) []string {
	var newest, small, last *cache.Entry
	for i := range entries {
		e := &entries[i]
		if e.IsDir() {
			continue
		}
		last = e
		if newest == nil || e.Object.LastModified.After(newest.Object.LastModified) {
			newest = e
		}
		if small == nil && maybeSpecial(*e) {
			small = e
		}
	}
	var keys []string
	seen := map[string]bool{}
	for _, e := range []*cache.Entry{newest, small, last} {
		if e != nil && !seen[e.Key] {
			seen[e.Key] = true
			keys = append(keys, e.Key)
		}
	}
	return keys
}

// maxLinkTarget is the longest target of a symbolic link in Linux, in bytes.
const maxLinkTarget = 4095

// maybeSpecial reports whether an entry known by a listing alone could turn out
// to be a symbolic link, which has its target as content, or a pipe or device,
// which has none.
func maybeSpecial(e cache.Entry) bool {
	return !e.IsDir() && !e.Object.Full && e.Object.Size <= maxLinkTarget
}
