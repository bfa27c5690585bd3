package bucket

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// shelf is a store with conditions for one key, which can lose its answers.
type shelf struct {
	mu struct {
		sync.Mutex
		there   bool
		etag    string
		size    int64
		meta    http.Header
		created http.Header // headers of CreateMultipartUpload
		uploads map[string]bool
		next    int
		parts   map[string]map[string]int64 // sizes, by upload and number
		lose    int                         // answers to commits to lose, after the work is done
		refuse  []string                    // error codes for the next commits
	}
}

func (s *shelf) serve(w http.ResponseWriter, r *http.Request) {
	body := int64(len(drain(r)))
	s.mu.Lock()
	defer s.mu.Unlock()
	q := r.URL.Query()
	switch {
	case r.Method == http.MethodHead:
		s.headLocked(w)
	case r.Method == http.MethodPost && q.Has("uploads"):
		s.createLocked(w, r)
	case r.Method == http.MethodDelete && q.Has("uploadId"):
		delete(s.mu.uploads, q.Get("uploadId"))
		w.WriteHeader(http.StatusNoContent)
	case r.Method == http.MethodPut && q.Has("partNumber"):
		s.partLocked(w, q.Get("uploadId"), q.Get("partNumber"), body)
	case r.Method == http.MethodPost && q.Has("uploadId"):
		s.completeLocked(w, r, q.Get("uploadId"))
	case r.Method == http.MethodPut:
		s.commitLocked(w, r, r.Header, body, func(etag string) { w.Header().Set("ETag", `"`+etag+`"`) })
	default:
		sendError(w, http.StatusNotImplemented, "NotImplemented")
	}
}

func (s *shelf) headLocked(w http.ResponseWriter) {
	if !s.mu.there {
		w.WriteHeader(http.StatusNotFound)
		return
	}
	for k, v := range s.mu.meta {
		if strings.HasPrefix(k, "X-Amz-Meta-") {
			w.Header()[k] = v
		}
	}
	w.Header().Set("ETag", `"`+s.mu.etag+`"`)
	w.Header().Set("Content-Length", fmt.Sprint(s.mu.size))
}

func (s *shelf) createLocked(w http.ResponseWriter, r *http.Request) {
	s.mu.next++
	id := fmt.Sprint("u", s.mu.next)
	if s.mu.uploads == nil {
		s.mu.uploads, s.mu.parts = map[string]bool{}, map[string]map[string]int64{}
	}
	s.mu.uploads[id], s.mu.parts[id], s.mu.created = true, map[string]int64{}, r.Header
	sendXML(w, "InitiateMultipartUploadResult", "<UploadId>"+id+"</UploadId>")
}

func (s *shelf) partLocked(w http.ResponseWriter, id, number string, size int64) {
	if !s.mu.uploads[id] {
		sendError(w, http.StatusNotFound, "NoSuchUpload")
		return
	}
	s.mu.parts[id][number] = size
	w.Header().Set("ETag", `"part"`)
}

func (s *shelf) completeLocked(w http.ResponseWriter, r *http.Request, id string) {
	if !s.mu.uploads[id] {
		sendError(w, http.StatusNotFound, "NoSuchUpload")
		return
	}
	size := int64(0)
	for _, n := range s.mu.parts[id] {
		size += n
	}
	s.commitLocked(w, r, s.mu.created, size, func(etag string) {
		delete(s.mu.uploads, id)
		sendXML(w, "CompleteMultipartUploadResult", "<ETag>&quot;"+etag+"&quot;</ETag>")
	})
}

func (s *shelf) commitLocked(w http.ResponseWriter, r *http.Request, meta http.Header, size int64, ok func(etag string)) {
	if len(s.mu.refuse) > 0 {
		code := s.mu.refuse[0]
		s.mu.refuse = s.mu.refuse[1:]
		sendError(w, http.StatusConflict, code)
		return
	}
	want := r.Header.Get("If-Match")
	switch {
	case r.Header.Get("If-None-Match") == "*" && s.mu.there, want != "" && s.mu.there && want != `"`+s.mu.etag+`"`:
		sendError(w, http.StatusPreconditionFailed, "PreconditionFailed")
		return
	case want != "" && !s.mu.there:
		sendError(w, http.StatusNotFound, "NoSuchKey")
		return
	}
	s.mu.next++
	s.mu.there, s.mu.etag, s.mu.size, s.mu.meta = true, fmt.Sprint("e", s.mu.next), size, meta
	if s.mu.lose > 0 {
		s.mu.lose--
		ok(s.mu.etag) // the work is done: the upload is gone
		panic(http.ErrAbortHandler)
	}
	ok(s.mu.etag)
}

