package integration

import (
	"bytes"
	"context"
	"crypto/md5"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// judge compares the outcome of one operation.
func (c *modelCheck) judge(want outcome, got did) error {
	if !slices.Contains(want.errnos, got.errno) {
		return fmt.Errorf("it gives %q, want %q", got.errno, want.errnos)
	}
	if got.errno != "" {
		return nil
	}
	if want.check && (!bytes.Equal(want.data, got.data) || want.text != got.text) {
		return fmt.Errorf("%s %q, want %q", firstDifference(got.data, want.data), clip(got.text), clip(want.text))
	}
	if want.stat != 0 && got.stat != nil {
		return c.compareInfo(c.r.inodes[want.stat], *got.stat)
	}
	return nil
}

// firstDifference describes where two contents part.
func firstDifference(got, want []byte) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			return fmt.Sprintf("%d bytes, want %d; at %d: %x, want %x", len(got), len(want), i,
				got[i:min(i+8, len(got))], want[i:min(i+8, len(want))])
		}
	}
	return fmt.Sprintf("%d bytes, want %d", len(got), len(want))
}

func (c *modelCheck) compareInfo(n *inode, got fileInfo) error {
	var bad []string
	differ := func(what string, got, want any) {
		if got != want {
			bad = append(bad, fmt.Sprintf("%s %v, want %v", what, got, want))
		}
	}
	size, links := int64(len(n.data)), uint64(1)
	if n.kind == 'l' {
		size = int64(len(n.target))
	}
	if n.gone {
		links = 0
	}
	differ("type", string(got.Type), string(n.kind))
	differ("size", got.Size, size)
	differ("links", got.Nlink, links)
	differ("mode", fmt.Sprintf("%04o", got.Mode), fmt.Sprintf("%04o", n.mode))
	if got.Mtime < n.mtime.lo || got.Mtime > n.mtime.hi {
		differ("mtime", got.Mtime, n.mtime)
	}
	if len(bad) > 0 {
		return errors.New(strings.Join(bad, "; "))
	}
	return nil
}

// compareAll compares the tree, the open files and the bucket.
func (c *modelCheck) compareAll() error {
	return errors.Join(c.compareTree(), c.compareFiles(), c.compareBucket())
}

// compareTree compares names, attributes, targets and contents.
func (c *modelCheck) compareTree() error {
	seen, errno := c.mm.w.Snapshot(c.dir, true)
	if errno != "" {
		return fmt.Errorf("snapshot: %s", errno)
	}
	want := map[string]*inode{}
	c.r.names(rootID, "", want)
	var bad []error
	for _, e := range seen {
		n := want[e.Path]
		if n == nil {
			bad = append(bad, fmt.Errorf("%q is there and should not be: %+v", e.Path, e))
			continue
		}
		delete(want, e.Path)
		if err := c.compareEntry(n, e); err != nil {
			bad = append(bad, fmt.Errorf("%q: %w", e.Path, err))
		}
	}
	for _, p := range slices.Sorted(maps.Keys(want)) {
		bad = append(bad, fmt.Errorf("%q is missing", p))
	}
	return errors.Join(bad...)
}

// names maps each path to its inode.
func (r *ref) names(dir int, at string, into map[string]*inode) {
	for name, id := range r.inodes[dir].children {
		p := path.Join(at, name)
		into[p] = r.inodes[id]
		if r.inodes[id].kind == 'd' {
			r.names(id, p, into)
		}
	}
}

func (c *modelCheck) compareEntry(n *inode, e seenEntry) error {
	torn := n.torn && e.Err == "read: ESTALE"
	if e.Err != "" && !torn {
		return errors.New(e.Err)
	}
	if err := c.compareInfo(n, e.Info); err != nil {
		return err
	}
	if n.kind == 'l' && e.Target != n.target {
		return fmt.Errorf("target %q, want %q", e.Target, n.target)
	}
	if n.kind == 'f' && !torn && e.Sum != sumHex(n.data) {
		return fmt.Errorf("content differs: %s", c.contentOf(e.Path, n.data))
	}
	return nil
}

