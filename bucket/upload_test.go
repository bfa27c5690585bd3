package bucket

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
)

// text is a body of n bytes.
func text(n int) *bytes.Reader { return bytes.NewReader(bytes.Repeat([]byte("x"), n)) }

func begin(t *testing.T, b *Bucket, in PutInput) OpenUpload {
	t.Helper()
	u, err := b.Begin(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func send(t *testing.T, u OpenUpload, sizes ...int) (total int64) {
	t.Helper()
	for i, n := range sizes {
		if err := u.Send(t.Context(), i+1, text(n), int64(n)); err != nil {
			t.Fatal(err)
		}
		total += int64(n)
	}
	return total
}

func TestOpenUpload(t *testing.T) {
	s := &shelf{}
	f := newFake(t, s.serve)
	u := begin(t, f.Bucket, PutInput{Key: "a.txt", If: Condition{Absent: true}, CommitID: "id1", Metadata: map[string]string{"Mode": "33188"}})
	if u.ID() != "u1" || s.mu.there {
		t.Errorf("upload %q, published %v", u.ID(), s.mu.there)
	}
	send(t, u, 10, 5, 3)
	size := send(t, u, 7) + 5 // the first once more; the third does not count
	o, err := u.Complete(t.Context(), 2, size)
	if err != nil || o.ETag != s.mu.etag || o.Size != 12 || !o.Full || o.Metadata["mode"] != "33188" || o.Metadata[CommitKey] != "id1" ||
		!strings.HasPrefix(o.Headers.ContentType, "text/plain") {
		t.Errorf("%+v, %v", o, err)
	}
	if h := s.mu.created; h.Get("X-Amz-Meta-Mode") != "33188" || h.Get("X-Amz-Meta-"+CommitKey) != "id1" {
		t.Errorf("begun with %v", h)
	}
	u.Abort(t.Context())
	if n := f.Counters()["AbortMultipartUpload"].Requests; n != 0 {
		t.Errorf("%d aborts of what is complete", n)
	}
}

func TestOpenUploadOfWrongParts(t *testing.T) {
	f := newFake(t, (&shelf{}).serve)
	u := begin(t, f.Bucket, PutInput{Key: "k"})
	size := send(t, u, 10, 5)
	for _, c := range []struct {
		parts int
		size  int64
	}{{0, 0}, {3, size}, {2, size + 1}, {1, size}} {
		if _, err := u.Complete(t.Context(), c.parts, c.size); !errors.Is(err, ErrInvalid) {
			t.Errorf("%+v: %v", c, err)
		}
	}
	if err := u.Send(t.Context(), 0, text(1), 1); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
	disk := errors.New("the disk is broken")
	if err := u.Send(t.Context(), 3, brokenReader{disk}, 2<<20); !errors.Is(err, disk) {
		t.Error(err)
	}
	if err := u.Send(t.Context(), 3, text(1), 2); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error(err)
	}
	if f.Counters()["CompleteMultipartUpload"].Requests != 0 {
		t.Error("a wrong list was sent")
	}
}

func TestOpenUploadIsAborted(t *testing.T) {
	s := &shelf{}
	f := newFake(t, s.serve)
	u := begin(t, f.Bucket, PutInput{Key: "k"})
	send(t, u, 10)
	u.Abort(t.Context())
	u.Abort(t.Context())
	if n := f.Counters()["AbortMultipartUpload"].Requests; n != 1 || len(s.mu.uploads) != 0 || s.mu.there {
		t.Errorf("%d aborts, %d uploads left", n, len(s.mu.uploads))
	}
	if err := u.Send(t.Context(), 2, text(1), 1); !errors.Is(err, ErrUploadGone) || errors.Is(err, ErrNotExist) {
		t.Error(err)
	}
	if _, err := u.Complete(t.Context(), 1, 10); !errors.Is(err, ErrUploadGone) || errors.Is(err, ErrNotExist) {
		t.Error(err)
	}
}

// K11: an upload whose last answer was lost is recognised, at once and by a
// Complete that follows.
func TestOpenUploadWhoseAnswerWasLost(t *testing.T) {
	s := &shelf{}
	s.mu.lose = 1
	f := newFake(t, s.serve)
	u := begin(t, f.Bucket, PutInput{Key: "k", If: Condition{Absent: true}})
	size := send(t, u, 10, 5)
	for range 2 {
		if o, err := u.Complete(t.Context(), 2, size); err != nil || o.ETag != s.mu.etag || o.Size != size {
			t.Errorf("%+v, %v", o, err)
		}
	}
}

func TestOpenUploadInConflict(t *testing.T) {
	s := &shelf{}
	f := newFake(t, s.serve)
	first := begin(t, f.Bucket, PutInput{Key: "k", If: Condition{Absent: true}})
	size := send(t, first, 10)
	second := begin(t, f.Bucket, PutInput{Key: "k", If: Condition{Absent: true}})
	send(t, second, 10)
	if _, err := second.Complete(t.Context(), 1, size); err != nil {
		t.Fatal(err)
	}
	if _, err := first.Complete(t.Context(), 1, size); !errors.Is(err, ErrChanged) || errors.Is(err, ErrUploadGone) {
		t.Error(err)
	}
	s.mu.refuse = []string{"ConditionalRequestConflict"}
	if _, err := first.Complete(t.Context(), 1, size); !errors.Is(err, ErrUploadGone) || errors.Is(err, ErrChanged) {
		t.Error(err)
	}
}

// A store with small limits, so that a whole upload can run out of parts: it is
// told in time, before anything is sent that the store would refuse.
func TestLoweredLimits(t *testing.T) {
	limits := Limits{MaxParts: 5, MinPart: 1000, MaxPart: 4000, MaxObject: 1 << 40}
	f := newFake(t, (&shelf{}).serve, func(o *Options) { o.PartSize, o.Limits = 1000, limits })
	layout := f.Layout()
	u := begin(t, f.Bucket, PutInput{Key: "k"})
	number := 1
	for {
		_, size := layout.Part(number)
		if size == 0 {
			break
		}
		if err := u.Send(t.Context(), number, text(int(size)), size); err != nil {
			t.Fatal(err)
		}
		number++
	}
	if end := layout.Max(); number != 6 || end != 1000+2000+4000+4000+4000 || layout.At(end) != 6 {
		t.Errorf("%d parts reach %d", number-1, end)
	}
	if err := u.Send(t.Context(), 6, text(1), 1); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if err := u.CopyFrom(t.Context(), 6, Object{Key: "k", ETag: "e"}, 0, 1); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if err := u.Send(t.Context(), 5, text(4001), 4001); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if o, err := u.Complete(t.Context(), 5, layout.Max()); err != nil || o.Size != layout.Max() {
		t.Errorf("%+v, %v", o, err)
	}
	if c := f.Counters(); c["UploadPart"].Requests != 5 || c["UploadPartCopy"].Requests != 0 {
		t.Errorf("%+v", c)
	}
}

func TestLoweredObjectLimit(t *testing.T) {
	f := newFake(t, (&shelf{}).serve, func(o *Options) { o.PartSize, o.Limits = 1000, Limits{MinPart: 1000, MaxObject: 2500} })
	if f.Layout().Max() != 2500 {
		t.Error(f.Layout().Max())
	}
	u := begin(t, f.Bucket, PutInput{Key: "k"})
	send(t, u, 1000, 1000)
	if err := u.Send(t.Context(), 3, text(501), 501); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if err := u.Send(t.Context(), 2, text(1500), 1500); err != nil { // in place of the other
		t.Error(err)
	}
	if _, err := f.Put(t.Context(), textPut("k", strings.Repeat("x", 2501), Condition{})); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
}

// Parts of another version are copied, on the condition that it is still there.
func TestOpenUploadCopies(t *testing.T) {
	s := &shelf{}
	gone := false
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("X-Amz-Copy-Source") == "":
			s.serve(w, r)
		case r.Header.Get("X-Amz-Copy-Source-If-Match") != `"e0"`:
			t.Errorf("copied without a condition: %v", r.Header)
		case gone:
			sendError(w, http.StatusPreconditionFailed, "PreconditionFailed")
		default:
			from, to, _ := strings.Cut(strings.TrimPrefix(r.Header.Get("X-Amz-Copy-Source-Range"), "bytes="), "-")
			a, _ := strconv.ParseInt(from, 10, 64)
			b, _ := strconv.ParseInt(to, 10, 64)
			s.mu.Lock()
			s.mu.parts[r.URL.Query().Get("uploadId")][r.URL.Query().Get("partNumber")] = b - a + 1
			s.mu.Unlock()
			sendXML(w, "CopyPartResult", "<ETag>&quot;copied&quot;</ETag>")
		}
	})
	from := Object{Key: "from", ETag: "e0", Size: 100}
	u := begin(t, f.Bucket, PutInput{Key: "k"})
	if err := u.CopyFrom(t.Context(), 1, from, 20, 50); err != nil {
		t.Fatal(err)
	}
	if err := u.Send(t.Context(), 2, text(7), 7); err != nil {
		t.Fatal(err)
	}
	gone = true
	if err := u.CopyFrom(t.Context(), 3, from, 0, 1); !errors.Is(err, ErrChanged) {
		t.Error(err)
	}
	if o, err := u.Complete(t.Context(), 2, 57); err != nil || o.Size != 57 || s.mu.size != 57 {
		t.Errorf("%+v, %d stored, %v", o, s.mu.size, err)
	}
}
