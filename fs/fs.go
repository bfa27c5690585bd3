package fs

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	fusefs "github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"
	"golang.org/x/sync/singleflight"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
	"github.com/pailfs/pailfs/xattr"
)

// FS is one mount.
type FS struct {
	opt    Options
	log    *slog.Logger
	b      bucket.API
	meta   *cache.Metadata
	memory *cache.Memory
	stage  *cache.Stage
	disk   *cache.Disk // nil: none
	passes atomic.Bool // the kernel can read files of disk by itself

	wholeOnly atomic.Bool // the store does not copy parts of objects

	links    xattr.Linker
	tree     *tree
	siblings siblings
	guard    *guard
	flight   singleflight.Group // lookups of one key under way

	archived toldOnce // archived objects that the log has told of

	copies struct { // made by conflicts, for status
		sync.Mutex
		list []ConflictCopyInfo
	}

	wb     *writeback
	notify *notifier
	sweeps *sweeper
	root   *node
	server *fuse.Server
	dir    string
	since  time.Time
}

var _ Server = (*FS)(nil)

// Defaults of Options.
const (
	defaultTTL         = 5 * time.Second
	defaultFileMode    = 0o644
	defaultDirMode     = 0o755
	defaultLinkExpires = time.Hour
	maxDefaultMemory   = 1 << 30
	defaultMemoryPart  = 8 // of the machine's or the cgroup's memory

	maxWrite      = 1 << 20 // bytes of one FUSE request, the kernel's limit
	drainParallel = 16      // uploads of a drain at once

	// Asynchronous requests that the kernel may have under way. go-fuse holds
	// a buffer of maxWrite for each: they count as part of the memory limit.
	minBackground  = 8
	maxBackground  = 64
	backgroundPart = 4 // of the memory limit, at most

	maxKernelAhead  = 4 << 20 // bytes; an access by mmap fetches so many around it
	kernelAheadPart = 8       // of the memory limit, at most
)

func (o Options) withDefaults() Options {
	switch {
	case o.MetadataTTL == 0:
		o.MetadataTTL = defaultTTL
	case o.MetadataTTL < 0:
		o.MetadataTTL = 0
	}
	if o.FileMode == 0 {
		o.FileMode = defaultFileMode
	}
	if o.DirMode == 0 {
		o.DirMode = defaultDirMode
	}
	if o.LinkExpires == 0 {
		o.LinkExpires = defaultLinkExpires
	}
	if o.MemoryLimit == 0 {
		o.MemoryLimit = DefaultMemoryLimit()
	}
	if o.Metadata == "" {
		o.Metadata = MetadataAuto
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	return o
}

// background is how many asynchronous requests the kernel may have under way.
func (o Options) background() int {
	return int(min(max(o.MemoryLimit/backgroundPart/maxWrite, minBackground), maxBackground))
}

// KernelReadAhead is how many bytes the kernel should read ahead of a stream:
// more than its own 128 KiB, by requests of 1 MiB, several at once.
func (f *FS) KernelReadAhead() int64 { return min(f.opt.MemoryLimit/kernelAheadPart, maxKernelAhead) }

// Mount mounts the bucket at dir and serves it until it is unmounted.
func Mount(dir string, o Options) (Server, error) {
	o = o.withDefaults()
	stage, err := cache.OpenStage(o.StageDir, o.Logger)
	if err != nil {
		return nil, fmt.Errorf("stage directory %s: %w", o.StageDir, err)
	}
	f := &FS{
		opt: o, log: o.Logger, stage: stage, dir: dir, since: time.Now(),
		meta: cache.NewMetadata(o.MetadataTTL), memory: cache.NewMemory(o.MemoryLimit - maxWrite*int64(o.background())),
		tree: newTree(), guard: newGuard(),
	}
	f.b = doubtful{o.Bucket, f.meta}
	if !o.Writeback { // else a close must not wait for the store, nor the store see what a later close replaces
		stage.Stream(o.Bucket.Layout(), streamParts)
	}
	if o.CacheDir != "" {
		f.disk, err = cache.OpenDisk(cache.DiskOptions{Dir: o.CacheDir, Size: o.CacheSize, MinFree: o.CacheMinFree, Log: o.Logger})
		if err != nil {
			return nil, errors.Join(err, f.stage.Close())
		}
	}
	var pending []cache.Pending
	if !o.ReadOnly { // else the next that may write finds them
		if pending, err = stage.Replay(f.pathOf); err != nil {
			return nil, errors.Join(fmt.Errorf("what an earlier mount has promised to store: %w", err), f.closeLocal())
		}
	}
	f.root = f.tree.addRoot(f, o.Prefix)
	f.wb = newWriteback(f, o.Writeback && !o.ReadOnly)
	f.notify, f.sweeps = newNotifier(f), newSweeper(f.tree, f.memory)
	f.server, err = f.mount(pending)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("mounting at %s: %w", dir, err), f.Close())
	}
	f.tryPassthrough()
	return f, nil
}