func sumHex(p []byte) string {
	sum := sha256.Sum256(p)
	return hex.EncodeToString(sum[:])
}

// contentOf says where a file's content differs.
func (c *modelCheck) contentOf(p string, want []byte) string {
	fd, errno := c.mm.w.Open(c.path(p), 0, 0)
	if errno != "" {
		return "open: " + errno
	}
	defer c.mm.w.Close(fd)
	got, errno := c.mm.w.Pread(fd, 0, int64(len(want))+1<<20)
	return firstDifference(got, want) + " " + errno
}

// compareFiles compares what open files give.
func (c *modelCheck) compareFiles() error {
	var bad []error
	for slot, f := range c.r.files {
		if f == nil || !f.read {
			continue
		}
		n := c.r.inodes[f.ino]
		if n.kind != 'f' {
			continue
		}
		size, sum, errno := c.mm.w.Fsum(c.fds[slot])
		if (n.lost || n.torn) && errno == "ESTALE" {
			continue
		}
		if errno != "" || sum != sumHex(n.data) {
			got, _ := c.mm.w.Pread(c.fds[slot], 0, size)
			bad = append(bad, fmt.Errorf("open file %d: %q %s", slot, errno, firstDifference(got, n.data)))
		}
	}
	return errors.Join(bad...)
}

// object is what a listing says.
type object struct {
	etag string
	size int64
}

// compareBucket compares the keys and contents that another client sees.
func (c *modelCheck) compareBucket() error {
	seen, err := c.s.objects(c.r.base)
	if err != nil {
		return err
	}
	var bad []error
	for key, data := range c.r.bucket {
		o, ok := seen[key]
		delete(seen, key)
		if !ok {
			bad = append(bad, fmt.Errorf("object %q is missing", key))
		} else if err := c.s.compareObject(key, o, data); err != nil {
			bad = append(bad, err)
		}
	}
	for key, there := range c.r.dirs {
		o, ok := seen[key]
		delete(seen, key)
		if there == yes && !ok || there == no && ok || o.size != 0 {
			bad = append(bad, fmt.Errorf("marker %q: there %v with %d bytes, want %v (0 no, 1 yes)", key, ok, o.size, there))
		}
	}
	for _, key := range slices.Sorted(maps.Keys(seen)) {
		bad = append(bad, fmt.Errorf("object %q should not be there: %d bytes", key, seen[key].size))
	}
	return errors.Join(bad...)
}

// compareObject trusts an ETag that is an MD5, and fetches what has another.
func (s *modelSession) compareObject(key string, o object, want []byte) error {
	sum := md5.Sum(want)
	if o.size == int64(len(want)) && strings.Trim(o.etag, `"`) == hex.EncodeToString(sum[:]) {
		return nil
	}
	ctx, cancel := within()
	defer cancel()
	got, err := s.getObject(ctx, key)
	if err != nil {
		return fmt.Errorf("object %q: %w", key, err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("object %q: %s", key, firstDifference(got, want))
	}
	return nil
}

func (s *modelSession) objects(prefix string) (map[string]object, error) {
	ctx, cancel := within()
	defer cancel()
	out := map[string]object{}
	pages := s3.NewListObjectsV2Paginator(s.e.s3.client, &s3.ListObjectsV2Input{Bucket: &s.e.bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, o := range page.Contents {
			out[aws.ToString(o.Key)] = object{aws.ToString(o.ETag), aws.ToInt64(o.Size)}
		}
	}
	return out, nil
}

func (s *modelSession) getObject(ctx context.Context, key string) ([]byte, error) {
	out, err := s.e.s3.open(ctx, key)
	if err != nil {
		return nil, err
	}
	defer out.Body.Close()
	var b bytes.Buffer
	_, err = b.ReadFrom(out.Body)
	return b.Bytes(), err
}
