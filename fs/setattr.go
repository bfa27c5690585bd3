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

var _ fusefs.NodeSetattrer = (*node)(nil)

// Setattr is chmod, chown, utimes and truncate.
func (n *node) Setattr(ctx context.Context, h fusefs.FileHandle, in *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	if n.fs.opt.ReadOnly {
		return syscall.EROFS
	}
	ctx = context.WithoutCancel(ctx)
	if handleOf(h) == nil {
		if err := n.misnamed(); err != nil {
			return n.fs.fail("setattr", n.key(), err)
		}
	}
	if size, ok := in.GetSize(); ok {
		if err := n.setSize(ctx, h, int64(size)); err != nil {
			return n.fs.fail("truncate", n.key(), err)
		}
	}
	if change := changeOf(in); change != nil {
		promised := n.promised()
		err := n.setAttrs(ctx, change)
		if err == nil && promised {
			err = n.publish(ctx) // with these, or it is stored already
		}
		if err != nil {
			return n.fs.fail("setattr", n.key(), err)
		}
	}
	n.fillAttr(&out.Attr)
	out.SetTimeout(n.attrTTL())
	return 0
}

// setSize truncates. Through a handle it is a write, which the handle's flush
// stores; without one (truncate(2)) it is stored before it returns.
func (n *node) setSize(ctx context.Context, h fusefs.FileHandle, size int64) error {
	if fh := handleOf(h); fh != nil && fh.write {
		return fh.truncate(ctx, size)
	}
	if n.kind != kindFile {
		return syscall.EINVAL
	}
	if _, err := n.revalidate(ctx, true); err != nil {
		return err
	}
	// A handle of our own: its end settles what cannot be stored.
	tmp, err := n.handle(true, nil)
	if err != nil {
		return err
	}
	defer tmp.end(ctx)
	if err := tmp.truncate(ctx, size); err != nil {
		return err
	}
	return n.publish(ctx)
}

// changeOf says what a request changes beside the size; nil is nothing.
func changeOf(in *fuse.SetAttrIn) func(*bucket.Attributes, uint32) {
	mode, hasMode := in.GetMode()
	uid, hasUID := in.GetUID()
	gid, hasGID := in.GetGID()
	mtime, hasMtime := in.GetMTime()
	atime, hasAtime := in.GetATime()
	if !hasMode && !hasUID && !hasGID && !hasMtime && !hasAtime {
		return nil
	}
	return func(a *bucket.Attributes, kind uint32) {
		if hasMode {
			m := kind | mode&permBits
			a.Mode = &m
		}
		if hasUID {
			a.UID = &uid
		}
		if hasGID {
			a.GID = &gid
		}
		if hasMtime {
			a.Mtime = &mtime
		}
		if hasAtime {
			a.Atime = &atime
		}
	}
}

// setAttrs changes attributes. Those of a file that is still to be stored go
// with its content; a stored one is copied onto itself with new metadata.
func (n *node) setAttrs(ctx context.Context, change func(*bucket.Attributes, uint32)) error {
	key, release, err := n.lockKey(ctx)
	if err != nil {
		return err
	}
	defer release()
	n.commits <- struct{}{} // an upload under way has its metadata already
	defer func() { <-n.commits }()
	now := time.Now()
	n.mu.Lock()
	d, gone := n.mu.draft, false
	if local := d != nil && d.Dirty(); local {
		before := n.mu.attrs.Mtime
		change(&n.mu.attrs, n.kind)
		n.mu.timed = n.mu.timed || n.mu.attrs.Mtime != before
		n.mu.ctime = now
		n.mu.Unlock()
		d.MarkDirty()
		return nil
	}
	n.mu.Unlock()
	if gone = n.gone(); gone || key == "" {
		// An unlinked file, or the bucket's root, which has no object that could
		// carry attributes: they last as long as the inode.
		n.mu.Lock()
		defer n.mu.Unlock()
		change(&n.mu.attrs, n.kind)
		n.mu.ctime = now
		return nil
	}
	if err := n.storeAttrs(ctx, key, change); err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.ctime = now
	return nil
}

// storeAttrs writes a stored object's attributes.
func (n *node) storeAttrs(ctx context.Context, key string, change func(*bucket.Attributes, uint32)) error {
	base, err := n.described(ctx, key)
	if err != nil {
		return err
	}
	attrs := bucket.DecodeAttributes(base.Metadata)
	n.defaults(&attrs, base)
	change(&attrs, n.kind)
	var o bucket.Object
	if n.kind == kindDir && base.Size == 0 {
		cond := bucket.Condition{ETag: base.ETag, Absent: base.ETag == ""}
		o, err = n.fs.putMarker(ctx, key, cond, attrs, base.Metadata)
	} else {
		attrs.AttrsMarker = attrs.AttrsMarker || n.kind == kindDir
		o, err = n.fs.b.Copy(ctx, bucket.CopyInput{
			From: base, To: key, If: bucket.Condition{ETag: base.ETag}, Replace: true,
			Headers: base.Headers, Metadata: attrs.Encode(base.Metadata),
		})
	}
	if err != nil {
		if isConflict(err) {
			n.outdated(key)
		}
		return err
	}
	n.setVersion(o)
	n.fs.changed(cache.Entry{Key: key, Object: o})
	return nil
}

// described returns the version shown with its headers and metadata, which a
// change of attributes has to carry over.
func (n *node) described(ctx context.Context, key string) (bucket.Object, error) {
	o := n.version()
	if o.Full {
		return o, nil
	}
	mark := n.fs.meta.Mark()
	e, err := n.fs.head(ctx, key, mark)
	if n.kind == kindDir && toErrno(err) == syscall.ENOENT {
		return noMarker(key), nil
	}
	if err != nil {
		return bucket.Object{}, err
	}
	if n.kind != kindDir && e.Object.ETag != o.ETag { // not follows: with dirty content it is true of any
		return bucket.Object{}, bucket.ErrChanged
	}
	return e.Object, nil
}

// defaults fills in what a file would lose or change by being copied onto
// itself: its time of modification, until now that of the object.
func (n *node) defaults(a *bucket.Attributes, base bucket.Object) {
	if a.Mtime == nil && !base.LastModified.IsZero() {
		t := base.LastModified
		a.Mtime = &t
	}
	if a.Mode == nil {
		m := n.kind | n.fs.perm(n.kind, *a)
		a.Mode = &m
	}
}
