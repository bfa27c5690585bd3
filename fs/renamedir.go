package fs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

// copyParallel is how many copies of a directory's rename run at once.
const copyParallel = 32

// renameDir moves all keys below a directory. Until the last copy is made a
// failure removes the copies and leaves the source whole; after it, the source
// is deleted in batches, only in the versions that were copied.
func (f *FS) renameDir(ctx context.Context, src *node, from, dest string, flags uint32) (err error) {
	if strings.HasPrefix(dest, from) {
		return syscall.EINVAL
	}
	target, marked, err := f.clearTarget(ctx, dest, flags)
	if err != nil {
		return err
	}
	if err := f.commitBelow(ctx, from); err != nil {
		return err
	}
	objects, err := f.allBelow(ctx, from)
	if err != nil {
		return err
	}
	defer func() {
		if err != nil { // a copy may stand there that could not be removed, and a directory with it
			f.meta.ForgetTree(dest)
			f.meta.Forget(dest)
		}
	}()
	copies, err := f.copyAll(ctx, objects, from, dest)
	if err != nil {
		f.undo(ctx, copies)
		return err
	}
	if _, copied := copies[from]; len(objects) == 0 || marked && !copied {
		// Nothing was copied, or the target's marker would lend its attributes.
		if err := f.markAs(ctx, src, dest); err != nil {
			return err
		}
	}
	err = f.removeSources(ctx, objects, from)
	f.meta.ForgetTree(from)
	f.meta.ForgetTree(dest)
	if err != nil {
		return err
	}
	if target != nil {
		f.tree.remove(target)
	}
	f.adoptMoved(src, from, dest, objects, copies)
	return nil
}

