package memory

import (
	"bytes"
	"crypto/md5"
	"errors"
	"io"

	"github.com/versity/versitygw/s3err"
)

// segmentSize bounds the pieces a body is read into, so that a large upload
// is never held twice.
const segmentSize = 8 << 20

// body is an object's bytes in pieces. Pieces are never written to after they
// were read, so copies and parts share them.
type body [][]byte

func (b body) size() int64 {
	var n int64
	for _, seg := range b {
		n += int64(len(seg))
	}
	return n
}

// slice returns n bytes from off on, without copying.
func (b body) slice(off, n int64) body {
	var out body
	for _, seg := range b {
		if n <= 0 {
			break
		}
		size := int64(len(seg))
		if off >= size {
			off -= size
			continue
		}
		end := min(size, off+n)
		out = append(out, seg[off:end])
		n -= end - off
		off = 0
	}
	return out
}

func (b body) reader() io.ReadCloser {
	readers := make([]io.Reader, len(b))
	for i, seg := range b {
		readers[i] = bytes.NewReader(seg)
	}
	return io.NopCloser(io.MultiReader(readers...))
}

func (b body) md5() []byte {
	sum := md5.New()
	for _, seg := range b {
		sum.Write(seg)
	}
	return sum.Sum(nil)
}

// readBody reads r to its end and hashes it. It fails with IncompleteBody if
// the end comes at another place than announced. The end itself must be read:
// that is where the front end's readers verify signatures and checksums.
func readBody(r io.Reader, announced int64) (body, []byte, error) {
	var (
		out   body
		total int64
		sum   = md5.New()
	)
	for {
		seg := make([]byte, max(1, min(announced-total, segmentSize)))
		n, err := readFull(r, seg)
		if n > 0 {
			sum.Write(seg[:n])
			out = append(out, seg[:n:n])
		}
		total += int64(n)
		switch {
		case errors.Is(err, io.EOF) && total == announced:
			return out, sum.Sum(nil), nil
		case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF), total > announced:
			return nil, nil, s3err.GetAPIError(s3err.ErrIncompleteBody)
		case err != nil:
			return nil, nil, err
		}
	}
}

// readFull fills p like io.ReadFull, but returns the reader's own error with
// the bytes, even with the last of them.
func readFull(r io.Reader, p []byte) (int, error) {
	var n int
	for n < len(p) {
		m, err := r.Read(p[n:])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
