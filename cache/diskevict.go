package cache

import (
	"cmp"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Eviction begins at 95 % of the limit and goes on down to 90 %: stores need
// not wait for it, and one look at the directory makes room for many of them.
func (d *Disk) high() int64 { return d.size / 100 * 95 }
func (d *Disk) low() int64  { return d.size / 100 * 90 }

// lookAfter is how much this process may store on what it knows from a look.
func (d *Disk) lookAfter() int64 { return d.size / 16 }

// freeAfter is how much is stored until free space is looked at again.
const freeAfter = 64 << 20

// admit says whether so many bytes may be stored now. If so they count from now
// on, until settle says what they have become.
func (d *Disk) admit(need int64) bool {
	if !d.enoughFree(need) {
		d.kick()
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.mu.closed || d.now().Before(d.mu.paused) || d.mu.reserved > mostUnderWay {
		return false
	}
	used, limit := d.mu.total+d.mu.since+d.mu.reserved, d.size
	if !d.mu.looked {
		limit = d.lookAfter() // all that was there before may be the limit
	}
	fits := used+need <= limit
	if !fits || used > d.high() || d.mu.since > d.lookAfter() {
		d.kick()
	}
	if fits {
		d.mu.reserved += need
	}
	return fits
}

func (d *Disk) settle(need, grown int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.reserved -= need
	d.mu.since += grown
}

// enoughFree looks at the free space once a second or each 64 MiB.
func (d *Disk) enoughFree(need int64) bool {
	d.mu.Lock()
	d.mu.freeSince += need
	now := d.now()
	ask := d.mu.freeSince >= freeAfter || now.Sub(d.mu.freeAt) >= time.Second
	if ask {
		d.mu.freeAt, d.mu.freeSince = now, 0
	}
	scarce := d.mu.scarce
	d.mu.Unlock()
	if ask {
		scarce = d.missing() > 0
	}
	return !scarce
}

// missing is how many bytes more should be free.
func (d *Disk) missing() int64 {
	free, err := d.free()
	if err != nil {
		d.fault("statfs", err)
		free = d.minFree // stores will tell
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.scarce = free < d.minFree
	return max(d.minFree-free, 0)
}

// kick asks for a look.
func (d *Disk) kick() {
	select {
	case d.wake <- struct{}{}:
	default:
	}
}

// keep looks after the limits until Close.
func (d *Disk) keep() {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-time.After(d.look()):
		case <-d.stop.Done():
			return
		}
		select {
		case <-d.wake:
		case <-tick.C:
		case <-d.stop.Done():
			return
		}
	}
}

// What look returns where the limits are not kept.
const (
	busyRest = 50 * time.Millisecond // another process is evicting
	failRest = time.Second           // there may be no help: other files fill the disk
)

// look finds out what is used, and evicts where that is too much. It returns
// how long to wait before the next look makes sense: 0 where the limits are kept.
func (d *Disk) look() time.Duration {
	d.looking.Lock()
	defer d.looking.Unlock()
	d.detachUnlinked()
	d.touchPassed()
	d.mu.Lock()
	since := d.mu.since
	d.mu.Unlock()
	list, total, err := d.scan()
	if err != nil {
		d.fault("scan", err)
		return failRest
	}
	d.mu.Lock()
	d.mu.looked = true
	d.mu.total, d.mu.pairs = total, int64(len(list))
	d.mu.since -= since // what was stored during the scan counts twice till the next
	excess := int64(0)
	if used := total + d.mu.since; used > d.high() {
		excess = used - d.low()
	}
	d.mu.Unlock()
	if missing := d.missing(); missing > 0 {
		excess = max(excess, missing+d.size/32) // some more, or the next store asks again
	}
	if excess > 0 {
		if rest := d.evict(list, excess); rest > 0 {
			return rest
		}
	}
	select {
	case <-d.wake: // asked for while this was under way
	default:
	}
	if d.missing() > 0 {
		return failRest
	}
	return 0
}

// cached is one pair as a scan finds it.
type cached struct {
	name  diskName
	bytes int64 // of disk blocks
	used  int64 // nanoseconds: the last use
	open  bool  // in this process
}

// scan lists all pairs. total has the directories as well.
func (d *Disk) scan() (list []cached, total int64, err error) {
	total, err = blocksAt(d.dir)
	if err != nil {
		return nil, 0, err
	}
	subs, err := os.ReadDir(d.dir)
	if err != nil {
		return nil, 0, err
	}
	for _, sub := range subs {
		if err := d.stop.Err(); err != nil {
			return nil, 0, err
		}
		if !sub.IsDir() || len(sub.Name()) != 2 || !isHex(sub.Name()) {
			continue
		}
		found, err := scanSub(d.dir, sub.Name())
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, 0, err
		}
		own, err := blocksAt(filepath.Join(d.dir, sub.Name()))
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, 0, err
		}
		total += own
		for _, c := range found {
			total += c.bytes
		}
		list = append(list, found...)
	}
	return list, total, nil
}

// blocksAt is what a file or directory itself takes, in bytes.
func blocksAt(path string) (int64, error) {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return 0, &os.PathError{Op: "lstat", Path: path, Err: err}
	}
	return st.Blocks * 512, nil
}

func scanSub(dir, sub string) (list []cached, err error) {
	entries, err := os.ReadDir(filepath.Join(dir, sub))
	if err != nil {
		return nil, err
	}
	for _, e := range entries { // sorted: the files of a pair follow each other
		name, ok := parseName(sub, e.Name())
		if !ok || !e.Type().IsRegular() {
			continue
		}
		info, err := e.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		if n := len(list); n == 0 || list[n-1].name != name {
			list = append(list, cached{name: name})
		}
		c := &list[len(list)-1]
		if st, ok := info.Sys().(*syscall.Stat_t); ok {
			c.bytes += st.Blocks * 512
		}
		c.used = info.ModTime().UnixNano() // the index comes last, if there is one
	}
	return list, nil
}

// evict removes pairs until excess bytes are gone, those first that were not
// used for the longest time, and what is open here last. It returns what look
// does.
func (d *Disk) evict(list []cached, excess int64) time.Duration {
	fd := int(d.evictor.Fd())
	if err := unix.Flock(fd, unix.LOCK_EX|unix.LOCK_NB); err != nil {
		return busyRest
	}
	defer func() { _ = unix.Flock(fd, unix.LOCK_UN) }() // of a lock that we have
	d.mu.Lock()
	used := d.usedLocked()
	d.mu.Unlock()
	for i := range list {
		list[i].open = used[list[i].name]
	}
	slices.SortFunc(list, func(a, b cached) int {
		if a.open != b.open {
			if b.open {
				return -1
			}
			return 1
		}
		return cmp.Compare(a.used, b.used)
	})
	for _, c := range list {
		if excess <= 0 || d.stop.Err() != nil {
			break
		}
		if !d.evictOne(c) {
			return failRest
		}
		excess -= c.bytes
	}
	if excess > 0 {
		return failRest
	}
	return 0
}

func (d *Disk) evictOne(c cached) bool {
	// To free the blocks of a large file takes time. While it is open here that
	// does not happen before the gate is unlocked.
	if f, err := openDiskFile(d.path(c.name, dataFile), os.O_RDONLY); err == nil {
		defer f.Close()
	}
	if !d.lockShape() {
		return false
	}
	err := d.removePair(c.name)
	d.unlockShape()
	if err != nil {
		d.fault("remove", err)
		return false
	}
	d.detach(c.name)
	d.evicted.Add(1)
	d.mu.Lock()
	d.mu.total -= c.bytes
	d.mu.pairs--
	d.mu.Unlock()
	return true
}
