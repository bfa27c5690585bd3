package fs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
	"unicode/utf8"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

// What becomes of content whose object somebody else has changed or removed
// since its writer opened it (Options.OnConflict). In no case is a version of
// somebody else overwritten that nobody here has chosen to overwrite.
const (
	ConflictFail      = "fail"      // close is ESTALE, and the content a kept draft
	ConflictCopy      = "copy"      // stored beside it, as NAME.conflict-HOST-TIME
	ConflictOverwrite = "overwrite" // stored over it: the last writer wins
)

const (
	// overwriteTries bounds how often an overwrite looks at what is there now and
	// puts over just that: others may be faster each time.
	overwriteTries = 8
	// copyTries bounds the numbers that a copy's name tries: NAME.conflict-HOST-TIME-2 ...
	copyTries = 100
	// maxCopies is how many copies status remembers, the newest.
	maxCopies = 100
	// wholeBelow is the size in bytes below which the base of an edit is fetched
	// with its first write, where a conflict shall not end in a kept draft: the
	// commit would fetch it all anyway, but by then it may be gone.
	wholeBelow = 16 << 20
)

// storeConflicting takes over where the commit of a sealed draft met another
// version: by --on-conflict it stores the content elsewhere, or over that. The
// error of the commit comes back where nothing of this is wanted or can be done,
// as where the content lacks bytes of a version that is gone.
func (n *node) storeConflicting(ctx context.Context, key string, d *cache.Draft, cause error) (string, bucket.Object, error) {
	policy := n.fs.opt.OnConflict
	if policy != ConflictCopy && policy != ConflictOverwrite {
		return key, bucket.Object{}, cause
	}
	if !d.Whole() {
		return key, bucket.Object{}, fmt.Errorf("--on-conflict=%s needs bytes of the version that was edited: %w", policy, cause)
	}
	in := n.putInput(key, d, n.version())
	if policy == ConflictCopy {
		return n.storeCopy(ctx, key, in)
	}
	o, err := n.overwrite(ctx, in)
	return key, o, err
}

// overwrite stores in over what is there now, on the condition that it still is
// then: so that what is replaced is known, and the own answer recognised.
func (n *node) overwrite(ctx context.Context, in bucket.PutInput) (bucket.Object, error) {
	var err error
	for range overwriteTries {
		var now, o bucket.Object
		now, err = n.fs.b.Head(ctx, in.Key)
		if err != nil && !errors.Is(err, bucket.ErrNotExist) {
			return bucket.Object{}, err
		}
		in.If = bucket.Condition{ETag: now.ETag, Absent: err != nil}
		o, err = n.fs.b.Put(ctx, in)
		if err == nil {
			n.fs.log.Warn("overwrote a version of somebody else (--on-conflict=overwrite)", "key", in.Key, "etag", now.ETag, "bytes", now.Size)
			return o, nil
		}
		if !isConflict(err) {
			return bucket.Object{}, err
		}
	}
	return bucket.Object{}, fmt.Errorf("others overwrite it faster than we do: %w", err)
}

// storeCopy stores in beside its key. The node moves there with it: who has the
// file open goes on at the copy, and the name shows what the bucket has.
func (n *node) storeCopy(ctx context.Context, key string, in bucket.PutInput) (string, bucket.Object, error) {
	host, _ := os.Hostname() // "" is sanitised
	now := time.Now()
	var err error
	for i := 1; i <= copyTries; i++ {
		var o bucket.Object
		in.Key, in.If = conflictKey(key, host, now, i), bucket.Condition{Absent: true}
		o, err = n.fs.b.Put(ctx, in)
		if isConflict(err) {
			continue // taken
		}
		if err != nil {
			break
		}
		n.fs.log.Warn("conflict: the object was changed by somebody else; what was written here is stored as a copy", "key", key, "copy", in.Key)
		n.fs.copied(ConflictCopyInfo{Path: n.fs.pathOf(key), Copy: n.fs.pathOf(in.Key), Key: in.Key, Since: now})
		n.fs.tree.divert(n, in.Key)
		n.outdated(key)
		n.fs.notify.forget(key)
		return in.Key, o, nil
	}
	return key, bucket.Object{}, fmt.Errorf("storing a copy of what is in conflict: %w", err)
}

