package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
	"github.com/pailfs/pailfs/cmd/pailfs/internal/lifetime"
	"github.com/pailfs/pailfs/cmd/pailfs/internal/options"
)

// clockSkew is how far the store's clock and ours may differ: beyond that, S3
// refuses requests.
const clockSkew = 15 * time.Minute

// Cleanup removes multipart uploads that nobody will complete.
type Cleanup struct {
	Mount     *options.Mount // the source, and how to speak to it
	OlderThan time.Duration
	All       bool // those of others, too
	DryRun    bool
	Out       io.Writer

	b       *bucket.Bucket
	begun   time.Time
	removed int
	young   int
	failed  int
}

// Run does it and says what it has done. What could not be removed is an error.
func (c *Cleanup) Run(ctx context.Context) (err error) {
	log := slog.New(slog.DiscardHandler)
	if c.b, err = connect(ctx, c.Mount, nil, log); err != nil {
		return err
	}
	base, err := stageBase(c.Mount)
	if err != nil {
		return err
	}
	// The store first: what a mount that lives has begun by now has a record.
	c.begun = time.Now()
	open, err := c.b.Uploads(ctx, c.Mount.Source.Prefix)
	if err != nil {
		return fmt.Errorf("list uploads: %w", err)
	}
	dead, live, release, err := records(base, c.Mount.Store(), c.Mount.Source.Prefix)
	if err != nil {
		return err
	}
	defer release()
	c.remove(ctx, open, dead, live)
	c.sum()
	if c.failed > 0 {
		return fmt.Errorf("%d uploads could not be removed", c.failed)
	}
	return ctx.Err()
}

// remove goes through what the store has, and then through the records of what
// it has not.
func (c *Cleanup) remove(ctx context.Context, open []bucket.Upload, dead, live []cache.Upload) {
	for _, u := range open {
		record := recordOf(u, dead)
		if ctx.Err() != nil || recordOf(u, live) != nil || record == nil && !c.All {
			continue
		}
		if c.old(u.Begun) && c.abort(ctx, u) && record != nil {
			c.forget(*record)
		}
	}
	for _, r := range dead {
		if r.ID != "" {
			if c.begun.Sub(r.Asked) >= c.OlderThan && ctx.Err() == nil && !has(open, r.ID) {
				c.gone(ctx, r)
			}
		} else if c.begun.Sub(r.Asked) > max(c.OlderThan, 2*clockSkew) && !c.DryRun {
			c.forget(r) // what it was about is removed, or was never begun
		}
	}
}

// recordOf finds an upload's record: by its id or, where the process died before
// it knew that, by key and time.
func recordOf(u bucket.Upload, among []cache.Upload) *cache.Upload {
	for i, r := range among {
		if r.ID == u.ID || r.ID == "" && r.Key == u.Key && u.Begun.Sub(r.Asked).Abs() <= clockSkew {
			return &among[i]
		}
	}
	return nil
}

func has(open []bucket.Upload, id string) bool {
	for _, u := range open {
		if u.ID == id {
			return true
		}
	}
	return false
}

// old counts what is not.
func (c *Cleanup) old(begun time.Time) bool {
	if c.begun.Sub(begun) >= c.OlderThan || c.OlderThan == 0 {
		return true
	}
	c.young++
	return false
}

// abort reports whether the upload is gone.
func (c *Cleanup) abort(ctx context.Context, u bucket.Upload) bool {
	did := "would remove"
	if !c.DryRun {
		did = "removed"
		if err := c.b.AbortUpload(ctx, u.Key, u.ID); err != nil && !errors.Is(err, bucket.ErrNotExist) {
			c.failed++
			fmt.Fprintf(c.Out, "failed: %q: %s\n", u.Key, flat(err))
			return false
		}
	}
	c.removed++
	fmt.Fprintf(c.Out, "%s %q, begun %s (%s ago), upload %s\n", did, u.Key,
		u.Begun.Local().Format(time.RFC3339), lifetime.Human(max(0, c.begun.Sub(u.Begun))), u.ID)
	return !c.DryRun
}

// gone makes sure of a recorded upload that the store did not list, perhaps as
// it was only just begun, and forgets it.
func (c *Cleanup) gone(ctx context.Context, r cache.Upload) {
	if c.DryRun {
		return
	}
	if err := c.b.AbortUpload(ctx, r.Key, r.ID); err != nil && !errors.Is(err, bucket.ErrNotExist) {
		c.failed++
		fmt.Fprintf(c.Out, "failed: %q: %s\n", r.Key, flat(err))
		return
	}
	c.forget(r)
}

func (c *Cleanup) forget(r cache.Upload) {
	if err := r.Forget(); err != nil {
		c.failed++
		fmt.Fprintf(c.Out, "failed: %s\n", flat(err))
	}
}

func (c *Cleanup) sum() {
	did := map[bool]string{false: "removed", true: "to be removed"}[c.DryRun]
	fmt.Fprintf(c.Out, "%d uploads %s", c.removed, did)
	if c.young > 0 {
		fmt.Fprintf(c.Out, ", %d younger than %s left", c.young, c.OlderThan)
	}
	fmt.Fprintln(c.Out)
}

// records reads what the mounts of base have recorded of uploads to store below
// prefix. It holds the directories of dead ones until release, so that no mount
// takes them over meanwhile.
func records(base, store, prefix string) (dead, live []cache.Upload, release func(), err error) {
	var held []*os.File
	release = func() {
		for _, dir := range held {
			// What is empty goes; nobody else works in it.
			_ = os.Remove(filepath.Join(dir.Name(), uploadsName))
			_ = os.Remove(dir.Name())
			dir.Close()
		}
	}
	entries, err := os.ReadDir(base)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, nil, release, fmt.Errorf("stage directory: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(base, e.Name())
		uploads := filepath.Join(path, uploadsName)
		if _, err := os.Lstat(uploads); err != nil {
			continue // no stage, or one without uploads
		}
		dir, err := os.Open(path)
		if err != nil {
			continue // another user's, or gone meanwhile
		}
		// The lock before the records: a mount may die in between.
		alive := unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB) != nil
		if alive {
			dir.Close()
		} else {
			held = append(held, dir)
		}
		all, err := cache.ReadUploads(uploads)
		if err != nil {
			release()
			return nil, nil, func() {}, err
		}
		for _, u := range all {
			switch {
			case u.Store != store:
			case alive:
				live = append(live, u)
			case strings.HasPrefix(u.Key, prefix):
				dead = append(dead, u)
			}
		}
	}
	return dead, live, release, nil
}
