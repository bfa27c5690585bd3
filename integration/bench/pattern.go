package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// errBadData marks bytes that are not those which were stored.
var errBadData = errors.New("BAD DATA")

// stampEvery is the distance of the words that a measured read looks at: one
// a page, so that looking costs next to nothing.
const stampEvery = 4096

// word is the content of object seed at word index i. It depends on both, so
// that a block at a wrong place or of a wrong object is found, and it looks
// random, so that no compression anywhere helps anyone.
func word(seed, i uint64) uint64 {
	z := (seed<<44 ^ i) * 0x9E3779B97F4A7C15
	z ^= z >> 32
	return z * 0xD6E8FEB86659FD93
}

// fill writes the content of object seed at offset off, a multiple of 8. The
// length of b is one too.
func fill(b []byte, off int64, seed uint64) {
	i := uint64(off) / 8
	for ; len(b) >= 8; b = b[8:] {
		binary.LittleEndian.PutUint64(b, word(seed, i))
		i++
	}
}

// stamped checks the first word of each page of data read at off.
func stamped(b []byte, off int64, seed uint64) error {
	return checkWords(b, off, seed, stampEvery)
}

// exact checks each word of data read at off.
func exact(b []byte, off int64, seed uint64) error { return checkWords(b, off, seed, 8) }

func checkWords(b []byte, off int64, seed uint64, every int64) error {
	for i := (every - off%every) % every; i+8 <= int64(len(b)); i += every {
		if got := binary.LittleEndian.Uint64(b[i:]); got != word(seed, uint64(off+i)/8) {
			return fmt.Errorf("%w at offset %d", errBadData, off+i)
		}
	}
	return nil
}

// pattern is the content of object seed as a file.
type pattern struct {
	off, size int64
	seed      uint64
}

// ReadAt implements io.ReaderAt.
func (p *pattern) ReadAt(b []byte, off int64) (int, error) {
	if off >= p.size {
		return 0, io.EOF
	}
	n := min(int64(len(b)), p.size-off)
	p.fillAt(b[:n], off)
	if n < int64(len(b)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

// fillAt is fill for any offset and length.
func (p *pattern) fillAt(b []byte, off int64) {
	var w [8]byte
	if lead := off % 8; lead != 0 {
		fill(w[:], off-lead, p.seed)
		n := copy(b, w[lead:])
		b, off = b[n:], off+int64(n)
	}
	whole := len(b) &^ 7
	fill(b[:whole], off, p.seed)
	if whole < len(b) {
		fill(w[:], off+int64(whole), p.seed)
		copy(b[whole:], w[:])
	}
}

// Read implements io.Reader.
func (p *pattern) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	n, err := p.ReadAt(b, p.off)
	p.off += int64(n)
	if n > 0 {
		err = nil
	}
	return n, err
}

// Seek implements io.Seeker.
func (p *pattern) Seek(off int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		off += p.off
	case io.SeekEnd:
		off += p.size
	}
	if off < 0 {
		return 0, errors.New("seek before the start")
	}
	p.off = off
	return off, nil
}

// newBlock is the data that W12 and W13 write.
func newBlock(n int64) []byte {
	b := make([]byte, n)
	fill(b, 0, 99)
	return b
}
