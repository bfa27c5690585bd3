package fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"syscall"
	"time"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

// Local content: the draft of a node, and where the bytes of its base come from.

var (
	_ cache.Base   = (*node)(nil)
	_ cache.Source = (*pinned)(nil)
)

// ensureDraft returns the node's draft, beginning one over the version shown.
func (n *node) ensureDraft() (*cache.Draft, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.draft != nil {
		return n.mu.draft, nil
	}
	d, err := n.fs.stage.Create(n.mu.obj.Size)
	if err != nil {
		return nil, err
	}
	d.SendBy(n.beginUpload)
	n.mu.draft = d
	return d, nil
}

// wrote records that content was changed here.
func (n *node) wrote() {
	now := time.Now()
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.ctime, n.mu.attrs.Mtime, n.mu.timed = now, &now, false
}

// dropIdle lets go of local content that is stored, or never will be as its
// file is unlinked, and that nobody has open.
func (n *node) dropIdle() {
	gone := n.gone()
	n.mu.Lock()
	d := n.mu.draft
	if d == nil || n.mu.handles > 0 || d.Dirty() && !gone {
		n.mu.Unlock()
		return
	}
	n.mu.draft = nil
	n.mu.Unlock()
	d.Drop()
}

// ReadBase reads the version that the draft began from. What the disk cache has
// of it is not fetched; what is fetched is not stored there, as a commit of our
// own may have come in between.
func (n *node) ReadBase(ctx context.Context, p []byte, off int64) error {
	if d := n.fs.onDisk(n.version()); d != nil {
		k := d.ReadAt(p, off)
		d.Close()
		if p, off = p[k:], off+int64(k); len(p) == 0 {
			return nil
		}
	}
	return n.withVersion(ctx, func(key, etag string) error { return n.fs.b.Fill(ctx, key, etag, off, p) })
}

// DownloadBase fetches a long range of it.
func (n *node) DownloadBase(ctx context.Context, off, length int64, w io.WriterAt) error {
	return n.withVersion(ctx, func(key, etag string) error {
		return n.fs.b.Download(ctx, key, etag, off, length, w)
	})
}

// withVersion runs a read of the node's version. When a rename or a commit of
// ours moved the lineage on meanwhile, it is run again on what it is now.
func (n *node) withVersion(ctx context.Context, read func(key, etag string) error) error {
	for {
		key, etag := n.key(), n.version().ETag
		err := read(key, etag)
		if !errors.Is(err, bucket.ErrChanged) && !errors.Is(err, bucket.ErrNotExist) {
			return err
		}
		// A rename holds the guard while the object stands at neither key for sure.
		_, release, lockErr := n.lockKey(ctx)
		if lockErr != nil {
			return lockErr
		}
		release()
		if n.key() == key && n.version().ETag == etag {
			n.outdated(key)
			return fmt.Errorf("version %s of %s is gone: %w", etag, key, bucket.ErrChanged)
		}
	}
}

// outdated records that the bucket no longer has the version shown: the next
// lookup and the next open ask.
func (n *node) outdated(key string) {
	n.fs.meta.Forget(key)
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.asked = time.Time{}
}

// pinned is what a reader reads: the version that the node shows, wherever a
// rename puts it. Our own commits end it: then the node has the bytes in its draft.
type pinned struct {
	n     *node
	edits int // that the node had had
}

// errEdited ends the fetches of a version that a commit of ours has replaced. It is
// no bucket.ErrChanged, at which the next version would be tried: its bytes are
// others, and would be kept in memory and on disk as those of the version before.
var errEdited = fmt.Errorf("what is read has been written here: %w", syscall.ESTALE)

// Fetch hands the n bytes at off to to. A transfer that breaks is taken up where
// it stopped, at the key where the object is then.
func (s *pinned) Fetch(ctx context.Context, off, n int64, to io.ReaderFrom) error {
	count := &counted{to: to}
	return s.n.withVersion(ctx, func(key, etag string) error {
		if s.n.editsNow() != s.edits { // after etag was looked at: that may be the new one
			return errEdited
		}
		return s.n.fs.b.Stream(ctx, key, etag, off+count.n, n-count.n, count)
	})
}

func (n *node) editsNow() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.edits
}

// counted knows how many bytes went on to to.
type counted struct {
	to io.ReaderFrom
	n  int64
}

func (c *counted) ReadFrom(r io.Reader) (int64, error) {
	n, err := c.to.ReadFrom(r)
	c.n += n
	return n, err
}

// readerLocked returns a reader of the version that the node shows. All of them
// share its content in memory: while one of them is open there is no other
// version, as what is written here is read from the draft.
func (n *node) readerLocked(opened *cache.Opened) *cache.Reader {
	if n.mu.content != nil {
		if r := n.mu.content.Reader(opened); r != nil {
			return r
		}
	}
	n.mu.content = cache.NewContent(n.fs.memory, &pinned{n, n.mu.edits}, n.mu.obj.Size, n.fs.onDisk(n.mu.obj))
	if n.mu.giver == nil {
		n.mu.giver = cache.NewGiver(func(off int64, data []byte) bool {
			return n.EmbeddedInode().WriteCache(off, data) == 0
		})
	}
	if n.mu.writers == 0 { // else old bytes could come over what is written
		n.mu.content.GiveTo(n.mu.giver)
	}
	return n.mu.content.Reader(opened)
}
