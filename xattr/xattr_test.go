package xattr

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pailfs/pailfs/bucket"
)

// counted is a File whose requests and links are counted.
type counted struct {
	File
	heads, links int
}

var modified = time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)

func newFile(full bool) *counted {
	c := &counted{}
	o := bucket.Object{Key: "d/é f", Size: 42, ETag: "abc", LastModified: modified}
	whole := o
	whole.Full, whole.Headers.ContentType, whole.VersionID = true, "text/plain", "v1"
	if full {
		o = whole
	}
	c.File = File{
		Object: o, Bucket: "b", MayLink: true, Linker: &Linker{},
		Full: func(context.Context) (bucket.Object, error) { c.heads++; return whole, nil },
		Presign: func(_ context.Context, d time.Duration) (string, time.Time, error) {
			c.links++
			return fmt.Sprintf("https://x/%d?%v", c.links, d), modified.Add(d), nil
		},
	}
	return c
}

func TestGetFacts(t *testing.T) {
	for _, c := range []struct {
		name, want string
		heads      int // when the object comes from a listing
	}{
		{"user.s3.bucket", "b", 0},
		{"user.s3.key", "d/é f", 0},
		{"user.s3.etag", "abc", 0},
		{"user.s3.size", "42", 0},
		{"user.s3.last-modified", "2026-03-04T05:06:07Z", 0},
		{"user.s3.storage-class", "STANDARD", 0},
		{"user.s3.content-type", "text/plain", 1},
		{"user.s3.version-id", "v1", 1},
	} {
		for _, full := range []bool{false, true} {
			f := newFile(full)
			got, err := Get(t.Context(), f.File, c.name)
			if err != nil || string(got) != c.want {
				t.Errorf("%s: got %q, %v; want %q", c.name, got, err, c.want)
			}
			if want := map[bool]int{false: c.heads}[full]; f.heads != want || f.links != 0 {
				t.Errorf("%s (full %v): %d HEADs and %d links, want %d and 0", c.name, full, f.heads, f.links, want)
			}
		}
	}
}

// The state of an archived object is asked for anew each time, as a restore does
// not change the version; what can always be read has none, and costs nothing.
func TestRestore(t *testing.T) {
	const ongoing = `ongoing-request="true"`
	for _, c := range []struct {
		what        string
		known, asks bucket.Object // what the file shows, and what a HEAD says
		want        string
		heads       int
		listed      bool
	}{
		{what: "standard", known: bucket.Object{}},
		{what: "instant retrieval", known: bucket.Object{StorageClass: "GLACIER_IR"}},
		{what: "archived, listed", known: bucket.Object{StorageClass: "GLACIER"}, asks: bucket.Object{StorageClass: "GLACIER", Full: true},
			want: "archived: not restored", heads: 1, listed: true},
		{what: "restored since", known: bucket.Object{StorageClass: "DEEP_ARCHIVE", Full: true},
			asks: bucket.Object{StorageClass: "DEEP_ARCHIVE", Full: true, Restore: ongoing}, want: ongoing, heads: 1, listed: true},
		{what: "a restored copy that has gone", known: bucket.Object{StorageClass: "GLACIER", Full: true, Restore: ongoing},
			asks: bucket.Object{StorageClass: "GLACIER", Full: true}, want: "archived: not restored", heads: 1, listed: true},
		{what: "tiering, readable", known: bucket.Object{StorageClass: "INTELLIGENT_TIERING"},
			asks: bucket.Object{StorageClass: "INTELLIGENT_TIERING", Full: true}, heads: 1},
		{what: "tiering, archived", known: bucket.Object{StorageClass: "INTELLIGENT_TIERING", Full: true, ArchiveStatus: "DEEP_ARCHIVE_ACCESS"},
			asks: bucket.Object{StorageClass: "INTELLIGENT_TIERING", Full: true, ArchiveStatus: "DEEP_ARCHIVE_ACCESS"},
			want: "archived: not restored (DEEP_ARCHIVE_ACCESS)", heads: 1, listed: true},
	} {
		heads := 0
		c.known.ETag, c.asks.ETag = "abc", "abc"
		f := File{Object: c.known, Full: func(context.Context) (bucket.Object, error) { heads++; return c.asks, nil }}
		got, err := Get(t.Context(), f, "user.s3.restore")
		if string(got) != c.want || (c.want == "") != errors.Is(err, ErrNoAttr) || heads != c.heads {
			t.Errorf("%s: %q, %v after %d HEADs; want %q after %d", c.what, got, err, heads, c.want, c.heads)
		}
		if listed := slices.Contains(List(f), "user.s3.restore"); listed != c.listed {
			t.Errorf("%s: listed %v, want %v", c.what, listed, c.listed)
		}
	}
}

