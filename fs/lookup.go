package fs

import (
	"context"
	"errors"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sync/errgroup"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

var _ fusefs.NodeLookuper = (*node)(nil)

// Lookup finds a name in a directory.
func (n *node) Lookup(ctx context.Context, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	ctx, cancel := patient(ctx)
	defer cancel()
	child, left, err := n.fs.lookup(ctx, n, name)
	if err != nil {
		return nil, n.fs.fail("lookup", n.key()+name, err)
	}
	child.fillEntry(out, left)
	return child.EmbeddedInode(), 0
}

// lookup returns the node for a name, and how long the name may be believed.
func (f *FS) lookup(ctx context.Context, parent *node, name string) (*node, time.Duration, error) {
	if len(name) > maxName {
		return nil, 0, syscall.ENAMETOOLONG
	}
	part, fileOnly, ok := partOf(name)
	if !ok {
		return nil, 0, bucket.ErrNotExist
	}
	for {
		dir := parent.key()
		if len(dir)+len(part) > maxKey {
			return nil, 0, bucket.ErrNotExist
		}
		n, left, err := f.lookupKey(ctx, parent, dir+part, fileOnly)
		if n != nil || err != nil {
			return n, left, err
		}
		if parent.gone() {
			return nil, 0, bucket.ErrNotExist
		}
		// The directory was renamed meanwhile: look at its new place.
	}
}

// lookupKey is lookup at one key; no node and no error tell that the directory
// is elsewhere by now.
func (f *FS) lookupKey(ctx context.Context, parent *node, key string, fileOnly bool) (*node, time.Duration, error) {
	if _, _, dir := f.meta.Get(key + "/"); fileOnly || dir != cache.Found {
		if n := f.tree.local(key); n != nil {
			return n, f.meta.TTL(), nil
		}
	}
	e, left, err := f.resolve(ctx, key, fileOnly)
	if err == nil {
		e, err = f.describe(ctx, e)
	}
	if err != nil {
		return nil, 0, err
	}
	return f.tree.adopt(ctx, parent, e, true), left, nil
}

// isLocal reports whether there is local content, stored or not.
func (n *node) isLocal() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.draft != nil
}

// resolve says what stands at key: the directory key/ before the object key.
func (f *FS) resolve(ctx context.Context, key string, fileOnly bool) (cache.Entry, time.Duration, error) {
	if f.meta.TTL() == 0 {
		return f.uncached(ctx, key, fileOnly)
	}
	if e, left, s := f.cached(key, fileOnly); s != cache.Unknown {
		if s == cache.Absent {
			return cache.Entry{}, 0, bucket.ErrNotExist
		}
		return e, left, nil
	}
	if dir := cache.ParentKey(key); f.siblings.worthListing(dir, f.meta.TTL()) {
		// Where it fails, the name's own questions say why.
		_ = f.together(ctx, "\x00list "+dir, func(ctx context.Context) error { return f.listOnce(ctx, dir) })
		if e, left, s := f.cached(key, fileOnly); s == cache.Found {
			return e, left, nil
		}
	}
	if err := f.together(ctx, key, func(ctx context.Context) error { return f.ask(ctx, key) }); err != nil {
		return cache.Entry{}, 0, err
	}
	e, left, s := f.cached(key, fileOnly)
	if s == cache.Found {
		return e, left, nil
	}
	if s == cache.Unknown { // it was learnt, and has aged or been evicted since
		return f.uncached(ctx, key, fileOnly)
	}
	return cache.Entry{}, 0, bucket.ErrNotExist
}

// together lets callers who ask for the same thing share the requests, which run
// on nobody's context; each caller waits on its own.
func (f *FS) together(ctx context.Context, what string, ask func(context.Context) error) error {
	ch := f.flight.DoChan(what, func() (any, error) { return nil, ask(context.WithoutCancel(ctx)) })
	select {
	case <-ctx.Done():
		return ctx.Err()
	case r := <-ch:
		return r.Err
	}
}

// cached is resolve from what is known.
func (f *FS) cached(key string, fileOnly bool) (e cache.Entry, left time.Duration, s cache.State) {
	if fileOnly {
		return f.meta.Get(key)
	}
	d, dirLeft, dirState := f.meta.Get(key + "/")
	if dirState == cache.Found || !endsParts(key) {
		return d, dirLeft, dirState
	}
	file, fileLeft, fileState := f.meta.Get(key)
	switch {
	case fileState == cache.Found && dirState == cache.Absent:
		return file, fileLeft, cache.Found
	case fileState == cache.Absent && dirState == cache.Absent:
		return cache.Entry{}, min(fileLeft, dirLeft), cache.Absent
	}
	return cache.Entry{}, 0, cache.Unknown
}

