package cache

import (
	"encoding/binary"
	"errors"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// segment is an open pair: an object, or 64 MiB of one that is large. All that
// is known of its blocks is in the index file: the page cache is its memory,
// and what other processes store is seen at once.
type segment struct {
	d           *Disk
	name        diskName
	key         string // of the object, for the log
	base        int64  // of the segment, in the object
	size        int64  // bytes
	blocks      int64
	index, data *os.File

	storing sync.Mutex   // one store at a time: data, then index
	hole    atomic.Int64 // blocks before it were all there
	touched atomic.Int64 // nanoseconds
	damaged atomic.Bool  // complete, and given up

	refs int  // guarded by Disk.mu
	shut bool // guarded by Disk.mu: closed when nobody uses it
}

func (s *segment) close() {
	s.index.Close()
	s.data.Close() // either may be nil
}

// blockLen is less than a block at the object's end only.
func (s *segment) blockLen(b int64) int64 { return min(DiskBlock, s.size-b*DiskBlock) }

// fileID tells whether a file is as it was.
type fileID struct {
	ino          uint64
	size         int64
	mtime, ctime unix.Timespec
}

func idOf(f *os.File) (fileID, unix.Stat_t, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return fileID{}, st, &os.PathError{Op: "fstat", Path: f.Name(), Err: err}
	}
	return fileID{st.Ino, st.Size, st.Mtim, st.Ctim}, st, nil
}

type pairStat struct {
	data      fileID
	indexSize int64
	bytes     int64 // of disk blocks
	unlinked  bool
}

func (s *segment) stat() (p pairStat, err error) {
	id, data, err := idOf(s.data)
	if err != nil {
		return p, err
	}
	_, index, err := idOf(s.index)
	return pairStat{
		data: id, indexSize: index.Size, bytes: (data.Blocks + index.Blocks) * 512,
		unlinked: data.Nlink == 0 || index.Nlink == 0,
	}, err
}

// touch makes the pair the one that was used last.
func (s *segment) touch() {
	now, last := s.d.now(), s.touched.Load()
	if now.Sub(time.Unix(0, last)) >= touchEvery && s.touched.CompareAndSwap(last, now.UnixNano()) {
		_ = os.Chtimes(s.d.path(s.name, indexFile), time.Time{}, now) // it may be gone
	}
}

// entries reads the index of up to n blocks from b on, as many as the buffer
// holds. What cannot be read is absent for readers.
func (s *segment) entries(buf *diskBuffer, b, n int64) (sums []byte, err error) {
	sums = buf[:min(4*n, int64(len(buf)))]
	got, err := s.index.ReadAt(sums, headerSize+4*b)
	if err != nil {
		clear(sums[got&^3:])
	}
	return sums, err
}

func sumAt(p []byte, i int64) uint32 { return binary.LittleEndian.Uint32(p[4*i:]) }

// runAt is how many entries from i on are there, or are not.
func runAt(p []byte, i int64) (there bool, n int64) {
	there = sumAt(p, i) != 0
	for n = 1; 4*(i+n) < int64(len(p)) && (sumAt(p, i+n) != 0) == there; n++ {
	}
	return there, n
}

// have is how far the blocks from b on are all there, or all absent, below end.
func (s *segment) have(b, end int64) (there bool, until int64) {
	buf := s.d.buffers.Get().(*diskBuffer)
	defer s.d.buffers.Put(buf)
	for until = b; until < end; {
		p, _ := s.entries(buf, until, end-until) // absent where that failed
		now, n := runAt(p, 0)
		if until > b && now != there {
			break
		}
		there = now
		until += n
		if 4*n < int64(len(p)) {
			break
		}
	}
	return there, until
}

func (s *segment) complete() bool {
	from := s.hole.Load()
	if from == s.blocks {
		return true
	}
	there, until := s.have(from, s.blocks)
	if there {
		s.hole.CompareAndSwap(from, until)
	}
	return there && until == s.blocks
}

// holeAt corrects what complete goes by: another process has dropped a block.
func (s *segment) holeAt(b int64) {
	for at := s.hole.Load(); b < at && !s.hole.CompareAndSwap(at, b); at = s.hole.Load() {
	}
}

// checksum is what the index says of a block: 0 is kept for absent ones.
func checksum(sum uint32) uint32 {
	if sum == 0 {
		return 1
	}
	return sum
}

// read fills p from off on with what is there and right.
func (s *segment) read(p []byte, off int64) (n int64) {
	for n < int64(len(p)) {
		b, skip := (off+n)/DiskBlock, (off+n)%DiskBlock
		var got int64
		if rest := p[n:]; skip != 0 || int64(len(rest)) < s.blockLen(b) {
			got = s.readPart(rest, b, skip)
		} else {
			got = s.readWhole(rest, b)
		}
		if got == 0 {
			return n
		}
		n += got
	}
	return n
}

// readPart reads from one block, of which p is not all.
func (s *segment) readPart(p []byte, b, skip int64) int64 {
	buf := s.d.buffers.Get().(*diskBuffer)
	defer s.d.buffers.Put(buf)
	n := s.readWhole(buf[:s.blockLen(b)], b)
	if n <= skip {
		return 0
	}
	return int64(copy(p, buf[skip:n]))
}

