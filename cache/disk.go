package cache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/golang-lru/v2/simplelru"
)

// DiskBlock is the unit of a Disk, in bytes. The kernel reads whole pages, so
// what any read fetched exactly can be kept.
const DiskBlock = 4 << 10

const (
	minDiskSize = 16 << 20 // the directories alone may take 1 MiB
	mostSegment = 64 << 20
	mostBatch   = 1024 // blocks stored at once, under one lock
	openPairs   = 112  // of two descriptors each
	mostTrust   = 4096 // of up to 4 KiB each
	// mostUnderWay bounds the bytes of stores under way. A disk that is slower than
	// the bucket must not slow its readers down: it gets what it can take. It is
	// less than the longest requests that are under way together (maxFetches).
	mostUnderWay = 192 << 20
	pauseTime    = time.Second // without storing, after the disk failed
	touchEvery   = time.Minute
	lookEvery    = time.Minute
)

// Names in the directory, beside the content.
const (
	gateName  = "lock"
	evictName = "evict.lock"
)

// DiskOptions say where a Disk is and how much it may take.
type DiskOptions struct {
	// Dir is made, 0700, if it is missing.
	Dir string
	// Size is what the content may take, in bytes of disk blocks: 16 MiB at least.
	Size int64
	// MinFree is how many bytes stay free on the file system of Dir.
	MinFree int64
	// Log may be nil.
	Log *slog.Logger
}

// Version is one version of one object.
type Version struct {
	Store string // tells buckets apart: endpoint and bucket
	Key   string
	ETag  string // without it nothing is cached
	Size  int64  // bytes
}

// DiskStats are counters since OpenDisk, but for Bytes and Files.
type DiskStats struct {
	Bytes   int64 // of disk blocks, in use as far as this process knows
	Files   int64 // cached: objects, or parts of large ones
	Hits    int64 // bytes that reads got
	Misses  int64 // bytes that reads did not get
	Stored  int64 // bytes
	Dropped int64 // bytes that were not stored: no room, or the disk failed
	Corrupt int64 // blocks and files that were damaged
	Evicted int64 // files
}

// Disk keeps content of objects in a local directory, which any number of
// mounts and processes share and which outlives them.
//
// Every block of 4 KiB has a checksum, which is written after the block. So a
// process may be killed, and the machine lose its power, at any moment: a block
// is right, or absent, or wrong in a way that is seen and makes it absent.
// Processes need no agreement on content: a block of a version is the same
// whoever writes it.
//
// The directory takes Size at most, and a 16th of it more for each further
// process that stores at the same time, and before the first look at it. A
// process of another Size splits large objects in another way, and does not
// share them.
//
// Locks, in the order in which they may be taken: segment.storing, shape, mu.
type Disk struct {
	dir     string
	size    int64
	minFree int64
	segment int64 // bytes
	batch   int64 // blocks
	log     *slog.Logger
	now     func() time.Time
	free    func() (int64, error) // bytes, on the file system

	shape   sync.Mutex // with gate: files are made and removed
	gate    *os.File
	evictor *os.File // locked by the process that evicts
	looking sync.Mutex
	wake    chan struct{}
	stop    context.Context
	cancel  context.CancelFunc
	wg      sync.WaitGroup
	buffers sync.Pool // *diskBuffer

	hits, misses, stored, dropped, corrupt, evicted atomic.Int64

	mu struct {
		sync.Mutex
		closed    bool
		files     map[Version]*DiskFile
		open      *simplelru.LRU[segmentKey, *segment]
		toClose   []*segment // thrown out of open, and used by nobody
		trust     *simplelru.LRU[diskName, *trust]
		verifying map[diskName]struct{}
		faults    map[string]struct{} // logged already
		paused    time.Time           // until then nothing is stored
		stuck     time.Time           // until then nobody waits for the gate

		looked   bool  // total is known
		total    int64 // bytes of disk blocks, at the last look
		since    int64 // bytes that this process stored since
		reserved int64 // bytes of stores under way
		pairs    int64 // files, one with its index

		freeAt    time.Time // when free space was looked at
		freeSince int64     // bytes stored since
		scarce    bool      // less than minFree
	}
}

// diskBuffer holds index entries, or one block.
type diskBuffer [16 << 10]byte

// OpenDisk opens a cache of content. It fails where the directory cannot be
// made or locked, is no directory, belongs to another user, or can be entered
// by others: cached content is as secret as the bucket's.
func OpenDisk(o DiskOptions) (*Disk, error) {
	d, err := newDisk(o)
	if err != nil {
		return nil, err
	}
	d.wg.Go(d.keep)
	return d, nil
}

