package memory

import (
	"crypto/md5"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"sort"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// perDirectory is the number of objects in each generated directory.
const perDirectory = 1000

// synthetic is a generated set of n keys in byte order: the first n - n/10
// lie a thousand to a directory, dDDDD/fNNNNNNN, where N counts through all of
// them; the last n/10 lie in one directory, flat/fNNNNNNN. Numbers are padded
// to at least that width, so that byte order is number order. Size, time,
// ETag and bytes follow from the key alone.
type synthetic struct {
	n, tree            int
	dirWidth, keyWidth int
}

func newSynthetic(n int) *synthetic {
	tree := n - n/10
	return &synthetic{
		n: n, tree: tree,
		dirWidth: max(4, len(strconv.Itoa((tree-1)/perDirectory))),
		keyWidth: max(7, len(strconv.Itoa(n-1))),
	}
}

func (s *synthetic) key(i int) string {
	if i >= s.tree {
		return fmt.Sprintf("flat/f%0*d", s.keyWidth, i-s.tree)
	}
	return fmt.Sprintf("d%0*d/f%0*d", s.dirWidth, i/perDirectory, s.keyWidth, i)
}

// ceil finds the first key at or after from by bisection: nothing is stored.
func (s *synthetic) ceil(from string) (string, *object, bool) {
	i := sort.Search(s.n, func(i int) bool { return s.key(i) >= from })
	if i == s.n {
		return "", nil, false
	}
	key := s.key(i)
	return key, generate(key), true
}

func (s *synthetic) find(key string) *object {
	found, o, ok := s.ceil(key)
	if !ok || found != key {
		return nil
	}
	o.body = generateBody(key, o.size)
	return o
}

// generate makes an object without its bytes. Sizes lie below 64 KiB, times
// in the year from 2024-01-01 on. The ETag is in the form of a multipart
// upload's, for it is no MD5 of the bytes: a listing does not make those.
func generate(key string) *object {
	h := hashKey(key)
	tag := md5.Sum([]byte(key))
	etag := quoteETag(tag[:])
	return &object{
		size:     int64(h % (64 << 10)),
		etag:     etag[:len(etag)-1] + `-1"`,
		modified: time.Date(2024, 1, 1, 0, 0, int(h>>32%(365*24*3600)), 0, time.UTC),
		head:     headers{contentType: "binary/octet-stream"},
		class:    types.StorageClassStandard,
	}
}

// generateBody makes bytes in which every eight differ from the next eight
// and from those of other keys.
func generateBody(key string, size int64) body {
	out := make([]byte, 0, size+8)
	h := hashKey(key)
	for int64(len(out)) < size {
		out = binary.LittleEndian.AppendUint64(out, h)
		h = h*6364136223846793005 + 1442695040888963407
	}
	return body{out[:size]}
}

func hashKey(key string) uint64 {
	h := fnv.New64a()
	h.Write([]byte(key))
	return h.Sum64()
}