// commitBelow stores the dirty files below a directory whose prefix the caller
// owns, and returns when the journal has nothing of them on any disk.
func (f *FS) commitBelow(ctx context.Context, dir string) error {
	var g errgroup.Group
	g.SetLimit(drainParallel)
	for _, c := range f.tree.under(dir) {
		if c.kind != kindFile {
			continue
		}
		g.Go(func() error {
			if err := c.commitAt(ctx, c.key()); err != nil {
				return fmt.Errorf("%s: %w", c.key(), err)
			}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return f.stage.Journal().Sync()
}

// clearTarget makes sure that the target may be replaced: not there, or an
// empty directory, whose node it returns, and whether it has a marker.
func (f *FS) clearTarget(ctx context.Context, dest string, flags uint32) (n *node, marked bool, err error) {
	key := strings.TrimSuffix(dest, "/")
	if n := f.tree.at(key); n != nil && n.isDirty() {
		return nil, false, syscall.ENOTDIR
	}
	e, _, err := f.resolve(ctx, key, false)
	switch {
	case errors.Is(err, bucket.ErrNotExist):
		return nil, false, nil
	case err != nil:
		return nil, false, err
	case flags&renameNoReplace != 0:
		return nil, false, syscall.EEXIST
	case !e.IsDir():
		return nil, false, syscall.ENOTDIR
	}
	marked, err = f.emptyDir(ctx, dest)
	return f.tree.at(dest), marked, err
}

func (f *FS) allBelow(ctx context.Context, prefix string) (out []bucket.Object, err error) {
	err = bucket.ListAll(ctx, f.b, bucket.ListInput{Prefix: prefix}, func(p bucket.Page) error {
		out = append(out, p.Objects...)
		return nil
	})
	return out, err
}

// copyAll copies each object; the result maps source keys to the copies made,
// also when it fails. A failure begins no more copies, but lets those under way
// end: one that is cut off may be made all the same, and would be left behind.
func (f *FS) copyAll(ctx context.Context, objects []bucket.Object, from, dest string) (map[string]bucket.Object, error) {
	var mu sync.Mutex
	copies := make(map[string]bucket.Object, len(objects))
	g, failed := errgroup.WithContext(ctx)
	g.SetLimit(copyParallel)
	for _, o := range objects {
		g.Go(func() error {
			if failed.Err() != nil {
				return failed.Err()
			}
			to := dest + o.Key[len(from):]
			if len(to) > maxKey {
				return syscall.ENAMETOOLONG
			}
			c, err := f.copyOne(ctx, o, to, bucket.Condition{Absent: to != dest}) // the target's own marker may be replaced
			if err != nil {
				return fmt.Errorf("copy %s: %w", o.Key, err)
			}
			mu.Lock()
			defer mu.Unlock()
			copies[o.Key] = c
			return nil
		})
	}
	return copies, g.Wait()
}

// copyOne copies one object of a directory. A marker is written anew: some
// stores refuse to copy an object whose key ends in a slash.
func (f *FS) copyOne(ctx context.Context, o bucket.Object, to string, cond bucket.Condition) (bucket.Object, error) {
	o = f.bestKnown(o)
	if !strings.HasSuffix(o.Key, "/") || o.Size > 0 {
		return f.b.Copy(ctx, bucket.CopyInput{From: o, To: to, If: cond})
	}
	if !o.Full {
		var err error
		if o, err = f.b.Head(ctx, o.Key); err != nil {
			return bucket.Object{}, err
		}
	}
	return f.b.Put(ctx, bucket.PutInput{
		Key: to, Body: strings.NewReader(""), If: cond, Headers: o.Headers, Metadata: o.Metadata,
	})
}

// bestKnown adds what a HEAD has said of the listed version.
func (f *FS) bestKnown(o bucket.Object) bucket.Object {
	if e, _, s := f.meta.Get(o.Key); s == cache.Found && e.Object.Full && e.Object.ETag == o.ETag {
		return e.Object
	}
	return o
}

// undo removes the copies of a rename that failed, unless somebody has changed
// them since.
func (f *FS) undo(ctx context.Context, copies map[string]bucket.Object) {
	items := make([]bucket.DeleteItem, 0, len(copies))
	for _, c := range copies {
		items = append(items, bucket.DeleteItem{Key: c.Key, ETag: c.ETag})
	}
	for key, err := range f.b.DeleteAll(context.WithoutCancel(ctx), items) {
		f.log.Error("the copy of a failed rename stays", "key", key, "err", err)
	}
}

// markAs gives the target of a renamed directory a marker with its attributes.
func (f *FS) markAs(ctx context.Context, src *node, dest string) error {
	src.mu.Lock()
	attrs := src.mu.attrs
	src.mu.Unlock()
	_, err := f.putMarker(ctx, dest, bucket.Condition{}, attrs, nil)
	return err
}

// removeSources deletes what was copied, and names what stays because somebody
// else changed or added it meanwhile.
func (f *FS) removeSources(ctx context.Context, objects []bucket.Object, from string) error {
	items := make([]bucket.DeleteItem, len(objects))
	for i, o := range objects {
		items[i] = bucket.DeleteItem{Key: o.Key, ETag: o.ETag}
	}
	var failed error
	for key, err := range f.b.DeleteAll(ctx, items) {
		if isConflict(err) {
			continue // changed by somebody else, or gone by an attempt without an answer: the listing tells
		}
		failed = errors.Join(failed, fmt.Errorf("copied, but the source %s stays: %w", key, err))
	}
	if failed != nil {
		return failed
	}
	rest, err := f.allBelow(ctx, from)
	if err != nil {
		return err
	}
	for _, o := range rest {
		f.log.Warn("changed or added by somebody else: stays at the old name of a renamed directory", "key", o.Key)
	}
	return nil
}

// adoptMoved gives the moved nodes their new keys and versions. A node that
// shows another version than the one that was copied does not get the copy's:
// its lineage ends here.
func (f *FS) adoptMoved(src *node, from, dest string, objects []bucket.Object, copies map[string]bucket.Object) {
	sources := make(map[string]string, len(objects))
	for _, o := range objects {
		sources[o.Key] = o.ETag
	}
	var outdated []*node
	for _, c := range f.tree.under(from) {
		old := c.version()
		o, copied := copies[c.key()]
		switch {
		case copied && old.ETag == sources[c.key()]:
			if !o.Full && old.Full { // what a copy keeps, though its answer does not say
				old.Key, old.ETag, old.LastModified, old.VersionID = o.Key, o.ETag, o.LastModified, o.VersionID
				o = old
			}
			c.setVersion(o)
		case c.kind != kindDir:
			outdated = append(outdated, c)
		}
	}
	f.tree.move(src, dest)
	for _, c := range outdated {
		f.tree.outdate(c)
	}
	f.meta.Removed(from)
	marker := copies[from]
	if marker.Key == "" {
		marker = bucket.Object{Key: dest} // unknown, as far as this goes
	}
	f.meta.Changed(cache.Entry{Key: dest, Object: marker})
}
