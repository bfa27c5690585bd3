package bucket_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/pailfs/pailfs/bucket"
)

// A whole upload of as many parts as there may be, of which one is copied, and
// one more. The limits are lowered: with S3's own it would have 5 TiB.
func TestConformanceLoweredLimits(t *testing.T) {
	s := newSuite(t, func(o *bucket.Options) {
		o.PartSize, o.Limits = 5<<20, bucket.Limits{MaxParts: 3, MaxPart: 6 << 20}
	})
	layout := s.Layout()
	data := randomBytes(t, int(layout.Max()))
	ctx := t.Context()
	from, err := s.Put(ctx, bucket.PutInput{Key: s.prefix + "from", Body: bytes.NewReader(data[:6<<20]), Size: 6 << 20})
	if err != nil {
		t.Fatal(err)
	}
	in := bucket.PutInput{Key: s.prefix + "to.txt", If: bucket.Condition{Absent: true}, Metadata: map[string]string{"mode": "33188"}}
	u, err := s.Begin(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	if err := u.CopyFrom(ctx, 1, from, 0, 5<<20); err != nil {
		t.Fatal(err)
	}
	number := 2
	for ; ; number++ {
		off, size := layout.Part(number)
		if size == 0 {
			break
		}
		for _, body := range []*bytes.Reader{bytes.NewReader(make([]byte, size)), bytes.NewReader(data[off : off+size])} {
			if err := u.Send(ctx, number, body, size); err != nil { // the second time in place of the first
				t.Fatal(err)
			}
		}
	}
	wantIs(t, u.Send(ctx, number, bytes.NewReader(data), 1), bucket.ErrTooLarge)
	if _, err := s.Head(ctx, in.Key); err == nil {
		t.Error("published before Complete")
	}
	o, err := u.Complete(ctx, number-1, layout.Max())
	if err != nil {
		t.Fatal(err)
	}
	head, err := s.Head(ctx, in.Key)
	if err != nil || head.ETag != o.ETag || head.Size != layout.Max() || head.Metadata["mode"] != "33188" || number != 4 {
		t.Errorf("%d parts, %+v, %v", number-1, head, err)
	}
	into := make(sink, len(data))
	if err := s.Download(ctx, in.Key, o.ETag, 0, o.Size, into); err != nil || !bytes.Equal(into, data) {
		t.Error("the object differs", err)
	}
}

func TestConformanceUploadConditions(t *testing.T) {
	s := newSuite(t)
	ctx := t.Context()
	one := s.put(t, "key", "one", bucket.Condition{Absent: true})
	stale := bucket.Object{Key: one.Key, ETag: "0123", Size: 3}
	for _, c := range []struct {
		cond bucket.Condition
		want error
	}{{bucket.Condition{Absent: true}, bucket.ErrChanged}, {bucket.Condition{ETag: "0123"}, bucket.ErrChanged}, {bucket.Condition{ETag: one.ETag}, nil}} {
		u, err := s.Begin(ctx, bucket.PutInput{Key: one.Key, If: c.cond})
		if err != nil {
			t.Fatal(err)
		}
		wantIs(t, u.CopyFrom(ctx, 1, stale, 0, 3), bucket.ErrChanged)
		if err := u.Send(ctx, 1, bytes.NewReader([]byte("two")), 3); err != nil {
			t.Fatal(err)
		}
		_, err = u.Complete(ctx, 1, 3)
		wantIs(t, err, c.want)
		u.Abort(ctx)
		u.Abort(ctx)
		if c.want == nil {
			continue
		}
		wantIs(t, u.Send(ctx, 1, bytes.NewReader([]byte("two")), 3), bucket.ErrUploadGone)
	}
}

// The store takes and checks CRC32C of single puts, of parts and of whole objects.
func TestConformanceChecksums(t *testing.T) {
	s := newSuite(t, func(o *bucket.Options) { o.Checksums, o.PartSize = bucket.Always, 5<<20 })
	ctx := t.Context()
	data := randomBytes(t, 12<<20)
	for _, size := range []int{0, 1, 5 << 20, 12 << 20} {
		in := bucket.PutInput{Key: s.prefix + fmt.Sprint(size), Body: bytes.NewReader(data[:size]), Size: int64(size)}
		if _, err := s.Put(ctx, in); err != nil {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	from, err := s.Head(ctx, s.prefix+"12582912")
	if err != nil {
		t.Fatal(err)
	}
	u, err := s.Begin(ctx, bucket.PutInput{Key: s.prefix + "parts"})
	if err != nil {
		t.Fatal(err)
	}
	if err := u.CopyFrom(ctx, 1, from, 0, 6<<20); err != nil {
		t.Fatal(err)
	}
	if err := u.Send(ctx, 2, bytes.NewReader(data[6<<20:]), 6<<20); err != nil {
		t.Fatal(err)
	}
	o, err := u.Complete(ctx, 2, 12<<20)
	if err != nil {
		t.Fatal(err)
	}
	into := make(sink, len(data))
	if err := s.Download(ctx, o.Key, o.ETag, 0, o.Size, into); err != nil || !bytes.Equal(into, data) {
		t.Error("the object differs", err)
	}
	edit := bucket.PutInput{Key: o.Key, Body: bytes.NewReader(data), Size: o.Size, From: o, If: bucket.Condition{ETag: o.ETag}}
	edit.Parts = []bucket.Part{{Len: 6 << 20, Copy: true}, {Off: 6 << 20, Len: 6 << 20}}
	if _, err := s.Put(ctx, edit); err != nil {
		t.Error(err)
	}
}