func TestOwnCommitIsRecognised(t *testing.T) {
	large := bytes.NewReader(make([]byte, 11<<20))
	for _, tc := range []struct {
		name string
		in   PutInput
	}{
		{"put of a new key", textPut("k", "data", Condition{Absent: true})},
		{"multipart", PutInput{Key: "k", Body: large, Size: large.Size(), If: Condition{Absent: true}}},
		{"multipart without a condition", PutInput{Key: "k", Body: large, Size: large.Size()}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := &shelf{}
			s.mu.lose = 1
			f := newFake(t, s.serve, func(o *Options) { o.PartSize = 5 << 20 })
			o, err := f.Put(t.Context(), tc.in)
			if err != nil || o.ETag != s.mu.etag || o.Size != tc.in.Size {
				t.Fatalf("%+v, %v", o, err)
			}
			if len(s.mu.uploads) != 0 {
				t.Error("an upload is left")
			}
		})
	}
}

func TestForeignCommitIsNotOurs(t *testing.T) {
	s := &shelf{}
	f := newFake(t, s.serve)
	first, err := f.Put(t.Context(), textPut("k", "data", Condition{Absent: true}))
	if err != nil {
		t.Fatal(err)
	}
	// Carrying over the metadata of the base must not carry over its id.
	in := textPut("k", "data", Condition{Absent: true})
	in.Metadata = maps.Clone(first.Metadata)
	if _, err = f.Put(t.Context(), in); !errors.Is(err, ErrChanged) {
		t.Error(err)
	}
	in.If = Condition{ETag: first.ETag}
	second, err := f.Put(t.Context(), in)
	if err != nil || second.Metadata[CommitKey] == first.Metadata[CommitKey] {
		t.Errorf("%+v, %v", second, err)
	}
	in.If = Condition{}
	if third, err := f.Put(t.Context(), in); err != nil || third.Metadata[CommitKey] != "" {
		t.Errorf("%+v, %v", third, err)
	}
}

func TestPutOverAMissingKey(t *testing.T) {
	f := newFake(t, (&shelf{}).serve)
	_, err := f.Put(t.Context(), textPut("k", "data", Condition{ETag: "e1"}))
	if !errors.Is(err, ErrChanged) || errors.Is(err, ErrNotExist) {
		t.Error(err)
	}
}

func TestConflictSendsThePartsAgain(t *testing.T) {
	s := &shelf{}
	s.mu.refuse = []string{"ConditionalRequestConflict"}
	f := newFake(t, s.serve, func(o *Options) { o.PartSize = 5 << 20 })
	body := bytes.NewReader(make([]byte, 6<<20))
	_, err := f.Put(t.Context(), PutInput{Key: "k", Body: body, Size: body.Size(), If: Condition{Absent: true}})
	if err != nil {
		t.Fatal(err)
	}
	if n := f.Counters()["UploadPart"].Requests; n != 4 || len(s.mu.uploads) != 0 {
		t.Errorf("%d UploadPart, %d uploads left", n, len(s.mu.uploads))
	}
	s.mu.there = false
	s.mu.refuse = []string{"ConditionalRequestConflict", "ConditionalRequestConflict", "ConditionalRequestConflict"}
	if _, err = f.Put(t.Context(), textPut("k", "x", Condition{Absent: true})); !errors.Is(err, ErrChanged) {
		t.Error(err)
	}
}

// K18 B147: a failed upload leaves no parts behind.
func TestFailedUploadIsAborted(t *testing.T) {
	s := &shelf{}
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("partNumber") == "2" {
			drain(r)
			sendError(w, http.StatusForbidden, "AccessDenied")
			return
		}
		s.serve(w, r)
	}, func(o *Options) { o.PartSize = 5 << 20 })
	body := bytes.NewReader(make([]byte, 11<<20))
	_, err := f.Put(t.Context(), PutInput{Key: "k", Body: body, Size: body.Size()})
	if !errors.Is(err, ErrPermission) || len(s.mu.uploads) != 0 || s.mu.there {
		t.Errorf("%v, %d uploads left", err, len(s.mu.uploads))
	}
}