func (f *FS) mountOptions() *fusefs.Options {
	m := fuse.MountOptions{
		Name: "pailfs", FsName: f.opt.Source, AllowOther: f.opt.AllowOther,
		MaxWrite: maxWrite, MaxBackground: f.opt.background(),
		DisableSplice: true, // a 1 MiB reply never fits the pipe; each try would log a line
		// The kernel sends O_TRUNC with open: no truncate(2) to be told apart from it.
		ExtraCapabilities: fuse.CAP_READDIRPLUS_AUTO | fuse.CAP_ATOMIC_O_TRUNC,
		PanicHandler:      f.panicked,
		Debug:             f.opt.Debug,
		DirectMount:       os.Geteuid() == 0,
		Logger:            slog.NewLogLogger(f.log.Handler(), slog.LevelDebug),
	}
	if f.opt.ReadOnly {
		m.Options = append(m.Options, "ro")
	}
	if f.opt.AllowOther {
		m.Options = append(m.Options, "default_permissions")
	}
	// AttrTimeout and NegativeTimeout stay nil: set, they overwrite the zero
	// timeout of attributes that are not known yet.
	return &fusefs.Options{
		MountOptions: m, NullPermissions: true, RootStableAttr: &fusefs.StableAttr{Ino: rootIno},
		Logger: slog.NewLogLogger(f.log.Handler(), slog.LevelDebug),
	}
}

// panicked answers a request whose handler panicked; the mount lives on.
func (f *FS) panicked(v any) fuse.Status {
	f.log.Error("a request panicked", "panic", v, "stack", string(debug.Stack()))
	return fuse.EIO
}

// Wait returns when the file system is unmounted.
func (f *FS) Wait() { f.server.Wait() }

// Unmount detaches the mount. It fails with EBUSY while the mount is in use,
// unless lazy.
func (f *FS) Unmount(lazy bool) error {
	if lazy {
		return detach(f.dir)
	}
	if err := f.server.Unmount(); err != nil {
		return fmt.Errorf("unmounting %s: %w", f.dir, err)
	}
	return nil
}

// Close ends the mount after Wait and Drain: what could not be stored is kept
// for the next mount's `pailfs recover`, or stays in the journal, and the rest of
// the stage is removed.
func (f *FS) Close() error {
	f.wb.stop()
	for _, n := range f.tree.dirty() {
		n.mu.Lock()
		failed := n.mu.failed
		n.mu.Unlock()
		if n.promised() && !final(failed) {
			f.log.Error("not stored: it stays in the journal for the next mount", "key", n.key())
			continue
		}
		n.mu.Lock()
		cause := n.mu.failed
		n.mu.writers = 0 // no request comes any more
		n.mu.Unlock()
		if cause == nil {
			cause = errUnmounted
		}
		n.keep(cause)
	}
	f.notify.close()
	f.sweeps.close()
	return f.closeLocal()
}

// closeLocal gives up what is on this machine.
func (f *FS) closeLocal() error {
	f.memory.Close()
	if f.disk != nil {
		s := f.disk.Stats()
		f.log.Debug("disk cache", "hits", s.Hits, "misses", s.Misses, "stored", s.Stored, "dropped", s.Dropped,
			"corrupt", s.Corrupt, "evicted", s.Evicted, "bytes", s.Bytes, "files", s.Files)
		if err := f.disk.Close(); err != nil {
			f.log.Warn("closing the disk cache", "err", err)
		}
	}
	return f.stage.Close()
}

var errUnmounted = errors.New("the mount ended before it was stored")

// pathOf is key as a path below the mount, for messages.
func (f *FS) pathOf(key string) string {
	if len(key) >= len(f.opt.Prefix) {
		return key[len(f.opt.Prefix):]
	}
	return key
}