func TestUnknownNamesCostNothing(t *testing.T) {
	for _, name := range []string{
		"", "user.s3", "user.s3.", "user.s3.nope", "user.s3.URL", "user.s3.urls", "user.url", "user.mime_type",
		"security.capability", "security.selinux", "system.posix_acl_access", "trusted.x",
	} {
		f := newFile(false)
		if got, err := Get(t.Context(), f.File, name); !errors.Is(err, ErrNoAttr) {
			t.Errorf("%q: got %q, %v; want ErrNoAttr", name, got, err)
		}
		if f.heads+f.links != 0 {
			t.Errorf("%q: %d HEADs, %d links", name, f.heads, f.links)
		}
	}
}

func TestAbsentFacts(t *testing.T) {
	f := newFile(true)
	f.Object.VersionID, f.Object.LastModified = "", time.Time{}
	for _, name := range []string{"user.s3.version-id", "user.s3.last-modified"} {
		if _, err := Get(t.Context(), f.File, name); !errors.Is(err, ErrNoAttr) || f.heads != 0 {
			t.Errorf("%s: %v after %d HEADs, want ErrNoAttr after 0", name, err, f.heads)
		}
	}
	implicit := File{Bucket: "b", Object: bucket.Object{Key: "d/"}, MayLink: true}
	for _, name := range []string{"etag", "size", "last-modified", "storage-class", "content-type", "version-id", "restore", "url"} {
		if _, err := Get(t.Context(), implicit, Prefix+name); !errors.Is(err, ErrNoAttr) {
			t.Errorf("implicit directory: %s: %v, want ErrNoAttr", name, err)
		}
	}
}

func TestFullFails(t *testing.T) {
	f := newFile(false)
	f.Full = func(context.Context) (bucket.Object, error) { return bucket.Object{}, bucket.ErrNotExist }
	if _, err := Get(t.Context(), f.File, "user.s3.content-type"); !errors.Is(err, bucket.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
}

func TestList(t *testing.T) {
	base := []string{"user.s3.bucket", "user.s3.key", "user.s3.etag", "user.s3.size", "user.s3.last-modified", "user.s3.storage-class", "user.s3.content-type"}
	f := newFile(false)
	if got := List(f.File); !slices.Equal(got, base) {
		t.Errorf("listed object: %q", got)
	}
	if f.heads+f.links != 0 {
		t.Errorf("List sent %d HEADs, made %d links", f.heads, f.links)
	}
	if got := List(newFile(true).File); !slices.Equal(got, append(base, "user.s3.version-id")) {
		t.Errorf("full object: %q", got)
	}
	if got := List(File{Bucket: "b", Object: bucket.Object{Key: "d/"}}); !slices.Equal(got, base[:2]) {
		t.Errorf("implicit directory: %q", got)
	}
	if got := List(File{Bucket: "b"}); !slices.Equal(got, base[:1]) {
		t.Errorf("root of the bucket: %q", got)
	}
}

func TestCheckSet(t *testing.T) {
	if err := CheckSet("user.s3.etag"); !errors.Is(err, ErrReadOnly) {
		t.Errorf("user.s3.etag: %v", err)
	}
	if err := CheckSet("user.mine"); !errors.Is(err, bucket.ErrNotSupported) {
		t.Errorf("user.mine: %v", err)
	}
}
