package fs

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

var (
	_ fusefs.NodeCreater    = (*node)(nil)
	_ fusefs.NodeMknoder    = (*node)(nil)
	_ fusefs.NodeMkdirer    = (*node)(nil)
	_ fusefs.NodeSymlinker  = (*node)(nil)
	_ fusefs.NodeReadlinker = (*node)(nil)
	_ fusefs.NodeLinker     = (*node)(nil)
)

// begin starts a change of a name in a directory: it checks the mount and the
// name, and takes the guard of the key to be.
func (n *node) begin(ctx context.Context, name string) (key string, release func(), errno syscall.Errno) {
	if n.fs.opt.ReadOnly {
		return "", nil, syscall.EROFS
	}
	for {
		dir := n.key()
		if key, errno = newKey(dir, name); errno != 0 {
			return "", nil, errno
		}
		release, err := n.fs.guard.share(context.WithoutCancel(ctx), key)
		if err != nil {
			return "", nil, toErrno(err)
		}
		if n.key() != dir { // renamed while we waited
			release()
			continue
		}
		if n.gone() {
			release()
			return "", nil, syscall.ENOENT
		}
		return key, release, 0
	}
}

// newAttrs are the attributes of something made now on behalf of a caller.
func (f *FS) newAttrs(ctx context.Context, kind, mode uint32) bucket.Attributes {
	now := time.Now()
	uid, gid := f.opt.UID, f.opt.GID
	if caller, ok := fuse.FromContext(ctx); ok {
		uid, gid = caller.Uid, caller.Gid
	}
	mode = kind | mode&permBits&^f.opt.Umask
	return bucket.Attributes{Mode: &mode, UID: &uid, GID: &gid, Mtime: &now}
}

// Create makes and opens a file. Nothing is sent, but for takeName: its close
// stores it, on the condition that nobody else has made the key meanwhile.
func (n *node) Create(ctx context.Context, name string, flags uint32, mode uint32, out *fuse.EntryOut) (*fusefs.Inode, fusefs.FileHandle, uint32, syscall.Errno) {
	key, release, errno := n.begin(ctx, name)
	if errno != 0 {
		return nil, nil, 0, errno
	}
	defer release()
	child, err := n.fs.newFile(ctx, key, mode, flags)
	if err != nil {
		return nil, nil, 0, n.fs.fail("create", key, err)
	}
	h, err := child.newHandle(true, nil)
	if err != nil {
		return nil, nil, 0, n.fs.fail("create", key, err)
	}
	n.touch()
	child.fillEntry(out, n.fs.meta.TTL())
	return child.EmbeddedInode(), h, fuse.FOPEN_KEEP_CACHE | h.directly(flags), 0
}

// newFile is a file with an empty draft, standing at key. The draft is dirty, unless
// the open with these flags has stored the empty file.
func (f *FS) newFile(ctx context.Context, key string, mode, flags uint32) (*node, error) {
	d, err := f.stage.Create(0)
	if err != nil {
		return nil, err
	}
	n := newNode(f, kindFile)
	d.SendBy(n.beginUpload)
	n.mu.draft, n.mu.known = d, true
	n.mu.attrs = f.newAttrs(ctx, kindFile, mode)
	n.mu.ctime = *n.mu.attrs.Mtime
	n.mu.obj = bucket.Object{Key: key}
	if err := n.takeName(ctx, key, flags); err != nil {
		d.Drop()
		return nil, err
	}
	if n.mu.obj.ETag == "" { // nobody else has n yet
		d.MarkDirty()
	}
	f.tree.insert(ctx, n, key)
	return n, nil
}

// Mknod makes an empty regular file, or a pipe, socket or device: an empty
// object whose attributes say what it is.
func (n *node) Mknod(ctx context.Context, name string, mode, dev uint32, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	key, release, errno := n.begin(ctx, name)
	if errno != 0 {
		return nil, errno
	}
	defer release()
	kind := uint32(kindFile)
	if special(mode) {
		kind = mode & syscall.S_IFMT
	}
	attrs := n.fs.newAttrs(ctx, kind, mode)
	if kind == syscall.S_IFCHR || kind == syscall.S_IFBLK {
		attrs.Rdev = &dev
	}
	return n.putChild(ctx, key, "", attrs, out)
}