func TestPutReturnsWhatAHeadWould(t *testing.T) {
	date := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", date.Format(http.TimeFormat))
		w.Header().Set("ETag", `"e1"`)
		w.Header().Set("x-amz-version-id", "v1")
	}, func(o *Options) { o.StorageClass = "STANDARD_IA" })
	o, err := f.Put(t.Context(), textPut("dir/a.JPG", "x", Condition{}))
	if err != nil || o.ETag != "e1" || o.VersionID != "v1" || !o.LastModified.Equal(date) ||
		o.Headers.ContentType != "image/jpeg" || o.StorageClass != "STANDARD_IA" || !o.Full || o.Size != 1 {
		t.Errorf("%+v, %v", o, err)
	}
}

type brokenReader struct{ err error }

func (r brokenReader) ReadAt(p []byte, off int64) (int, error) {
	if off >= 1<<20 {
		return 0, r.err
	}
	return int(min(int64(len(p)), 1<<20-off)), nil
}

func TestPutOfABrokenBody(t *testing.T) {
	disk := errors.New("the disk is broken")
	for _, size := range []int64{2 << 20, 12 << 20} {
		s := &shelf{}
		f := newFake(t, s.serve, func(o *Options) { o.PartSize, o.Deadline = 5<<20, 30*time.Second })
		start := time.Now()
		_, err := f.Put(t.Context(), PutInput{Key: "k", Body: brokenReader{disk}, Size: size})
		if !errors.Is(err, disk) || time.Since(start) > 20*time.Second {
			t.Errorf("%d: %v after %v", size, err, time.Since(start))
		}
		_, err = f.Put(t.Context(), PutInput{Key: "k", Body: brokenReader{io.EOF}, Size: size})
		if !errors.Is(err, io.ErrUnexpectedEOF) || s.mu.there || len(s.mu.uploads) != 0 {
			t.Errorf("%d: %v, stored: %v", size, err, s.mu.there)
		}
	}
}

func TestPutTooLarge(t *testing.T) {
	f := newFake(t, func(http.ResponseWriter, *http.Request) {})
	if _, err := f.Put(t.Context(), PutInput{Key: "k", Size: maxObject + 1}); !errors.Is(err, ErrTooLarge) {
		t.Error(err)
	}
	if len(f.all()) != 0 {
		t.Error("a request was sent")
	}
}

func TestPartSize(t *testing.T) {
	const mib = 1 << 20
	for _, tc := range []struct{ size, base, want int64 }{
		{0, 8 * mib, 8 * mib},
		{1, 1, minPart},
		{8 * mib * 10000, 8 * mib, 8 * mib},
		{8*mib*10000 + 1, 8 * mib, 9 * mib},
		{100 << 30, 8 * mib, 11 * mib},
		{1 << 40, 8 * mib, 105 * mib},
		{maxObject, 8 * mib, 525 * mib},
		{maxObject, maxOnePut, maxOnePut},
	} {
		got := Limits{}.withDefaults().partSize(tc.size, tc.base)
		if got != tc.want || (tc.size+got-1)/got > maxParts {
			t.Errorf("partSize(%d, %d) = %d, want %d", tc.size, tc.base, got, tc.want)
		}
	}
}

func TestContentType(t *testing.T) {
	for key, want := range map[string]string{
		"a/b.TXT": "text/plain; charset=utf-8", "x.tar.gz": "application/gzip", "noext": "application/octet-stream",
		"dir.d/": "application/octet-stream", ".json": "application/json", "x.qqq": "application/octet-stream",
	} {
		if got := ContentType(key); got != want {
			t.Errorf("%s: %s", key, got)
		}
	}
}

// A store that does not answer while it copies a part is a store that cannot be
// reached, and the upload is given up.
func TestSilentPartCopy(t *testing.T) {
	silent := make(chan struct{})
	var aborted atomic.Bool
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Header.Get("X-Amz-Copy-Source") != "":
			<-silent
		case r.Method == http.MethodPost:
			fmt.Fprint(w, `<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>`)
		case r.Method == http.MethodDelete:
			aborted.Store(true)
			w.WriteHeader(http.StatusNoContent)
		}
	}, func(o *Options) { o.Deadline = 2 * time.Second })
	t.Cleanup(func() { close(silent) }) // before the server ends
	_, err := f.Put(t.Context(), PutInput{
		Key: "k", Size: 32 << 20, If: Condition{ETag: "e"}, From: Object{Key: "k", ETag: "e", Size: 32 << 20},
		Parts: []Part{{Len: 32 << 20, Copy: true}},
	})
	if !errors.Is(err, ErrUnreachable) || !aborted.Load() {
		t.Errorf("%v, aborted %v", err, aborted.Load())
	}
}