// endsParts: the empty part has a directory form only ("a//"), as "a/" is
// the marker of a.
func endsParts(key string) bool { return lastPart(key) != "" && key[len(key)-1] != '/' }

// ask puts both questions to the bucket, side by side: is there an object, is
// there anything below it as a directory.
func (f *FS) ask(ctx context.Context, key string) error {
	mark := f.meta.Mark()
	var denied error
	isDir := false
	var g errgroup.Group
	if endsParts(key) {
		g.Go(func() error {
			_, err := f.head(ctx, key, mark)
			switch {
			case errors.Is(err, bucket.ErrNotExist):
				return nil
			case errors.Is(err, bucket.ErrPermission):
				denied = err
				return nil
			}
			return err
		})
	}
	g.Go(func() error {
		_, err := f.headDir(ctx, key+"/", mark)
		if errors.Is(err, bucket.ErrNotExist) {
			return nil
		}
		isDir = err == nil
		return err
	})
	if err := g.Wait(); err != nil {
		return err
	}
	if isDir {
		return nil // whatever may be said of an object: the directory goes before it
	}
	return denied
}

// uncached is resolve where nothing is believed beyond its moment.
func (f *FS) uncached(ctx context.Context, key string, fileOnly bool) (cache.Entry, time.Duration, error) {
	mark := f.meta.Mark()
	if !fileOnly {
		e, err := f.headDir(ctx, key+"/", mark)
		if err == nil || !errors.Is(err, bucket.ErrNotExist) || !endsParts(key) {
			return e, 0, err
		}
	}
	e, err := f.head(ctx, key, mark)
	return e, 0, err
}

// head asks for one object and remembers the answer.
func (f *FS) head(ctx context.Context, key string, mark cache.Mark) (cache.Entry, error) {
	asked := time.Now()
	o, err := f.b.Head(ctx, key)
	if errors.Is(err, bucket.ErrNotExist) {
		f.meta.PutAbsent(key, mark)
	}
	if err != nil {
		return cache.Entry{}, err
	}
	e := cache.Entry{Key: key, Object: o, Asked: asked}
	if !f.meta.Put(e, mark) {
		// We have changed the key since we asked.
		switch own, _, s := f.meta.Get(key); s {
		case cache.Found:
			return own, nil
		case cache.Absent:
			return cache.Entry{}, bucket.ErrNotExist
		}
	}
	return e, nil
}

// headDir asks whether anything stands at or below a directory key. The answer
// shows the marker's existence, not its attributes.
func (f *FS) headDir(ctx context.Context, key string, mark cache.Mark) (cache.Entry, error) {
	found, marker, err := f.peek(ctx, key, mark)
	if err != nil {
		return cache.Entry{}, err
	}
	if !found {
		f.meta.PutAbsent(key, mark)
		return cache.Entry{}, bucket.ErrNotExist
	}
	e := cache.Entry{Key: key, Object: marker}
	f.meta.Put(e, mark)
	return e, nil
}

// peek lists the first key at or below a directory key. An empty page that is
// still truncated is followed. A directory without marker comes back as a
// described object: there is nothing more to ask.
func (f *FS) peek(ctx context.Context, key string, mark cache.Mark) (found bool, marker bucket.Object, err error) {
	err = bucket.ListAll(ctx, f.b, bucket.ListInput{Prefix: key, MaxKeys: 1}, func(p bucket.Page) error {
		if len(p.Objects) == 0 {
			return nil
		}
		found = true
		first := p.Objects[0].Key
		if first == key {
			marker = p.Objects[0]
			return errStop
		}
		marker = noMarker(key)
		// The first key of all is also the first below each directory on its way,
		// whose marker would come before it: a walk down there asks less.
		for i, c := range first {
			if c == '/' && i >= len(key) {
				f.meta.Put(cache.Entry{Key: first[:i+1], Object: noMarker(first[:i+1])}, mark)
			}
		}
		return errStop
	})
	if errors.Is(err, errStop) {
		err = nil
	}
	return found, marker, err
}

var errStop = errors.New("stop")

// noMarker stands for the marker of a directory that has none.
func noMarker(key string) bucket.Object { return bucket.Object{Key: key, Full: true} }
