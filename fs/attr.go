package fs

import (
	"context"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

const permBits = 0o7777

var _ fusefs.NodeGetattrer = (*node)(nil)

// Getattr answers fstat and stat. While handles are open, it is the version
// that they are pinned to.
func (n *node) Getattr(ctx context.Context, h fusefs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	ctx, cancel := patient(ctx)
	defer cancel()
	open := handleOf(h) != nil
	if err := n.shown(); err != nil && !open {
		return n.fs.fail("getattr", n.key(), err)
	}
	if err := n.knowAttrs(ctx, open); err != nil {
		return n.fs.fail("getattr", n.key(), err)
	}
	n.fillAttr(&out.Attr)
	out.SetTimeout(n.attrTTL())
	return 0
}

// knowAttrs asks the bucket for the attributes if that is still to be done.
// With a handle open, a version that has been replaced meanwhile keeps the
// defaults; without, it is ESTALE, and the kernel looks the name up again.
func (n *node) knowAttrs(ctx context.Context, open bool) error {
	n.mu.Lock()
	known, have := n.mu.known, n.mu.obj
	n.mu.Unlock()
	if known || n.gone() {
		return nil
	}
	e, err := n.fs.describe(ctx, cache.Entry{Key: n.key(), Object: have})
	if err != nil {
		return err
	}
	if !n.follows(e) {
		if open {
			return nil
		}
		return syscall.ESTALE
	}
	n.learn(e, true)
	return nil
}

// attrTTL is how long the kernel may believe the attributes: not at all while
// they are only defaults.
func (n *node) attrTTL() time.Duration {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.mu.known {
		return 0
	}
	return n.fs.meta.TTL()
}

func (n *node) fillAttr(out *fuse.Attr) {
	gone := n.gone()
	n.mu.Lock()
	defer n.mu.Unlock()
	a := n.mu.attrs
	out.Ino = n.ino // go-fuse does not fill it in for SETATTR
	out.Mode = n.kind | n.fs.perm(n.kind, a)
	out.Uid, out.Gid = n.fs.opt.UID, n.fs.opt.GID
	if a.UID != nil {
		out.Uid = *a.UID
	}
	if a.GID != nil {
		out.Gid = *a.GID
	}
	out.Nlink = 1 // of a directory too: "not counted", as find and others know it
	if gone {
		out.Nlink = 0
	}
	out.Size = n.sizeLocked()
	if a.Rdev != nil && special(n.kind) {
		out.Rdev = *a.Rdev
	}
	mtime := n.mtimeLocked()
	atime, ctime := mtime, mtime
	if a.Atime != nil {
		atime = *a.Atime
	}
	if !n.mu.ctime.IsZero() {
		ctime = n.mu.ctime
	}
	out.SetTimes(&atime, &mtime, &ctime)
}

func (n *node) sizeLocked() uint64 {
	switch {
	case n.kind == kindDir:
		return 0
	case n.kind == kindLink && n.mu.attrs.Symlink != nil:
		return uint64(len(*n.mu.attrs.Symlink))
	case n.mu.draft != nil:
		return uint64(n.mu.draft.Size())
	case n.mu.givenUp != nil:
		// Not the bucket's size: a read that the kernel cut to that would pass
		// for the end of the file, where it must reach us and fail.
		return uint64(*n.mu.givenUp)
	}
	return uint64(n.mu.obj.Size)
}

func (n *node) mtimeLocked() time.Time {
	switch {
	case n.mu.attrs.Mtime != nil:
		return *n.mu.attrs.Mtime
	case !n.mu.obj.LastModified.IsZero():
		return n.mu.obj.LastModified
	}
	return n.fs.since
}

// perm is the permission bits of a file or directory.
func (f *FS) perm(kind uint32, a bucket.Attributes) uint32 {
	switch {
	case kind == kindLink:
		return 0o777
	case a.Mode != nil:
		return *a.Mode & permBits
	case kind == kindDir:
		return f.opt.DirMode &^ f.opt.Umask
	}
	return f.opt.FileMode &^ f.opt.Umask
}

// fillEntry answers a lookup: left is how long the name may be believed.
func (n *node) fillEntry(out *fuse.EntryOut, left time.Duration) {
	n.fillAttr(&out.Attr)
	out.SetEntryTimeout(max(left, 0))
	out.SetAttrTimeout(min(max(left, 0), n.attrTTL()))
}

// touch records a change that was made here. Of a directory it is kept in
// memory only, as S3 has no time for one without its marker.
func (n *node) touch() {
	now := time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.ctime = now
	if n.kind == kindDir {
		n.mu.attrs.Mtime = &now
	}
}
