package fs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"syscall"
	"time"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

// commit stores the node's local content, if it is dirty, on the condition
// that the bucket still has the version that it began from. It runs to its end
// whatever becomes of the caller: an upload is not undone by a signal.
func (n *node) commit(ctx context.Context) error {
	return n.commitWithin(context.WithoutCancel(ctx), false)
}

// commitWithin is commit that ends with ctx, its outcome unknown: for content
// that is in the journal. With promised nothing else is stored.
func (n *node) commitWithin(ctx context.Context, promised bool) error {
	if n.kind != kindFile || !n.isDirty() {
		return nil
	}
	key, release, err := n.lockKey(ctx)
	if err != nil {
		return err
	}
	defer release()
	return n.commitIf(ctx, key, promised)
}

// turn waits until n stands still at a key and no commit of it runs. Both stay so
// until done.
func (n *node) turn(ctx context.Context) (key string, done func(), err error) {
	key, release, err := n.lockKey(ctx)
	if err != nil {
		return "", nil, err
	}
	n.commits <- struct{}{}
	return key, func() { <-n.commits; release() }, nil
}

// commitAt is commit for callers who have the guard of key.
func (n *node) commitAt(ctx context.Context, key string) error {
	return n.commitIf(ctx, key, false)
}

// commitIf stores the draft; with promised, only as the journal has it.
func (n *node) commitIf(ctx context.Context, key string, promised bool) error {
	select {
	case n.commits <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-n.commits }()
	d := n.draft()
	if d == nil || n.gone() {
		return nil
	}
	if err := d.Seal(ctx); err != nil { // writers wait from here on
		if n.draft() != d {
			return nil // dropped meanwhile: there was nothing to store
		}
		return err
	}
	stored := false
	defer func() { d.Unseal(stored) }()
	if !d.Dirty() {
		stored = true
		return nil
	}
	if promised && !n.promised() {
		return nil
	}
	o, err := n.store(ctx, key, d)
	if isConflict(err) && n.rebase(ctx, key) {
		o, err = n.store(ctx, key, d)
	}
	at := key
	if isConflict(err) {
		key, o, err = n.storeConflicting(ctx, key, d, err)
	}
	if err == nil {
		n.stored(at, d)
	}
	n.committed(key, o, err)
	stored = err == nil
	return err
}

// store uploads the sealed draft.
func (n *node) store(ctx context.Context, key string, d *cache.Draft) (bucket.Object, error) {
	if err := d.Spoiled(); err != nil {
		return bucket.Object{}, fmt.Errorf("a write has failed, and a part of what was meant is not stored: %w", err)
	}
	in, attrs, err := n.describeInput(ctx, key)
	if err != nil {
		return bucket.Object{}, err
	}
	if o, done, err := n.storeSent(ctx, d, in, attrs); done {
		return o, err
	}
	in.Body, in.Size = d.Body(), d.Size()
	if !n.fs.wholeOnly.Load() {
		in.Parts = n.fs.b.PlanParts(in.Size, spans(d.Unwritten()))
	}
	o, err := n.put(ctx, d, in)
	if in.Parts != nil && errors.Is(err, bucket.ErrNotSupported) {
		if !n.fs.wholeOnly.Swap(true) {
			n.fs.log.Warn("the store does not copy parts of objects: each edit of a large object fetches and sends all of it", "err", err)
		}
		in.Parts = nil
		o, err = n.put(ctx, d, in)
	}
	return o, err
}

// putInput is the sealed draft as an object: the next version of base.
func (n *node) putInput(key string, d *cache.Draft, base bucket.Object) bucket.PutInput {
	in, _ := n.inputOver(key, base)
	in.Body, in.Size = d.Body(), d.Size()
	return in
}

// put sends what of the sealed draft the store has not, and fetches what has to
// be sent along with it: of an edit by parts while the store copies the others.
func (n *node) put(ctx context.Context, d *cache.Draft, in bucket.PutInput) (bucket.Object, error) {
	base := baseOf{n.fs.b, in.Key, in.From.ETag}
	in.Fill = func(ctx context.Context, off, length int64) error {
		if err := d.FillRanges(ctx, base, []cache.Range{{Off: off, End: off + length}}); err != nil {
			return fmt.Errorf("fetching what was not written anew: %w", err)
		}
		return nil
	}
	if in.Parts == nil {
		if err := in.Fill(ctx, 0, in.Size); err != nil {
			return bucket.Object{}, err
		}
	}
	in.CommitID = n.commitID()
	return n.fs.b.Put(ctx, in)
}

func spans(list []cache.Range) []bucket.Span {
	out := make([]bucket.Span, len(list))
	for i, r := range list {
		out[i] = bucket.Span{Off: r.Off, End: r.End}
	}
	return out
}

// committed takes over the outcome: our own version continues the lineage.
func (n *node) committed(key string, o bucket.Object, err error) {
	if err != nil {
		n.mu.Lock()
		n.mu.failed = err
		n.mu.Unlock()
		if isConflict(err) {
			n.outdated(key)
		}
		return
	}
	n.setEdited(o)
	n.fs.changed(cache.Entry{Key: key, Object: o})
}

// changed records an object of our own making.
func (f *FS) changed(e cache.Entry) {
	f.meta.Changed(e)
	if !e.IsDir() {
		f.meta.SetAttrs(cache.ParentKey(e.Key), cache.AttrsSome)
	}
}

// keep gives up on storing the local content: it becomes a kept draft, for
// `pailfs recover`, and the name shows again what the bucket has. Where a
// writer has come since, its close decides.
func (n *node) keep(cause error) {
	d := n.fs.tree.retire(n)
	if d == nil {
		return
	}
	key := n.key()
	n.mu.Lock()
	base, attrs := n.mu.obj, n.mu.attrs
	n.mu.Unlock()
	intent := n.promiseOf(d)
	k, err := d.Keep(cache.Kept{
		Intent: intent,
		Key:    key, Path: n.fs.pathOf(key), Since: time.Now(), Reason: reason(cause),
		BaseETag: base.ETag, Metadata: maps.Clone(attrs.Encode(base.Metadata)), Headers: base.Headers,
	})
	if err != nil {
		n.fs.log.Error("not stored, and could not be kept either", "key", key, "err", err, "cause", cause)
		n.restore(d)
		return
	}
	if intent != "" {
		if err := n.redeem(key, d, true); err != nil {
			n.fs.log.Warn("the journal still has what is kept", "key", key, "err", err)
		}
	}
	n.fs.log.Error("not stored: kept for pailfs recover", "key", key, "id", k.ID, "bytes", k.Size, "cause", cause)
	n.fs.notify.entry(n)
}

// restore takes back a draft that could not be kept: it stays dirty, pending in
// status, and is tried again by a drain.
func (n *node) restore(d *cache.Draft) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.draft == nil {
		n.mu.draft = d
	}
}

func reason(cause error) string {
	if isConflict(cause) {
		return "conflict: the object was changed by somebody else meanwhile"
	}
	return cause.Error()
}

// usable refuses a node whose local content was given up.
func (n *node) usable() error {
	n.fs.tree.mu.RLock()
	defer n.fs.tree.mu.RUnlock()
	if n.loc.retired {
		return syscall.ESTALE
	}
	return nil
}
