package bucket

import (
	"bytes"
	"hash/crc32"
	"io"
	"testing"

	"pgregory.net/rapid"
)

func TestCRCCombine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		all := rapid.SliceOfN(rapid.Byte(), 0, 4000).Draw(t, "bytes")
		cut := rapid.IntRange(0, len(all)).Draw(t, "cut")
		a, b := crc32.Checksum(all[:cut], castagnoli()), crc32.Checksum(all[cut:], castagnoli())
		if got, want := crcCombine(a, b, int64(len(all)-cut)), crc32.Checksum(all, castagnoli()); got != want {
			t.Errorf("%d + %d bytes: %08x, want %08x", cut, len(all)-cut, got, want)
		}
	})
	large := make([]byte, 3<<20+5)
	sum := crc32.Checksum(large, castagnoli())
	if got := crcCombine(sum, sum, int64(len(large))); got != crc32.Checksum(append(large, large...), castagnoli()) {
		t.Errorf("twice %d bytes: %08x", len(large), got)
	}
}

func TestCRCOf(t *testing.T) {
	body := bytes.NewReader([]byte("123456789"))
	crc, n, err := crcOf(body)
	if crc != 0xe3069283 || n != 9 || err != nil { // the check value of CRC-32C in RFC 3720's terms
		t.Errorf("%08x of %d bytes, %v", crc, n, err)
	}
	if rest, _ := io.ReadAll(body); len(rest) != 9 {
		t.Errorf("%d bytes are left to send", len(rest))
	}
	if back, ok := crcFrom(crcHeader(crc)); back != crc || !ok {
		t.Errorf("%08x, %v", back, ok)
	}
	for _, bad := range []string{"", "AAAA", "?"} {
		if _, ok := crcFrom(&bad); ok {
			t.Errorf("%q is no checksum", bad)
		}
	}
}
