package fs

import (
	"context"
	"os"
	"strings"
	"syscall"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
	"github.com/pailfs/pailfs/xattr"
)

var (
	_ fusefs.NodeGetxattrer    = (*node)(nil)
	_ fusefs.NodeListxattrer   = (*node)(nil)
	_ fusefs.NodeSetxattrer    = (*node)(nil)
	_ fusefs.NodeRemovexattrer = (*node)(nil)
	_ fusefs.NodeStatfser      = (*node)(nil)
)

// Getxattr returns a share link or a fact of the object. Names that are not
// ours cost no request.
func (n *node) Getxattr(ctx context.Context, attr string, dest []byte) (uint32, syscall.Errno) {
	if !strings.HasPrefix(attr, xattr.Prefix) {
		return 0, syscall.ENODATA // security.* and the like: asked for each file by ls and at each write
	}
	caller, _ := fuse.FromContext(ctx)
	ctx, cancel := patient(ctx)
	defer cancel()
	if err := n.shown(); err != nil {
		return 0, n.fs.fail("getxattr", n.key(), err)
	}
	if xattr.IsLink(attr) && n.isDirty() && n.fs.mayLink(caller) {
		// A link shows what is stored.
		if err := n.commit(ctx); err != nil {
			return 0, n.fs.fail("getxattr", n.key(), err)
		}
	}
	value, err := xattr.Get(ctx, n.xattrFile(caller), attr)
	if err != nil {
		return 0, n.fs.fail("getxattr", n.key(), err)
	}
	return reply(dest, value)
}

// Listxattr lists the facts. Links are not listed, or copying a file with its
// attributes would copy live links.
func (n *node) Listxattr(_ context.Context, dest []byte) (uint32, syscall.Errno) {
	var b strings.Builder
	for _, name := range xattr.List(n.xattrFile(nil)) {
		b.WriteString(name)
		b.WriteByte(0)
	}
	return reply(dest, []byte(b.String()))
}

func reply(dest, value []byte) (uint32, syscall.Errno) {
	if len(dest) < len(value) {
		return uint32(len(value)), syscall.ERANGE
	}
	return uint32(copy(dest, value)), 0
}

func (n *node) xattrFile(caller *fuse.Caller) xattr.File {
	key, o := n.key(), n.version()
	return xattr.File{
		Object: o, Bucket: n.fs.b.Name(), DefaultLifetime: n.fs.opt.LinkExpires, Linker: &n.fs.links,
		NotFile: n.kind != kindFile, MayLink: n.fs.mayLink(caller),
		Presign: func(ctx context.Context, lifetime time.Duration) (string, time.Time, error) {
			return n.fs.b.PresignGet(ctx, key, lifetime)
		},
		Full: func(ctx context.Context) (bucket.Object, error) {
			if o, ok := n.askedJustNow(); ok { // so size call and value call agree
				return o, nil
			}
			e, err := n.fs.head(ctx, key, n.fs.meta.Mark())
			if err == nil && n.follows(e) {
				n.learn(cache.Entry{Key: key, Object: e.Object}, true)
			}
			return e.Object, err
		},
	}
}

// mayLink: a link gives the bytes to anybody, so it is for those who have the
// credentials anyway.
func (f *FS) mayLink(caller *fuse.Caller) bool {
	if caller == nil || !f.opt.AllowOther {
		return true
	}
	return caller.Uid == 0 || caller.Uid == uint32(os.Geteuid())
}

// Setxattr refuses: the attributes there are, are facts.
func (n *node) Setxattr(_ context.Context, attr string, _ []byte, _ uint32) syscall.Errno {
	return toErrno(xattr.CheckSet(attr))
}

// Removexattr likewise.
func (n *node) Removexattr(ctx context.Context, attr string) syscall.Errno {
	return n.Setxattr(ctx, attr, nil, 0)
}

// Statfs shows a bucket as very large and empty: S3 knows no limit, and tools
// that look for free space must find some.
func (n *node) Statfs(_ context.Context, out *fuse.StatfsOut) syscall.Errno {
	const block = 4096
	out.Bsize, out.Frsize, out.NameLen = block, block, maxName
	out.Blocks = 1 << 50 / block
	out.Bfree, out.Bavail = out.Blocks, out.Blocks
	out.Files, out.Ffree = 1<<40, 1<<40
	return 0
}