// newDisk is OpenDisk without the goroutine that looks after the limits.
func newDisk(o DiskOptions) (*Disk, error) {
	if o.Size < minDiskSize {
		return nil, fmt.Errorf("a disk cache of %d bytes is too small: it takes %d at least", o.Size, minDiskSize)
	}
	if err := checkDiskDir(o.Dir); err != nil {
		return nil, err
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	d := &Disk{dir: o.Dir, size: o.Size, minFree: o.MinFree, log: o.Log, now: time.Now, segment: mostSegment}
	for d.segment > o.Size/4 {
		d.segment /= 2 // eviction has a grain that fits
	}
	d.batch = min(mostBatch, o.Size/64/DiskBlock)
	d.free = func() (int64, error) { return freeBytes(o.Dir) }
	d.wake = make(chan struct{}, 1)
	d.stop, d.cancel = context.WithCancel(context.Background())
	d.buffers.New = func() any { return new(diskBuffer) }
	d.mu.files = map[Version]*DiskFile{}
	d.mu.verifying = map[diskName]struct{}{}
	d.mu.faults = map[string]struct{}{}
	var err error
	d.mu.open, err = simplelru.NewLRU(openPairs, d.shutLocked)
	if err == nil {
		d.mu.trust, err = simplelru.NewLRU[diskName, *trust](mostTrust, nil)
	}
	if err == nil {
		d.gate, err = openDiskLock(filepath.Join(o.Dir, gateName))
	}
	if err == nil {
		d.evictor, err = openDiskLock(filepath.Join(o.Dir, evictName))
	}
	if err != nil {
		d.gate.Close() // nil is refused, and nothing happens
		return nil, fmt.Errorf("disk cache %q is not usable: %w", o.Dir, err)
	}
	return d, nil
}

// checkDiskDir makes dir, or sees to it that only we can enter it. Permissions
// that are wrong are not set right: the directory may be meant for others.
func checkDiskDir(dir string) error {
	const hint = `give the disk cache a directory of its own`
	if err := os.MkdirAll(dir, 0o700); err != nil && !errors.Is(err, syscall.ENOTDIR) {
		return fmt.Errorf("create the disk cache's directory: %w", err)
	}
	info, err := os.Stat(dir)
	if errors.Is(err, syscall.ENOTDIR) || err == nil && !info.IsDir() {
		return fmt.Errorf("disk cache %q is not a directory: %s", dir, hint)
	}
	if err != nil {
		return fmt.Errorf("disk cache: %w", err)
	}
	if st, ok := info.Sys().(*syscall.Stat_t); !ok || int(st.Uid) != os.Geteuid() {
		return fmt.Errorf("disk cache %q belongs to another user: %s", dir, hint)
	}
	if open := info.Mode().Perm() & 0o077; open != 0 {
		return fmt.Errorf("disk cache %q is open to other users (mode %04o): run chmod 700 on it, or %s",
			dir, info.Mode().Perm(), hint)
	}
	return nil
}

func openDiskLock(name string) (*os.File, error) {
	return os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
}

// Close ends all work behind the scenes and closes all files. A DiskFile that
// is still open has nothing any more and stores nothing.
func (d *Disk) Close() error {
	d.mu.Lock()
	if d.mu.closed {
		d.mu.Unlock()
		return nil
	}
	d.mu.closed = true
	d.mu.open.Purge()
	d.unlockAndClose()
	d.cancel()
	d.wg.Wait()
	d.shape.Lock()
	defer d.shape.Unlock()
	if err := errors.Join(d.gate.Close(), d.evictor.Close()); err != nil {
		return fmt.Errorf("close disk cache: %w", err)
	}
	return nil
}

// Stats returns the counters.
func (d *Disk) Stats() DiskStats {
	s := DiskStats{
		Hits: d.hits.Load(), Misses: d.misses.Load(), Stored: d.stored.Load(),
		Dropped: d.dropped.Load(), Corrupt: d.corrupt.Load(), Evicted: d.evicted.Load(),
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	s.Bytes, s.Files = d.mu.total+d.mu.since, d.mu.pairs
	return s
}

// fault logs what the disk refused, once for each kind of trouble: it is likely
// to come with each block.
func (d *Disk) fault(op string, err error) {
	kind := op
	if no := syscall.Errno(0); errors.As(err, &no) {
		kind = fmt.Sprint(op, " ", int(no))
	}
	d.mu.Lock()
	_, known := d.mu.faults[kind]
	d.mu.faults[kind] = struct{}{}
	d.mu.Unlock()
	if !known {
		d.log.Warn("the disk cache does not work as it should; mounts go on without it", "op", op, "err", err)
	}
}

// pause is for faults of storing: a full disk is not asked with each block.
func (d *Disk) pause(op string, err error) {
	d.fault(op, err)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.paused = d.now().Add(pauseTime)
}

func freeBytes(dir string) (int64, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return 0, &os.PathError{Op: "statfs", Path: dir, Err: err}
	}
	return int64(st.Bavail * uint64(st.Frsize)), nil
}