// putChild stores a whole new object and answers with its node.
func (n *node) putChild(ctx context.Context, key, content string, attrs bucket.Attributes, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	o, err := n.fs.b.Put(context.WithoutCancel(ctx), bucket.PutInput{
		Key: key, Body: strings.NewReader(content), Size: int64(len(content)),
		If: bucket.Condition{Absent: true}, Metadata: attrs.Encode(nil),
	})
	if err != nil {
		return nil, n.fs.fail("create", key, exists(err))
	}
	e := cache.Entry{Key: key, Object: o}
	n.fs.changed(e)
	n.touch()
	child := n.fs.tree.adopt(ctx, n, e, true) // its directory cannot move: the key is shared
	child.fillEntry(out, n.fs.meta.TTL())
	return child.EmbeddedInode(), 0
}

// exists turns "somebody else has made the key" into EEXIST.
func exists(err error) error {
	if errors.Is(err, bucket.ErrChanged) {
		return syscall.EEXIST
	}
	return err
}

// Mkdir stores a marker, dir/.
func (n *node) Mkdir(ctx context.Context, name string, mode uint32, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	key, release, errno := n.begin(ctx, name)
	if errno != 0 {
		return nil, errno
	}
	defer release()
	key += "/"
	attrs := n.fs.newAttrs(ctx, kindDir, mode)
	o, err := n.fs.putMarker(ctx, key, bucket.Condition{Absent: true}, attrs, nil)
	if err != nil {
		return nil, n.fs.fail("mkdir", key, exists(err))
	}
	// What this program makes in a directory has attributes.
	n.fs.meta.SetAttrs(key, cache.AttrsSome)
	n.touch()
	child := n.fs.tree.adopt(ctx, n, cache.Entry{Key: key, Object: o}, true)
	child.fillEntry(out, n.fs.meta.TTL())
	return child.EmbeddedInode(), 0
}

// putMarker stores a directory's marker and records it. Foreign metadata of a
// former marker is carried over.
func (f *FS) putMarker(ctx context.Context, key string, cond bucket.Condition, attrs bucket.Attributes, former map[string]string) (bucket.Object, error) {
	attrs.AttrsMarker = true
	o, err := f.b.Put(context.WithoutCancel(ctx), bucket.PutInput{
		Key: key, Body: bytes.NewReader(nil), If: cond, Metadata: attrs.Encode(former),
		Headers: bucket.Headers{ContentType: "application/x-directory"},
	})
	switch e := (cache.Entry{Key: key, Object: o}); {
	case err != nil:
	case cond.Absent:
		f.meta.Made(e)
	default:
		f.meta.Changed(e)
	}
	return o, err
}

// Symlink stores a symbolic link: an object with the target as its content, as
// s3fs does, and in its metadata.
func (n *node) Symlink(ctx context.Context, target, name string, out *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	if len(target) > maxLinkTarget {
		return nil, syscall.ENAMETOOLONG
	}
	key, release, errno := n.begin(ctx, name)
	if errno != 0 {
		return nil, errno
	}
	defer release()
	attrs := n.fs.newAttrs(ctx, kindLink, 0o777)
	attrs.Symlink = &target
	if bucket.MetadataSize(attrs.Encode(nil)) > bucket.MaxMetadata {
		attrs.Symlink = nil // the content alone has the target
	}
	return n.putChild(ctx, key, target, attrs, out)
}

// Readlink returns a link's target: from the metadata, or from the content
// where another program stored it only there.
func (n *node) Readlink(ctx context.Context) ([]byte, syscall.Errno) {
	n.mu.Lock()
	target, o := n.mu.attrs.Symlink, n.mu.obj
	n.mu.Unlock()
	if target != nil {
		return []byte(*target), 0
	}
	ctx, cancel := patient(ctx)
	defer cancel()
	if o.Size > maxLinkTarget {
		return nil, syscall.EINVAL
	}
	p := make([]byte, o.Size)
	if err := n.ReadBase(ctx, p, 0); err != nil {
		return nil, n.fs.fail("readlink", n.key(), err)
	}
	return bytes.TrimRight(p, "\x00"), 0
}

// Link refuses hard links: S3 has one key for one object. Programs take EPERM
// as "make a copy instead".
func (n *node) Link(context.Context, fusefs.InodeEmbedder, string, *fuse.EntryOut) (*fusefs.Inode, syscall.Errno) {
	return nil, syscall.EPERM
}
