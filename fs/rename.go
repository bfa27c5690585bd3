package fs

import (
	"context"
	"errors"
	"fmt"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

var _ fusefs.NodeRenamer = (*node)(nil)

const renameNoReplace = 1 // RENAME_NOREPLACE of renameat2(2)

// Rename is copy, then delete. go-fuse moves the child in its own tree after
// this returns 0; ours is moved here, while the keys are still guarded.
func (n *node) Rename(ctx context.Context, name string, newParent fusefs.InodeEmbedder, newName string, flags uint32) syscall.Errno {
	ctx = context.WithoutCancel(ctx)
	to, ok := newParent.(*node)
	if !ok || flags&^renameNoReplace != 0 {
		return syscall.EINVAL // RENAME_EXCHANGE: S3 has no way to swap two objects
	}
	from, dest, release, errno := n.ownBoth(ctx, name, to, newName)
	if errno != 0 {
		return errno
	}
	defer release()
	if from == dest {
		return 0
	}
	src, err := n.childNode(ctx, name)
	if err != nil {
		return n.fs.fail("rename", from, err)
	}
	if src.kind == kindDir {
		err = n.fs.renameDir(ctx, src, from+"/", dest+"/", flags)
	} else {
		err = n.fs.renameFile(ctx, src, from, dest, flags)
	}
	if err != nil {
		return n.fs.fail("rename", from, fmt.Errorf("to %s: %w", dest, err))
	}
	n.touch()
	to.touch()
	n.fs.keepDir(ctx, cache.ParentKey(from))
	return 0
}

// ownBoth takes the keys of a rename, wherever other renames put their
// directories while we wait.
func (n *node) ownBoth(ctx context.Context, name string, to *node, newName string) (from, dest string, release func(), errno syscall.Errno) {
	for {
		if from, errno = n.existing(name); errno != 0 {
			return "", "", nil, errno
		}
		if dest, errno = newKey(to.key(), newName); errno != 0 {
			return "", "", nil, errno
		}
		release, err := n.fs.guard.own(ctx, from, from+"/", dest, dest+"/")
		if err != nil {
			return "", "", nil, toErrno(err)
		}
		from2, _ := n.existing(name)
		dest2, _ := newKey(to.key(), newName)
		if from2 == from && dest2 == dest {
			return from, dest, release, 0
		}
		release()
	}
}

// childNode is the node behind a name that the kernel knows.
func (n *node) childNode(ctx context.Context, name string) (*node, error) {
	if inode := n.GetChild(name); inode != nil {
		if c, ok := inode.Operations().(*node); ok && !c.gone() && c.misnamed() == nil {
			return c, nil
		}
	}
	c, _, err := n.fs.lookup(ctx, n, name)
	return c, err
}

func (f *FS) renameFile(ctx context.Context, src *node, from, dest string, flags uint32) error {
	if err := src.commitAt(ctx, from); err != nil {
		return err
	}
	if err := src.misnamed(); err != nil { // a conflict, just now: the name is another file's
		return err
	}
	if t := f.tree.at(dest); t != nil && t.inJournal() && flags&renameNoReplace == 0 {
		// What was promised of it is not given up before the other is there.
		if err := t.commitAt(ctx, dest); err != nil {
			return err
		}
	}
	target, cond, err := f.target(ctx, dest, flags)
	if err != nil {
		return err
	}
	if err := target.preserve(ctx); err != nil {
		return err
	}
	version := src.version()
	copied, err := f.b.Copy(ctx, src.copyTo(version, dest, cond))
	if err != nil {
		if isConflict(err) {
			src.outdated(from)
		}
		return err
	}
	f.changed(cache.Entry{Key: dest, Object: copied})
	if target != nil {
		f.tree.remove(target)
		target.abandon()
	}
	if err := f.stage.Journal().Settle(from); err != nil {
		return fmt.Errorf("copied, but the source stays: %w", err)
	}
	// Only the version that was copied goes: what somebody has put there
	// meanwhile stays, and so do both names.
	if err := f.b.Delete(ctx, from, version.ETag); err != nil && !errors.Is(err, bucket.ErrNotExist) {
		return fmt.Errorf("copied, but the source stays: %w", err)
	}
	f.meta.Removed(from)
	f.tree.move(src, dest)
	src.setVersion(copied)
	return nil
}

// copyTo is the copy of one version of n. Where an object's time of
// modification is only S3's own, it is written down, as the copy gets a new one.
func (n *node) copyTo(version bucket.Object, dest string, cond bucket.Condition) bucket.CopyInput {
	in := bucket.CopyInput{From: version, To: dest, If: cond}
	if attrs := bucket.DecodeAttributes(version.Metadata); version.Full && attrs.Mtime == nil {
		t := version.LastModified
		attrs.Mtime = &t
		in.Replace, in.Headers, in.Metadata = true, version.Headers, attrs.Encode(version.Metadata)
	}
	return in
}

// target says what a rename replaces: the node there, if any, and the version
// that may be replaced, which is the last one seen here.
func (f *FS) target(ctx context.Context, dest string, flags uint32) (*node, bucket.Condition, error) {
	n := f.tree.at(dest)
	if n != nil && n.isDirty() {
		if flags&renameNoReplace != 0 {
			return nil, bucket.Condition{}, syscall.EEXIST
		}
		etag := n.version().ETag
		return n, bucket.Condition{ETag: etag, Absent: etag == ""}, nil
	}
	e, _, err := f.resolve(ctx, dest, false)
	switch {
	case errors.Is(err, bucket.ErrNotExist):
		return n, bucket.Condition{Absent: true}, nil
	case err != nil:
		return nil, bucket.Condition{}, err
	case flags&renameNoReplace != 0:
		return nil, bucket.Condition{}, syscall.EEXIST
	case e.IsDir():
		return nil, bucket.Condition{}, syscall.EISDIR
	}
	return n, bucket.Condition{ETag: e.Object.ETag}, nil
}
