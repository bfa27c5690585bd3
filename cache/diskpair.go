package cache

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// What is cached of an object, or of a segment of a large one, is a pair of
// files. The data file is sparse and as long as what it is of: a complete one
// is the object. The index file has a header and four bytes a block: the
// block's CRC32C, or 0 where the block is absent.
//
// Pairs are made and removed under the gate, so that an index never meets the
// data of another pair. Where the gate is ignored, or the power fails, the
// checksums tell.
const (
	dataFile   = ".data"
	indexFile  = ".index"
	headerSize = 64
	diskFormat = "pailfs1\n"
)

// diskName is the hash of all that says what a pair holds.
type diskName [sha256.Size]byte

// nameOf is the name of the n-th segment of v. Where v is not split, segment is 0.
func nameOf(v Version, segment, n int64) diskName {
	b := []byte(diskFormat)
	for _, s := range []string{v.Store, v.Key, v.ETag} {
		b = binary.BigEndian.AppendUint64(b, uint64(len(s))) // "ab", "c" is not "a", "bc"
		b = append(b, s...)
	}
	for _, i := range []int64{v.Size, segment, n} {
		b = binary.BigEndian.AppendUint64(b, uint64(i))
	}
	return sha256.Sum256(b)
}

func (d *Disk) path(n diskName, suffix string) string {
	s := hex.EncodeToString(n[:])
	return filepath.Join(d.dir, s[:2], s[2:]+suffix)
}

// parseName is the inverse of path. Nothing it does not know is ever removed.
func parseName(dir, file string) (n diskName, ok bool) {
	suffix := filepath.Ext(file)
	digits := dir + strings.TrimSuffix(file, suffix)
	if suffix != dataFile && suffix != indexFile || len(digits) != hex.EncodedLen(len(n)) || !isHex(digits) {
		return n, false
	}
	_, err := hex.Decode(n[:], []byte(digits))
	return n, err == nil
}

func isHex(s string) bool { return strings.Trim(s, "0123456789abcdef") == "" }

// header is what an index begins with.
func (n diskName) header() []byte {
	b := append([]byte(diskFormat), n[:]...)
	b = binary.BigEndian.AppendUint32(b, crc32c(0, b))
	return append(b, make([]byte, headerSize-len(b))...)
}

func crc32c(sum uint32, p []byte) uint32 {
	return crc32.Update(sum, crc32.MakeTable(crc32.Castagnoli), p)
}

func blocksOf(size int64) int64 { return (size + DiskBlock - 1) / DiskBlock }

func indexSize(size int64) int64 { return headerSize + 4*blocksOf(size) }

// errDamaged says that a pair is not whole.
var errDamaged = errors.New("damaged")

// openPair opens the pair of that name, for size bytes. The error is
// fs.ErrNotExist where there is none, and errDamaged where it is no good. The
// latter may be passing: another process may be making or removing it.
func (d *Disk) openPair(name diskName, size int64) (*segment, error) {
	index, err := openDiskFile(d.path(name, indexFile), os.O_RDWR)
	if err != nil {
		return nil, err
	}
	s := &segment{d: d, name: name, size: size, blocks: blocksOf(size), index: index}
	s.data, err = openDiskFile(d.path(name, dataFile), os.O_RDWR)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = errDamaged
	case err == nil:
		err = s.check()
	}
	if err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

func openDiskFile(path string, how int) (*os.File, error) {
	return os.OpenFile(path, how|syscall.O_NOFOLLOW, 0o600)
}

// check compares a pair with what it should be.
func (s *segment) check() error {
	st, err := s.stat()
	if err != nil {
		return err
	}
	if st.unlinked || st.data.size != s.size || st.indexSize != indexSize(s.size) {
		return errDamaged
	}
	got := make([]byte, headerSize)
	if _, err := s.index.ReadAt(got, 0); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	if !bytes.Equal(got, s.name.header()) {
		return errDamaged
	}
	return nil
}

// fixPair opens a pair that could not be opened. A damaged one is removed, and
// made anew where create is set. It returns nil where there is none then.
func (d *Disk) fixPair(name diskName, size int64, create bool, key string) *segment {
	if !d.lockShape() {
		return nil
	}
	defer d.unlockShape()
	s, err := d.openPair(name, size)
	if err == nil {
		return s // it was not damaged but half made
	}
	damaged := errors.Is(err, errDamaged)
	if !damaged && !errors.Is(err, fs.ErrNotExist) {
		d.fault("open", err)
		return nil
	}
	if damaged {
		d.corrupt.Add(1)
		d.log.Warn("a file of the disk cache is damaged and given up", "key", key)
	}
	if err := d.removePair(name); err != nil {
		d.pause("remove", err)
		return nil
	}
	if !create {
		return nil
	}
	if s, err = d.createPair(name, size); err != nil {
		d.pause("create", err)
		return nil
	}
	return s
}

// createPair makes an empty pair. The gate is locked, and there is none.
func (d *Disk) createPair(name diskName, size int64) (s *segment, err error) {
	s = &segment{d: d, name: name, size: size, blocks: blocksOf(size)}
	path := d.path(name, dataFile)
	sub, err := makeSub(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	const how = os.O_RDWR | os.O_CREATE | os.O_EXCL
	if s.data, err = openDiskFile(path, how); err == nil {
		err = s.data.Truncate(size)
	}
	if err == nil {
		s.index, err = openDiskFile(d.path(name, indexFile), how)
	}
	if err == nil {
		err = s.index.Truncate(indexSize(size))
	}
	if err == nil {
		_, err = s.index.WriteAt(name.header(), 0)
	}
	var st pairStat
	if err == nil {
		st, err = s.stat()
	}
	if err != nil {
		s.close()
		return nil, errors.Join(err, d.removePair(name))
	}
	s.touched.Store(d.now().UnixNano())
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.since += st.bytes + sub
	d.mu.pairs++
	d.mu.trust.Add(name, &trust{id: st.data})
	return s, nil
}

// makeSub makes a directory, if it is missing, and returns how many bytes it has
// added to what is used.
func makeSub(path string) (int64, error) {
	err := os.Mkdir(path, 0o700)
	if errors.Is(err, fs.ErrExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return blocksAt(path)
}

// removePair removes what there is of a pair, the index first: data without an
// index is nothing.
func (d *Disk) removePair(name diskName) error {
	for _, suffix := range []string{indexFile, dataFile} {
		if err := os.Remove(d.path(name, suffix)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.trust.Remove(name)
	return nil
}

// lockShape locks the gate, or fails within some 50 ms: its holder needs far
// less, unless it was stopped, and reads must not wait for that.
func (d *Disk) lockShape() bool {
	d.shape.Lock()
	d.mu.Lock()
	stuck := d.mu.closed || d.now().Before(d.mu.stuck)
	d.mu.Unlock()
	if stuck {
		d.shape.Unlock()
		return false // those behind us do not wait once more
	}
	var err error
	for range 100 {
		if err = unix.Flock(int(d.gate.Fd()), unix.LOCK_EX|unix.LOCK_NB); err == nil {
			return true
		}
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			break
		}
		time.Sleep(500 * time.Microsecond)
	}
	d.mu.Lock()
	d.mu.stuck = d.now().Add(pauseTime)
	d.mu.Unlock()
	d.shape.Unlock()
	d.fault("lock", err)
	return false
}

func (d *Disk) unlockShape() {
	_ = unix.Flock(int(d.gate.Fd()), unix.LOCK_UN) // of a lock that we have
	d.shape.Unlock()
}
