package memory

import (
	"bytes"
	"crypto/md5"
	"io"
	"strings"
	"testing"
	"testing/iotest"
)

func TestReadBody(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789abcdef"), (segmentSize+100)/16)
	tests := []struct {
		name      string
		r         io.Reader
		announced int64
		want      []byte
		fails     bool
	}{
		{"empty", strings.NewReader(""), 0, nil, false},
		{"small", strings.NewReader("abc"), 3, []byte("abc"), false},
		{"end with data", iotest.DataErrReader(strings.NewReader("abc")), 3, []byte("abc"), false},
		{"byte by byte", iotest.OneByteReader(strings.NewReader("abc")), 3, []byte("abc"), false},
		{"several segments", bytes.NewReader(big), int64(len(big)), big, false},
		{"short", strings.NewReader("ab"), 3, nil, true},
		{"long", strings.NewReader("abcd"), 3, nil, true},
		{"broken", iotest.TimeoutReader(iotest.OneByteReader(strings.NewReader("abc"))), 3, nil, true},
	}
	for _, tt := range tests {
		b, sum, err := readBody(tt.r, tt.announced)
		if (err != nil) != tt.fails {
			t.Errorf("%s: %v", tt.name, err)
		}
		if err != nil {
			continue
		}
		got, err := io.ReadAll(b.reader())
		want := md5.Sum(tt.want)
		if err != nil || !bytes.Equal(got, tt.want) || !bytes.Equal(sum, want[:]) {
			t.Errorf("%s: %d bytes, %v", tt.name, len(got), err)
		}
	}
}

func TestSlice(t *testing.T) {
	b := body{[]byte("abc"), []byte("de"), []byte("fgh")}
	for off := int64(0); off <= 8; off++ {
		for n := int64(0); off+n <= 8; n++ {
			got, err := io.ReadAll(b.slice(off, n).reader())
			if want := "abcdefgh"[off : off+n]; err != nil || string(got) != want {
				t.Errorf("slice(%d, %d) = %q, %v", off, n, got, err)
			}
		}
	}
}
