package fs

import (
	"context"
	"crypto/rand"
	"errors"
	"slices"
	"time"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

// With --writeback a close puts the local content into the stage's journal, and
// the node keeps its dirty draft: so reads, listings, renames and removals see
// what they see of any file that is not stored yet. An upload follows.

// promise is what the journal has of a node's local content.
type promise struct {
	id      string    // commit id of its upload
	changes uint64    // of the draft, when it was written down
	since   time.Time // of the first close that it stands for
}

// maxTried bounds the uploads of unknown outcome that a node remembers.
const maxTried = 100

// publish is what a close does: it stores the local content, or with --writeback
// puts it into the journal. Where the journal is full, or its disk fails, the
// close waits for the store.
func (n *node) publish(ctx context.Context) error {
	if !n.fs.wb.on {
		return n.commit(ctx)
	}
	err := n.intend(context.WithoutCancel(ctx))
	if err == nil {
		return nil
	}
	n.fs.wb.refused(err)
	return n.commit(ctx)
}

// intend puts the local content into the journal, if it is not there yet.
func (n *node) intend(ctx context.Context) error {
	if n.kind != kindFile || !n.isDirty() || n.promised() {
		return nil
	}
	key, done, err := n.turn(ctx)
	if err != nil {
		return err
	}
	defer done()
	d := n.draft()
	if d == nil || n.gone() {
		return nil
	}
	if err := d.Seal(ctx); err != nil {
		if n.draft() != d {
			return nil
		}
		return err
	}
	defer d.Unseal(false)
	if !d.Dirty() {
		return nil
	}
	return n.writeDown(key, d)
}

// writeDown puts the sealed draft into the journal. The caller has the commits.
func (n *node) writeDown(key string, d *cache.Draft) error {
	if err := d.Spoiled(); err != nil {
		return err // the commit says so
	}
	n.mu.Lock()
	in := cache.Intent{
		ID: rand.Text(), Key: key, Since: time.Now(), Base: n.mu.obj, Attrs: n.mu.attrs,
		Earlier: slices.Clone(n.mu.tried), Draft: d.State(),
	}
	if n.mu.promise != nil {
		in.Since = n.mu.promise.since
	}
	n.mu.Unlock()
	pinned := d.Pinned()
	var content []byte
	var err error
	if in.Inline = in.Draft.Size <= cache.InlineLimit; in.Inline {
		content, err = d.Bytes()
	} else {
		err = d.Pin()
	}
	if err == nil {
		err = n.fs.stage.Journal().Store(in, content)
	}
	if err != nil {
		if !pinned {
			d.Unpin()
		}
		return err
	}
	n.mu.Lock()
	n.mu.promise = &promise{id: in.ID, changes: d.Changes(), since: in.Since}
	n.mu.Unlock()
	n.fs.wb.queue(n)
	return nil
}

// promised reports whether the journal has the local content as it is.
func (n *node) promised() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.promisedLocked()
}

func (n *node) promisedLocked() bool {
	return n.dirtyLocked() && n.mu.promise != nil && n.mu.promise.changes == n.mu.draft.Changes()
}

// inJournal reports whether the journal has anything of the node, be it former
// content.
func (n *node) inJournal() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.promise != nil
}

// commitID is the id under which the sealed draft is uploaded; "" leaves it to
// package bucket. It is remembered until the outcome is known.
func (n *node) commitID() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.fs.wb.on && n.mu.promise == nil {
		return ""
	}
	id := rand.Text()
	if n.promisedLocked() {
		id = n.mu.promise.id
	}
	if !slices.Contains(n.mu.tried, id) {
		n.mu.tried = append(n.mu.tried, id)
	}
	n.mu.tried = n.mu.tried[max(0, len(n.mu.tried)-maxTried):]
	return id
}

// rebase looks whether the version that a commit has met is an earlier upload of
// the same file, whose answer was lost: then that is what the draft is over. What
// the draft does not have is the same in both.
func (n *node) rebase(ctx context.Context, key string) bool {
	if !n.maybeStored() {
		return false
	}
	o, err := n.fs.b.Head(ctx, key)
	if err != nil {
		return false
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	if o.ETag == n.mu.obj.ETag || !slices.Contains(n.mu.tried, o.Metadata[bucket.CommitKey]) {
		return false
	}
	n.mu.obj = o
	return true
}

// maybeStored reports whether an upload of the node may have happened that
// nobody was told of.
func (n *node) maybeStored() bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.mu.tried) > 0
}

// redeem ends what the journal has of a node: it is stored, kept, or removed.
// durable waits for the disk, as where the object is removed.
func (n *node) redeem(key string, d *cache.Draft, durable bool) error {
	n.mu.Lock()
	p := n.mu.promise
	n.mu.promise, n.mu.tried = nil, nil
	n.mu.Unlock()
	if p == nil {
		return nil
	}
	if d != nil {
		durable = durable || d.Pinned() // its file may go now
		defer d.Unpin()
	}
	return n.fs.stage.Journal().End(key, durable)
}

// stored is redeem after an upload. That the journal cannot be written is no
// failure of that: who replays it finds the upload by its commit id.
func (n *node) stored(key string, d *cache.Draft) {
	if err := n.redeem(key, d, false); err != nil {
		n.fs.log.Warn("the journal still has what is stored", "key", key, "err", err)
	}
}

// promiseOf is the id of the promise for d as it is, or "": former content that
// was promised is still to be stored when d is kept.
func (n *node) promiseOf(d *cache.Draft) string {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.promise == nil || n.mu.promise.changes != d.Changes() {
		return ""
	}
	return n.mu.promise.id
}

// change changes the local content. Where that waits for its upload as it is, it
// is stored first.
func (n *node) change(ctx context.Context, how func(*cache.Draft) error) error {
	for {
		d, err := n.ensureDraft()
		if err != nil {
			return err
		}
		if err = how(d); !errors.Is(err, cache.ErrPinned) {
			return err
		}
		if err := n.commit(ctx); err != nil {
			return err
		}
		if n.gone() {
			d.Unpin() // it waits for nothing any more
		}
	}
}

// restore makes the nodes of what a dead mount has promised. It is called before
// the first request.
func (w *writeback) restore(all []cache.Pending) {
	f := w.fs
	for _, p := range all {
		n := newNode(f, kindFile)
		n.mu.obj, n.mu.attrs, n.mu.known = p.Intent.Base, p.Intent.Attrs, true
		n.mu.ctime, n.mu.draft, n.mu.tried = p.Intent.Since, p.Draft, p.Intent.Earlier
		n.mu.promise = &promise{id: p.Intent.ID, changes: p.Draft.Changes(), since: p.Intent.Since}
		f.tree.insert(context.Background(), n, p.Intent.Key)
		f.tree.forget(n) // the kernel does not know it yet
		w.queue(n)
	}
	if len(all) > 0 {
		w.active = true
		f.log.Info("files that an earlier mount has promised to store are stored now", "files", len(all))
	}
}
