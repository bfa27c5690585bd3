package fs

import (
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
)

// maxNamed bounds the files that an error names.
const maxNamed = 20

// Drain stores all dirty files. What could not be stored is kept, or stays in the
// journal for the next mount, and is named in the error.
func (f *FS) Drain(ctx context.Context) error {
	err := f.eachDirty(ctx, func(n *node) error { return n.drain(ctx) })
	if f.wb.active {
		// What was refused behind a program's back has failed no close.
		err = errors.Join(err, f.keptSince(f.since))
	}
	return err
}

// Flush stores what closes have promised, and what is dirty without a writer.
// The error names what is not on S3: also what is kept since earlier.
func (f *FS) Flush(ctx context.Context) error {
	err := f.eachDirty(ctx, func(n *node) error {
		n.mu.Lock()
		open := n.mu.writers > 0 && !n.promisedLocked()
		n.mu.Unlock()
		if open {
			return nil // nobody was told that it is stored
		}
		err := n.commitWithin(ctx, false)
		if err != nil && final(err) {
			n.keep(err)
		}
		n.dropIdle()
		return err
	})
	return errors.Join(err, f.keptSince(time.Time{}))
}

// keptSince is an error that names what was kept since.
func (f *FS) keptSince(since time.Time) error {
	var errs []error
	for _, k := range f.Kept() {
		if !k.Since.Before(since) {
			errs = append(errs, fmt.Errorf("%s: kept for pailfs recover: %s", k.Path, k.Reason))
		}
	}
	return some(errs)
}

// eachDirty works on all dirty files, so many at once.
func (f *FS) eachDirty(ctx context.Context, store func(*node) error) error {
	nodes := f.tree.dirty()
	errs := make([]error, len(nodes))
	var g errgroup.Group
	g.SetLimit(drainParallel)
	for i, n := range nodes {
		g.Go(func() error {
			err := ctx.Err()
			if err == nil {
				err = store(n)
			}
			if err != nil {
				errs[i] = fmt.Errorf("%s: %w", f.pathOf(n.key()), err)
			}
			return nil
		})
	}
	_ = g.Wait() // its functions return nil: all are tried
	return some(errs)
}

// some joins errors, and counts those beyond the first.
func some(errs []error) error {
	var named []error
	more := 0
	for _, err := range errs {
		switch {
		case err == nil:
		case len(named) == maxNamed:
			more++
		default:
			named = append(named, err)
		}
	}
	if more > 0 {
		named = append(named, fmt.Errorf("and %d more", more))
	}
	return errors.Join(named...)
}

var errOpen = errors.New("still open for writing")

// drain stores what a node has, unless a program is still writing it: half a
// file must not replace a whole one. A close under way is waited for.
func (n *node) drain(ctx context.Context) error {
	n.mu.Lock()
	open := n.mu.writers > 0
	n.mu.Unlock()
	if open && !n.promised() {
		n.commits <- struct{}{}
		<-n.commits
	}
	if n.promised() {
		if err := n.commitWithin(ctx, true); err != nil {
			return err
		}
	}
	if !open {
		return n.commit(ctx)
	}
	if n.isDirty() {
		return errOpen
	}
	return nil
}
