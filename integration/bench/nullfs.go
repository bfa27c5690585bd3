package main

import (
	"context"
	"os"
	"os/signal"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
)

// nullRequest is the most that the kernel reads or writes in one request.
const nullRequest = 1 << 20

// nullFile is a file of zeros. What is written to it is counted, not kept.
type nullFile struct {
	fs.Inode
	zeros []byte // shared by all, nullRequest bytes
	size  uint64
}

var (
	_ fs.NodeOpener    = (*nullFile)(nil)
	_ fs.NodeReader    = (*nullFile)(nil)
	_ fs.NodeWriter    = (*nullFile)(nil)
	_ fs.NodeGetattrer = (*nullFile)(nil)
	_ fs.NodeSetattrer = (*nullFile)(nil)
	_ fs.NodeFlusher   = (*nullFile)(nil)
)

// Open keeps the kernel's cache, as every filesystem should that knows that a
// file has not changed.
func (f *nullFile) Open(context.Context, uint32) (fs.FileHandle, uint32, syscall.Errno) {
	return nil, fuse.FOPEN_KEEP_CACHE, 0
}

func (f *nullFile) Read(_ context.Context, _ fs.FileHandle, dest []byte, off int64) (fuse.ReadResult, syscall.Errno) {
	n := min(int64(len(dest)), max(0, int64(f.size)-off))
	return fuse.ReadResultData(f.zeros[:n]), 0
}

func (f *nullFile) Write(_ context.Context, _ fs.FileHandle, data []byte, _ int64) (uint32, syscall.Errno) {
	return uint32(len(data)), 0
}

func (f *nullFile) Getattr(_ context.Context, _ fs.FileHandle, out *fuse.AttrOut) syscall.Errno {
	out.Mode, out.Size = syscall.S_IFREG|0o644, f.size
	return 0
}

func (f *nullFile) Setattr(ctx context.Context, h fs.FileHandle, _ *fuse.SetAttrIn, out *fuse.AttrOut) syscall.Errno {
	return f.Getattr(ctx, h, out)
}

func (f *nullFile) Flush(context.Context, fs.FileHandle) syscall.Errno { return 0 }

// nullDir is a directory in which files and directories can be made.
type nullDir struct {
	fs.Inode
	zeros []byte
}

var (
	_ fs.NodeCreater = (*nullDir)(nil)
	_ fs.NodeMkdirer = (*nullDir)(nil)
)

func (d *nullDir) Create(ctx context.Context, _ string, _, _ uint32, out *fuse.EntryOut) (
	*fs.Inode, fs.FileHandle, uint32, syscall.Errno) {
	child := d.NewPersistentInode(ctx, &nullFile{zeros: d.zeros}, fs.StableAttr{Mode: syscall.S_IFREG})
	out.Mode = syscall.S_IFREG | 0o644
	return child, nil, fuse.FOPEN_KEEP_CACHE, 0
}

func (d *nullDir) Mkdir(ctx context.Context, _ string, _ uint32, out *fuse.EntryOut) (*fs.Inode, syscall.Errno) {
	out.Mode = syscall.S_IFDIR | 0o755
	return d.NewPersistentInode(ctx, &nullDir{zeros: d.zeros}, fs.StableAttr{Mode: syscall.S_IFDIR}), 0
}

// addFile makes a file, and the directories that lead to it.
func (d *nullDir) addFile(ctx context.Context, key string, size int64) {
	at := &d.Inode
	dir, name := path.Split(key)
	for part := range strings.SplitSeq(strings.Trim(dir, "/"), "/") {
		next := at.GetChild(part)
		if next == nil {
			next = at.NewPersistentInode(ctx, &nullDir{zeros: d.zeros}, fs.StableAttr{Mode: syscall.S_IFDIR})
			at.AddChild(part, next, true)
		}
		at = next
	}
	file := &nullFile{zeros: d.zeros, size: uint64(size)}
	at.AddChild(name, at.NewPersistentInode(ctx, file, fs.StableAttr{Mode: syscall.S_IFREG}), true)
}

// nullMain serves the null filesystem until it is unmounted.
func nullMain(dir string, s sizes) error {
	root := &nullDir{zeros: make([]byte, nullRequest)}
	long := time.Hour
	server, err := fs.Mount(dir, root, &fs.Options{
		EntryTimeout: &long, AttrTimeout: &long,
		MountOptions: fuse.MountOptions{
			FsName: "null", Name: "benchnull", DisableXAttrs: true,
			MaxWrite: nullRequest, MaxReadAhead: nullRequest, MaxBackground: 64,
		},
		OnAdd: func(ctx context.Context) {
			root.addFile(ctx, bigKey, s.Big)
			for i := range parallelFiles {
				root.addFile(ctx, parKey(i), s.Par)
			}
			for i := range manyFiles {
				root.addFile(ctx, manyKey(i), s.many())
			}
		},
	})
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		for range stop {
			_ = server.Unmount()
		}
	}()
	server.Wait()
	return nil
}