// conflictKey is the key of a copy: NAME.conflict-HOST-TIME, from the second try
// on with a number. A name that would be too long is cut, at a character.
func conflictKey(key, host string, at time.Time, try int) string {
	suffix := ".conflict-" + plainHost(host) + "-" + at.UTC().Format("20060102T150405Z")
	if try > 1 {
		suffix += fmt.Sprintf("-%d", try)
	}
	dir := cache.ParentKey(key)
	part := key[len(dir):]
	room := min(maxName, maxKey-1-len(dir)) - len(suffix)
	if strings.HasPrefix(part, escapePrefix) {
		room -= len(escapeName) // as its name is longer than the key's part
	}
	if len(part) > room {
		part = part[:max(room, 0)]
		for !utf8.ValidString(part) && len(part) > 0 && utf8.ValidString(key) {
			part = part[:len(part)-1]
		}
	}
	return dir + part + suffix
}

// plainHost is a host name with nothing in it that a file name would have to be
// quoted for, and of 64 bytes at most.
func plainHost(host string) string {
	plain := strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf && (r == '.' || r == '-' || r >= '0' && r <= '9' || r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z') {
			return r
		}
		return '_'
	}, host)
	if plain == "" {
		return "host"
	}
	return plain[:min(len(plain), 64)]
}

// haveWhole fetches the rest of an edit's base before the first write, so that
// the content can be stored wherever a conflict sends it.
func (n *node) haveWhole(ctx context.Context, d *cache.Draft) error {
	if policy := n.fs.opt.OnConflict; policy != ConflictCopy && policy != ConflictOverwrite || d.Whole() {
		return nil
	}
	key, done, err := n.turn(ctx)
	if err != nil {
		return err
	}
	defer done()
	base := n.version()
	if base.ETag == "" || base.Size >= wholeBelow {
		return nil
	}
	if err := d.Seal(ctx); err != nil {
		return err
	}
	defer d.Unseal(false)
	err = d.Fill(ctx, baseOf{n.fs.b, key, base.ETag})
	if isConflict(err) {
		n.outdated(key)
	}
	return err
}

// divert moves n to the key of its copy. Its name belongs to the bucket's version
// from now on, which gets a node of its own; n lives on for its handles.
func (t *tree) divert(n *node, to string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.dropLocked(n)
	n.loc.key, n.loc.diverted = to, true
}

// misnamed refuses a node that its name may not lead to any more: the kernel's
// ESTALE handling looks the name up again.
func (n *node) misnamed() error {
	n.fs.tree.mu.RLock()
	defer n.fs.tree.mu.RUnlock()
	if n.loc.retired || n.loc.diverted {
		return syscall.ESTALE
	}
	return nil
}

// shown is misnamed for fstat(2), which the kernel does not tell from stat(2):
// while handles of a diverted node are open, they count.
func (n *node) shown() error {
	if err := n.usable(); err != nil {
		return err
	}
	n.mu.Lock()
	open := n.mu.handles > 0
	n.mu.Unlock()
	if open {
		return nil
	}
	return n.misnamed()
}

// ConflictCopyInfo is one copy that a conflict has made.
type ConflictCopyInfo struct {
	Path  string    `json:"path"` // below the mount: what was written to
	Copy  string    `json:"copy"` // below the mount: where it is
	Key   string    `json:"key"`  // of the copy
	Since time.Time `json:"since"`
}

// copied remembers a copy for status.
func (f *FS) copied(c ConflictCopyInfo) {
	f.copies.Lock()
	defer f.copies.Unlock()
	f.copies.list = append(f.copies.list, c)
	if over := len(f.copies.list) - maxCopies; over > 0 {
		f.copies.list = f.copies.list[over:]
	}
}

// copiesMade are the newest of them, oldest first.
func (f *FS) copiesMade() []ConflictCopyInfo {
	f.copies.Lock()
	defer f.copies.Unlock()
	return append([]ConflictCopyInfo(nil), f.copies.list...)
}
