package bucket

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
)

// castagnoli is the table of CRC32C, which the library makes once.
func castagnoli() *crc32.Table { return crc32.MakeTable(crc32.Castagnoli) }

// sumBuffer is the memory that a body is read in for its checksum, in bytes; of
// one that is smaller, as much as that.
const sumBuffer = 256 << 10

// rewind sets body to its start: the SDK sends what lies after where it is.
func rewind(body io.Reader) error {
	s, ok := body.(io.Seeker)
	if !ok {
		return errors.New("the body cannot be read twice")
	}
	_, err := s.Seek(0, io.SeekStart)
	return err
}

// length is the size of body in bytes. Its place is undefined after that.
func length(body io.Reader) (int64, error) {
	s, ok := body.(io.Seeker)
	if !ok {
		return 0, errors.New("the body cannot be read twice")
	}
	return s.Seek(0, io.SeekEnd)
}

// rewound runs use over all of body, and leaves body at its start.
func rewound(body io.Reader, use io.Writer) (n int64, err error) {
	size, err := length(body)
	if err != nil {
		return 0, err
	}
	if err = rewind(body); err != nil {
		return 0, err
	}
	// Hidden, or io.Copy would have the one write of the size of the other.
	n, err = io.CopyBuffer(struct{ io.Writer }{use}, struct{ io.Reader }{body}, make([]byte, min(max(size, 1), sumBuffer)))
	if err != nil {
		return n, err
	}
	return n, rewind(body)
}

// crcOf is the CRC32C of body, and the count of its bytes.
func crcOf(body io.Reader) (crc uint32, n int64, err error) {
	h := crc32.New(castagnoli())
	n, err = rewound(body, h)
	return h.Sum32(), n, err
}

// crcHeader is crc as the x-amz-checksum-crc32c header has it.
func crcHeader(crc uint32) *string {
	s := base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, crc))
	return &s
}

// crcFrom is the inverse of crcHeader.
func crcFrom(header *string) (uint32, bool) {
	p, err := base64.StdEncoding.DecodeString(deref(header))
	if err != nil || len(p) != 4 {
		return 0, false
	}
	return binary.BigEndian.Uint32(p), true
}

// crcCombine is the CRC32C of what has the checksum a followed by n bytes that
// have the checksum b: zeros are appended to a by squaring the matrix over GF(2)
// that appends one of them, as zlib's crc32_combine does.
func crcCombine(a, b uint32, n int64) uint32 {
	var square [32]uint32 // appends one zero bit
	square[0] = crc32.Castagnoli
	for i := 1; i < 32; i++ {
		square[i] = 1 << (i - 1)
	}
	for range 3 { // one byte
		square = crcSquare(square)
	}
	for ; n > 0; n >>= 1 {
		if n&1 != 0 {
			a = crcTimes(square, a)
		}
		square = crcSquare(square)
	}
	return a ^ b
}

func crcSquare(m [32]uint32) (out [32]uint32) {
	for i, v := range m {
		out[i] = crcTimes(m, v)
	}
	return out
}

func crcTimes(m [32]uint32, v uint32) (sum uint32) {
	for i := 0; v != 0; i, v = i+1, v>>1 {
		if v&1 != 0 {
			sum ^= m[i]
		}
	}
	return sum
}
