package lab

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"
)

// relayChunked passes a chunked body on in its original framing. move takes
// the data of each chunk, finish is called before the last, empty one.
func relayChunked(dst io.Writer, src *bufio.Reader, move func(int64) error, finish func() error) error {
	for {
		line, size, err := readChunkLine(src)
		if err != nil {
			return err
		}
		if size == 0 {
			if err := finish(); err != nil {
				return err
			}
		}
		if _, err := dst.Write(line); err != nil {
			return err
		}
		if size == 0 {
			return relayTrailer(dst, src)
		}
		if err := move(size); err != nil {
			return err
		}
		if _, err := relayLine(dst, src); err != nil {
			return err
		}
	}
}

// readChunkLine returns the line that starts a chunk, which is valid until
// the next read, and the size it tells.
func readChunkLine(src *bufio.Reader) (line []byte, size int64, err error) {
	line, err = src.ReadSlice('\n')
	if err != nil {
		return nil, 0, err
	}
	hex, _, _ := strings.Cut(string(line), ";")
	size, err = strconv.ParseInt(strings.TrimSpace(hex), 16, 64)
	if err != nil || size < 0 {
		return nil, 0, fmt.Errorf("%w: %q", errMalformed, line)
	}
	return line, size, nil
}

// relayTrailer passes lines up to and including the empty one.
func relayTrailer(dst io.Writer, src *bufio.Reader) error {
	for {
		if empty, err := relayLine(dst, src); empty || err != nil {
			return err
		}
	}
}

func relayLine(dst io.Writer, src *bufio.Reader) (empty bool, err error) {
	line, err := src.ReadSlice('\n')
	if err != nil {
		return false, err
	}
	empty = len(bytes.TrimRight(line, "\r\n")) == 0
	_, err = dst.Write(line)
	return empty, err
}

// drain reads a body to its end and drops it.
func drain(r *bufio.Reader, body framing) error {
	if body.chunked {
		return relayChunked(io.Discard, r, func(n int64) error {
			_, err := io.CopyN(io.Discard, r, n)
			return err
		}, func() error { return nil })
	}
	_, err := io.CopyN(io.Discard, r, max(body.length, 0))
	return err
}
