package fs

import (
	"context"
	"slices"
	"syscall"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/pailfs/pailfs/cache"
)

// releases is go-fuse's side of a mount, and lets a handle know when its release
// has come to its end there.
//
// go-fuse counts how often the kernel has an inode open to read it by itself, and
// takes one off after each release: also after that of a handle that it has not
// counted. If another open were counted in between, the kernel would be given a
// file that is not registered any more, and fail the open with EIO.
type releases struct{ fuse.RawFileSystem }

// Release calls the handle's, whose context ends when all of it is over. The
// kernel never interrupts a release.
func (r releases) Release(_ <-chan struct{}, in *fuse.ReleaseIn) {
	over := make(chan struct{})
	defer close(over)
	r.RawFileSystem.Release(over, in)
}

// mount is fusefs.Mount, with releases, and with what earlier mounts have promised.
func (f *FS) mount(pending []cache.Pending) (*fuse.Server, error) {
	o := f.mountOptions()
	raw := fusefs.NewNodeFS(f.root, o)
	f.wb.restore(pending) // before anybody can ask
	server, err := fuse.NewServer(releases{raw}, f.dir, &o.MountOptions)
	if err != nil {
		return nil, err
	}
	go server.Serve()
	return server, server.WaitMount()
}

// Release is the end of the handle. Content that came after the last flush (a
// mapping's) is stored now; what cannot be stored is kept for recovery, and the
// file shows again what the bucket has.
func (h *fileHandle) Release(ctx context.Context) syscall.Errno {
	h.n.releasing(ctx.Done())
	h.end(context.WithoutCancel(ctx))
	return 0
}

// releasing notes a release that is under way until over is closed.
func (n *node) releasing(over <-chan struct{}) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.fs.disk != nil { // also before passes is known: it may be over after that
		n.releasedLocked()
		n.mu.releases = append(n.mu.releases, over)
	}
}

// releasedLocked tells whether no release is under way.
func (n *node) releasedLocked() bool {
	n.mu.releases = slices.DeleteFunc(n.mu.releases, func(over <-chan struct{}) bool {
		select {
		case <-over:
			return true
		default:
			return false
		}
	})
	return len(n.mu.releases) == 0
}