// readWhole fills p with whole blocks from b on, as many as fit, are there and
// are right. It may stop early where it did something.
func (s *segment) readWhole(p []byte, b int64) int64 {
	buf := s.d.buffers.Get().(*diskBuffer)
	defer s.d.buffers.Put(buf)
	n := min(blocksOf(int64(len(p))), s.blocks-b)
	if min((b+n)*DiskBlock, s.size)-b*DiskBlock > int64(len(p)) {
		n-- // the last one does not fit
	}
	sums, _ := s.entries(buf, b, n) // absent where that failed
	there, n := runAt(sums, 0)
	if !there {
		s.holeAt(b)
		return 0
	}
	p = p[:min(n*DiskBlock, s.size-b*DiskBlock)]
	t := s.reading()
	got, err := s.data.ReadAt(p, b*DiskBlock)
	if err != nil {
		clear(p[got:]) // the checksums say what to think of it
	}
	for i := range n {
		block := p[i*DiskBlock:][:s.blockLen(b+i)]
		if checksum(crc32c(0, block)) != sumAt(sums, i) && !s.again(block, b+i) {
			s.checked(t, Range{b, b + i})
			return i * DiskBlock
		}
	}
	s.checked(t, Range{b, b + n})
	return int64(len(p))
}

// again reads a block that was not right. It may be right now: another process
// may have dropped and stored it in between. Else it is dropped.
func (s *segment) again(block []byte, b int64) bool {
	s.storing.Lock()
	defer s.storing.Unlock()
	buf := s.d.buffers.Get().(*diskBuffer)
	defer s.d.buffers.Put(buf)
	sums, _ := s.entries(buf, b, 1) // absent where that failed
	want := sumAt(sums, 0)
	if want == 0 || s.damaged.Load() {
		return false // it is known
	}
	_, err := s.data.ReadAt(block, b*DiskBlock)
	if err == nil && checksum(crc32c(0, block)) == want {
		return true
	}
	s.d.corrupt.Add(1)
	s.d.log.Warn("a block of the disk cache is damaged and given up", "key", s.key,
		"offset", s.base+b*DiskBlock, "err", err)
	s.drop(b)
	return false
}

// drop makes a block absent. A complete file is never written to, as the kernel
// may be reading it: it goes as a whole.
func (s *segment) drop(b int64) {
	s.holeAt(b)
	s.d.distrust(s.name)
	there, until := s.have(0, s.blocks)
	if !there || until < s.blocks {
		_, err := s.index.WriteAt(make([]byte, 4), headerSize+4*b)
		if err == nil {
			return
		}
		s.d.fault("write", err)
	}
	s.giveUp()
}

// giveUp removes the pair. Who has it open may go on to read what is right.
func (s *segment) giveUp() {
	s.damaged.Store(true)
	s.d.distrust(s.name)
	s.d.discard(s)
}

// errUnlinked says that a pair was removed while it was open.
var errUnlinked = errors.New("unlinked")

// store stores those blocks of [b, end) that are absent, and returns how many
// bytes that were, and by how much the pair has grown on disk.
func (s *segment) store(b, end int64, from *slicesAt) (stored, grown int64, err error) {
	s.storing.Lock()
	defer s.storing.Unlock()
	before, err := s.stat()
	if err != nil {
		return 0, 0, err
	}
	if before.unlinked {
		return 0, 0, errUnlinked
	}
	buf := s.d.buffers.Get().(*diskBuffer)
	defer s.d.buffers.Put(buf)
	sums, err := s.entries(buf, b, end-b)
	if err != nil {
		s.d.fault("read", err)
		s.giveUp() // nobody can tell what is there, and must not be written again
		return 0, 0, errUnlinked
	}
	var runs []Range
	for i := int64(0); i < end-b && err == nil; {
		there, n := runAt(sums, i)
		if !there {
			if err = s.storeRun(b+i, sums[4*i:4*(i+n)], from); err == nil {
				runs = append(runs, Range{b + i, b + i + n})
				stored += min(n*DiskBlock, s.size-(b+i)*DiskBlock)
			}
		}
		i += n
	}
	after, err2 := s.stat()
	if err2 != nil {
		return stored, 0, errors.Join(err, err2)
	}
	s.d.wrote(s.name, before.data, after.data, runs)
	return stored, after.bytes - before.bytes, err
}

// storeRun stores the blocks from b on that sums has room for. The index comes
// last: no moment is there at which a process that dies leaves a wrong block.
func (s *segment) storeRun(b int64, sums []byte, from *slicesAt) error {
	n := int64(len(sums)) / 4
	for i := range n {
		sum := uint32(0)
		off := (b + i) * DiskBlock
		for _, p := range from.get(s.base+off, s.base+off+s.blockLen(b+i)) {
			sum = crc32c(sum, p)
		}
		binary.LittleEndian.PutUint32(sums[4*i:], checksum(sum))
	}
	off := b * DiskBlock
	for _, p := range from.get(s.base+off, s.base+min(off+n*DiskBlock, s.size)) {
		if _, err := s.data.WriteAt(p, off); err != nil {
			return err
		}
		off += int64(len(p))
	}
	_, err := s.index.WriteAt(sums, headerSize+4*b)
	return err
}
