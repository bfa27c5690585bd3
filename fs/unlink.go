package fs

import (
	"context"
	"errors"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

var (
	_ fusefs.NodeUnlinker = (*node)(nil)
	_ fusefs.NodeRmdirer  = (*node)(nil)
)

// existing is the key of a name that is there, without a directory's slash.
func (n *node) existing(name string) (string, syscall.Errno) {
	if n.fs.opt.ReadOnly {
		return "", syscall.EROFS
	}
	part, _, ok := partOf(name)
	if !ok {
		return "", syscall.ENOENT
	}
	return n.key() + part, 0
}

// ownChild takes the key of a name that is there, and all below it, wherever a
// rename of the directory puts it while we wait for commits under way.
func (n *node) ownChild(ctx context.Context, name string) (key string, release func(), errno syscall.Errno) {
	for {
		if key, errno = n.existing(name); errno != 0 {
			return "", nil, errno
		}
		release, err := n.fs.guard.own(ctx, key, key+"/")
		if err != nil {
			return "", nil, toErrno(err)
		}
		if now, _ := n.existing(name); now == key {
			return key, release, 0
		}
		release()
	}
}

// Unlink removes an object. A file that was never stored costs no request.
func (n *node) Unlink(ctx context.Context, name string) syscall.Errno {
	ctx = context.WithoutCancel(ctx)
	key, release, errno := n.ownChild(ctx, name)
	if errno != 0 {
		return errno
	}
	defer release()
	child := n.fs.tree.at(key)
	if err := n.fs.unlink(ctx, key, child); err != nil {
		return n.fs.fail("unlink", key, err)
	}
	n.touch()
	n.fs.keepDir(ctx, cache.ParentKey(key))
	return 0
}

func (f *FS) unlink(ctx context.Context, key string, child *node) error {
	if child == nil || child.version().ETag != "" || child.maybeStored() {
		if err := f.stage.Journal().Settle(key); err != nil {
			return err
		}
		if err := child.preserve(ctx); err != nil {
			return err
		}
		if err := f.b.Delete(ctx, key, ""); err != nil {
			return err
		}
	}
	f.meta.Removed(key)
	if child != nil {
		if err := child.redeem(key, child.draft(), true); err != nil {
			return err
		}
		f.tree.remove(child)
		child.abandon()
	}
	return nil
}

// maxPreserved is the size up to which a file that is open while it is removed
// stays readable through its handles, in bytes. Larger ones answer ESTALE: a
// removal must not turn into a long download.
const maxPreserved = 64 << 20

// preserve fetches the content of an open file before its object goes. The
// caller has the guard of its key.
func (n *node) preserve(ctx context.Context) error {
	if n == nil || n.kind != kindFile {
		return nil
	}
	n.mu.Lock()
	base := n.mu.obj
	if n.mu.handles == n.mu.passed || base.Size > maxPreserved {
		n.mu.Unlock()
		return nil
	}
	n.mu.handles++ // the draft must not be dropped meanwhile
	n.mu.Unlock()
	defer func() {
		n.mu.Lock()
		n.mu.handles--
		n.mu.Unlock()
		n.dropIdle()
	}()
	d, err := n.ensureDraft()
	if err != nil {
		return err
	}
	if err := d.Seal(ctx); err != nil {
		return err
	}
	defer d.Unseal(false)
	err = d.Fill(ctx, baseOf{n.fs.b, base.Key, base.ETag})
	switch {
	case errors.Is(err, bucket.ErrChanged):
		return nil // the version is gone already; its readers are told so
	case errors.Is(err, bucket.ErrArchived):
		return nil // nobody could read it before either
	}
	return err
}

// keepDir stores a marker for a directory whose last entry was just removed:
// a directory does not vanish with its last file. The removal itself is done,
// so a failure here is only logged.
func (f *FS) keepDir(ctx context.Context, dir string) {
	if err := f.ensureDir(ctx, dir); err != nil {
		f.log.Warn("an empty directory has no marker and will vanish", "key", dir, "err", err)
	}
}

func (f *FS) ensureDir(ctx context.Context, dir string) error {
	if dir == f.opt.Prefix {
		return nil
	}
	e, _, s := f.meta.Get(dir)
	if s == cache.Found && e.Object.ETag != "" {
		return nil // it has one
	}
	if empty, known := f.meta.Empty(dir); known && !empty {
		return nil
	}
	found, _, err := f.peek(ctx, dir, f.meta.Mark())
	if err != nil || found {
		return err
	}
	attrs := bucket.Attributes{}
	if n := f.tree.at(dir); n != nil {
		n.mu.Lock()
		attrs = n.mu.attrs
		n.mu.Unlock()
	}
	o, err := f.putMarker(ctx, dir, bucket.Condition{Absent: true}, attrs, nil)
	if errors.Is(err, bucket.ErrChanged) {
		return nil // somebody else has just made it
	}
	if n := f.tree.at(dir); err == nil && n != nil {
		n.setVersion(o)
	}
	return err
}

// Rmdir removes an empty directory.
func (n *node) Rmdir(ctx context.Context, name string) syscall.Errno {
	ctx = context.WithoutCancel(ctx)
	key, release, errno := n.ownChild(ctx, name)
	if errno != 0 {
		return errno
	}
	defer release()
	if err := n.fs.rmdir(ctx, key+"/"); err != nil {
		return n.fs.fail("rmdir", key+"/", err)
	}
	n.touch()
	n.fs.keepDir(ctx, cache.ParentKey(key))
	return 0
}

func (f *FS) rmdir(ctx context.Context, key string) error {
	marker, err := f.emptyDir(ctx, key)
	if err != nil {
		return err
	}
	if marker {
		if err := f.b.Delete(ctx, key, ""); err != nil {
			return err
		}
	}
	f.meta.ForgetTree(key)
	f.meta.Removed(key)
	if child := f.tree.at(key); child != nil {
		f.tree.remove(child)
	}
	return nil
}

// emptyDir fails with ENOTEMPTY unless nothing stands below a directory key,
// and reports whether its marker does.
func (f *FS) emptyDir(ctx context.Context, key string) (marker bool, err error) {
	for _, c := range f.tree.under(key) {
		if c.kind == kindFile && c.isDirty() {
			return false, syscall.ENOTEMPTY // not stored yet
		}
	}
	err = bucket.ListAll(ctx, f.b, bucket.ListInput{Prefix: key, MaxKeys: 2}, func(p bucket.Page) error {
		for _, o := range p.Objects {
			if o.Key != key {
				return syscall.ENOTEMPTY
			}
			marker = true
		}
		return nil
	})
	return marker, err
}
