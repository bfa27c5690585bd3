package fs

import (
	"context"
	"errors"
	"io"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

var _ fusefs.NodeOpener = (*node)(nil)

const (
	// justAsked is how long a HEAD's word that a version is the newest counts
	// for an open that follows it: the HEAD of the lookup on the way to it.
	justAsked = time.Second
)

// Open opens a file. It shows the newest version, whoever wrote it: a reader's
// first GET asks without a condition, and if it brings another version than
// the inode's, the kernel is told to look the name up again, once (ESTALE).
func (n *node) Open(ctx context.Context, flags uint32) (fusefs.FileHandle, uint32, syscall.Errno) {
	truncate := flags&syscall.O_TRUNC != 0 // a write, also where the rest is only read
	write := flags&syscall.O_ACCMODE != syscall.O_RDONLY || truncate
	if write && n.fs.opt.ReadOnly {
		return nil, 0, syscall.EROFS
	}
	if err := n.misnamed(); err != nil {
		return nil, 0, n.fs.fail("open", n.key(), err)
	}
	ctx, cancel := patient(ctx)
	defer cancel()
	if !write {
		defer n.fs.memory.Coming()()
	}
	h, err := n.open(ctx, write)
	if errors.Is(err, syscall.ESTALE) {
		return nil, 0, syscall.ESTALE // nothing has failed yet: the kernel looks again
	}
	if err != nil {
		return nil, 0, n.fs.fail("open", n.key(), err)
	}
	if truncate {
		if err := h.truncate(ctx, 0); err != nil {
			h.close()
			return nil, 0, n.fs.fail("open", n.key(), err)
		}
	}
	how := uint32(fuse.FOPEN_KEEP_CACHE)
	if truncate {
		how |= h.directly(flags)
	}
	if !write {
		how |= fuse.FOPEN_NOFLUSH // its close stores nothing: one request less
	}
	return h.answer(), how, 0
}

// open shares the key. So a removal either comes before it, and the kernel is
// told to look again, or after it, and finds the handle that it must preserve.
func (n *node) open(ctx context.Context, write bool) (*fileHandle, error) {
	_, release, err := n.lockKey(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	if n.gone() && n.draft() == nil {
		return nil, syscall.ESTALE
	}
	if d := n.fs.onDisk(n.version()); d != nil {
		defer d.Close() // what is looked at now, the handle need not open again
	}
	first, err := n.revalidate(ctx, write)
	if err != nil {
		return nil, err
	}
	return n.handle(write, first)
}

// revalidate makes sure that the inode shows the newest version. For a reader
// it does so with the GET of the first bytes, which it returns. It asks again
// where a commit of ours came between the question and its answer.
func (n *node) revalidate(ctx context.Context, write bool) (*firstGet, error) {
	for {
		have := n.version()
		first, err := n.askNewest(ctx, write)
		if !errors.Is(err, syscall.ESTALE) || n.gone() || n.version().ETag == have.ETag && !n.isDirty() {
			return first, err
		}
	}
}

func (n *node) askNewest(ctx context.Context, write bool) (*firstGet, error) {
	have, asked := n.askedJustNow()
	local := n.isDirty()
	if local || asked || n.gone() || n.kind != kindFile {
		return nil, nil
	}
	key, mark := n.key(), n.fs.meta.Mark()
	// What has been read whole is in the kernel's page cache, most likely, and
	// the disk cache has what it has: the first bytes would be fetched for nothing.
	if write || have.Size == 0 || n.served.Load() >= have.Size || n.fs.begins(have) {
		e, err := n.fs.head(ctx, key, mark)
		if err != nil {
			return nil, n.vanished(key, mark, err)
		}
		return nil, n.accept(e)
	}
	want := min(n.fs.memory.Opening(), have.Size)
	o, body, err := n.fs.getBeyond(ctx, bucket.GetInput{Key: key, Len: want})
	if err != nil {
		return nil, n.vanished(key, mark, err)
	}
	e := cache.Entry{Key: key, Object: o}
	n.fs.meta.Put(e, mark)
	if err := n.accept(e); err != nil {
		return nil, errors.Join(err, body.Close())
	}
	return &firstGet{etag: o.ETag, opened: cache.Opened{Body: body, Off: 0, Len: min(want, o.Size)}}, nil
}

// getBeyond is a Get whose wait for the answer ends with ctx, as who opens a file of
// a silent store may be interrupted. Its stream outlives ctx: it is the reader's
// first block.
func (f *FS) getBeyond(ctx context.Context, in bucket.GetInput) (bucket.Object, io.ReadCloser, error) {
	own, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	o, body, err := f.b.Get(own, in)
	if err == nil && !stop() { // too late: its stream is dead
		closeQuietly(body)
		err = ctx.Err()
	}
	if err != nil {
		stop()
		cancel()
		return bucket.Object{}, nil, err
	}
	return o, &streamOf{body, cancel}, nil
}

// streamOf is a body that ends its context.
type streamOf struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (s *streamOf) Close() error {
	err := s.ReadCloser.Close() // first: it notes whether the stream was given up
	s.cancel()
	return err
}

// askedJustNow is the version shown, and whether a HEAD that has just been sent
// said that it is the newest.
func (n *node) askedJustNow() (bucket.Object, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.obj, n.mu.obj.Full && time.Since(n.mu.asked) < justAsked
}

// firstGet is the answer to an open's GET.
type firstGet struct {
	etag   string
	opened cache.Opened
}

func (g *firstGet) close() {
	if g != nil {
		closeQuietly(g.opened.Body)
	}
}

// vanished records a 404 of an open. The kernel is told to look again: it then
// says so itself, or creates the file where it was asked to.
func (n *node) vanished(key string, mark cache.Mark, err error) error {
	if errors.Is(err, bucket.ErrNotExist) {
		n.fs.meta.PutAbsent(key, mark)
		return syscall.ESTALE
	}
	return err
}

// accept takes over the newest version if it is the one that the inode shows.
func (n *node) accept(e cache.Entry) error {
	if !n.follows(e) {
		return syscall.ESTALE
	}
	n.learn(e, true)
	return nil
}

// newHandle registers a handle. first, which may be nil, is its reader's, or closed.
// It fails where the kernel has begun to read n by itself (see pass).
func (n *node) newHandle(write bool, first *firstGet) (*fileHandle, error) {
	h, err := n.register(write, first)
	if err != nil || h.reader == nil {
		first.close() // the kernel, or a commit of ours, came in between
	}
	if err == nil && write {
		n.mu.Lock()
		c := n.mu.content
		n.mu.Unlock()
		if c != nil {
			c.StopGiving() // no write comes before this open has ended
		}
	}
	return h, err
}

func (n *node) register(write bool, first *firstGet) (*fileHandle, error) {
	h := &fileHandle{n: n, write: write}
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.passed > 0 {
		return nil, errRaced
	}
	n.mu.handles++
	if write {
		n.mu.writers++
	}
	if first != nil && n.mu.draft == nil && n.mu.obj.ETag == first.etag && n.mu.obj.Size > 0 {
		h.reader = n.readerLocked(&first.opened)
	}
	return h, nil
}

func closeQuietly(c io.Closer) { _ = c.Close() } // a body that nobody reads on
