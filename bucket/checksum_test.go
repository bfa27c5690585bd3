package bucket

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"hash/crc32"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// sumCheck is a shelf that checks the checksums it is sent, and refuses requests
// that refuse says.
type sumCheck struct {
	shelf
	t      *testing.T
	refuse func(r *http.Request) (status int, code string) // status 0 takes it
	check  struct {
		sync.Mutex
		whole uint32 // of the parts in the order of their coming
		seen  map[string]int
	}
}

func (s *sumCheck) serve(w http.ResponseWriter, r *http.Request) {
	if s.refuse != nil {
		if status, code := s.refuse(r); status != 0 {
			drain(r)
			sendError(w, status, code)
			return
		}
	}
	if r.Method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") == "" {
		body := drain(r)
		s.body(r, body)
		r.Body = io.NopCloser(strings.NewReader(body))
	}
	s.shelf.serve(w, r)
}

func (s *sumCheck) body(r *http.Request, body string) {
	s.check.Lock()
	defer s.check.Unlock()
	crc := crc32.Checksum([]byte(body), castagnoli())
	digest := md5.Sum([]byte(body))
	if s.check.seen == nil {
		s.check.seen = map[string]int{}
	}
	for name, want := range map[string]string{"X-Amz-Checksum-Crc32c": *crcHeader(crc), "Content-Md5": base64.StdEncoding.EncodeToString(digest[:])} {
		if got := r.Header.Get(name); got != "" {
			s.check.seen[name]++
			if got != want {
				s.t.Errorf("%s is %s, want %s", name, got, want)
			}
		}
	}
	if r.Header.Get("X-Amz-Trailer") != "" || r.Header.Get("Content-Encoding") != "" {
		s.t.Errorf("the body is encoded: %v", r.Header)
	}
	s.check.whole = crcCombine(s.check.whole, crc, int64(len(body)))
}

func (s *sumCheck) seen(name string) int {
	s.check.Lock()
	defer s.check.Unlock()
	return s.check.seen[name]
}

func TestChecksumOfPut(t *testing.T) {
	s := &sumCheck{t: t}
	f := newFake(t, s.serve)
	for _, body := range []string{"", "x", strings.Repeat("y", 1<<20)} {
		if _, err := f.Put(t.Context(), textPut("k", body, Condition{})); err != nil {
			t.Fatal(err)
		}
	}
	if n := s.seen("X-Amz-Checksum-Crc32c"); n != 3 {
		t.Errorf("%d of 3 carry a checksum", n)
	}
	for _, r := range f.all() { // to this machine itself the bytes are not hashed once more
		if got := r.Header.Get("X-Amz-Content-Sha256"); got != "UNSIGNED-PAYLOAD" {
			t.Errorf("payload hash %s", got)
		}
	}
}

func TestIsLoopback(t *testing.T) {
	for endpoint, want := range map[string]bool{
		"http://127.0.0.1:9000": true, "http://localhost": true, "http://[::1]:80": true, "": false,
		"http://10.0.0.1": false, "http://localhost.example.com": false, "https://s3.example.com": false,
	} {
		if isLoopback(endpoint) != want {
			t.Errorf("%s: %v", endpoint, !want)
		}
	}
}

// An upload declares CRC32C, each part carries its own, and the last request that
// of the whole object.
func TestChecksumOfUpload(t *testing.T) {
	s := &sumCheck{t: t}
	f := newFake(t, s.serve, func(o *Options) { o.PartSize, o.InFlight = 5<<20, 1 })
	large := bytes.NewReader(bytes.Repeat([]byte("abcdefg"), 1<<20))
	if _, err := f.Put(t.Context(), PutInput{Key: "k", Body: large, Size: large.Size()}); err != nil {
		t.Fatal(err)
	}
	wantWhole(t, f, s)
	s.check.whole = 0
	u := begin(t, f.Bucket, PutInput{Key: "k"})
	if _, err := u.Complete(t.Context(), 3, send(t, u, 100, 5, 77)); err != nil {
		t.Error(err)
	}
	wantWhole(t, f, s)
}

func wantWhole(t *testing.T, f *fake, s *sumCheck) {
	t.Helper()
	requests := f.all()
	last := requests[len(requests)-1]
	if got, want := last.Header.Get("X-Amz-Checksum-Crc32c"), *crcHeader(s.check.whole); got != want || last.Header.Get("X-Amz-Checksum-Type") != "FULL_OBJECT" {
		t.Errorf("%s has the checksum %q, want %s", last.URL, got, want)
	}
	if h := s.mu.created; h.Get("X-Amz-Checksum-Algorithm") != "CRC32C" || h.Get("X-Amz-Checksum-Type") != "FULL_OBJECT" {
		t.Errorf("declared: %v", h)
	}
}

// The parts of an edit carry Content-MD5, and nothing is declared: the store need
// not read what it copies.
func TestChecksumOfEdit(t *testing.T) {
	s := &sumCheck{t: t}
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Copy-Source") != "" {
			sendXML(w, "CopyPartResult", "<ETag>&quot;copied&quot;</ETag>")
			return
		}
		s.serve(w, r)
	})
	body := bytes.NewReader(make([]byte, 6<<20+5))
	in := PutInput{Key: "k", Body: body, Size: body.Size(), From: Object{Key: "k", ETag: "e0", Size: 6 << 20}}
	in.Parts = []Part{{0, 6 << 20, true}, {6 << 20, 5, false}}
	if _, err := f.Put(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if n := s.seen("Content-Md5"); n != 1 || s.seen("X-Amz-Checksum-Crc32c") != 0 || s.mu.created.Get("X-Amz-Checksum-Algorithm") != "" {
		t.Errorf("%d parts with Content-MD5; declared: %v", n, s.mu.created)
	}
}

// refusing is a store that answers so to whatever has one of the headers.
func refusing(status int, code string, headers ...string) func(*http.Request) (int, string) {
	return func(r *http.Request) (int, string) {
		for _, name := range headers {
			for have := range r.Header {
				if strings.HasPrefix(have, name) {
					return status, code
				}
			}
		}
		return 0, ""
	}
}

func (s *sumCheck) uploads(t *testing.T, b *Bucket) (failed error) {
	t.Helper()
	for _, size := range []int64{0, 1, 70000, 6 << 20, 11 << 20} {
		body := bytes.NewReader(make([]byte, size))
		o, err := b.Put(t.Context(), PutInput{Key: "k", Body: body, Size: size})
		if err != nil {
			failed = err
		} else if s.mu.size != size || o.Size != size {
			t.Errorf("%d of %d bytes are stored", s.mu.size, size)
		}
	}
	return failed
}

// A store without the checksums of S3 works by default, and it is said once that
// there are none; --checksums=never sends none and always is an error.
func TestK16B134ChecksumsRefused(t *testing.T) {
	for _, c := range []struct {
		status int
		code   string
	}{{400, "InvalidRequest"}, {400, "InvalidArgument"}, {501, "NotImplemented"}} {
		t.Run(c.code, func(t *testing.T) {
			for _, mode := range []string{Auto, Never, Always} {
				s := &sumCheck{t: t, refuse: refusing(c.status, c.code, "X-Amz-Checksum-", "X-Amz-Sdk-Checksum-")}
				var log bytes.Buffer
				f := newFake(t, s.serve, func(o *Options) {
					o.PartSize, o.InFlight, o.Checksums, o.Logger = 5<<20, 1, mode, slog.New(slog.NewTextHandler(&log, nil))
				})
				err := s.uploads(t, f.Bucket)
				if (err != nil) != (mode == Always) {
					t.Errorf("%s: %v", mode, err)
				}
				refused := 0
				for _, n := range f.Counters() {
					refused += int(n.Errors)
				}
				if said := strings.Count(log.String(), "refuses checksums"); mode == Auto && (refused != 2 || said != 2) || mode == Never && refused+said != 0 {
					t.Errorf("%s: %d requests refused, said %d times", mode, refused, said) // of PUTs and of uploads
				}
			}
		})
	}
}

// A refusal because of the bytes themselves is never answered by sending them
// without a checksum.
func TestK16BadDigestIsAnError(t *testing.T) {
	s := &sumCheck{t: t, refuse: refusing(400, "BadDigest", "X-Amz-Checksum-")}
	f := newFake(t, s.serve)
	if err := s.uploads(t, f.Bucket); err == nil || s.mu.there {
		t.Errorf("stored: %v, %v", s.mu.there, err)
	}
}

// Bodies are sent as they are, never in chunks with a trailer; sumCheck.body would
// find the framing.
func TestK16B135NoTrailers(t *testing.T) {
	for _, refuse := range []func(*http.Request) (int, string){
		refusing(501, "NotImplemented", "X-Amz-Trailer"),
		func(r *http.Request) (int, string) {
			if strings.HasPrefix(r.Header.Get("X-Amz-Content-Sha256"), "STREAMING") {
				return 400, "XAmzContentSHA256Mismatch"
			}
			return 0, ""
		},
		nil,
	} {
		s := &sumCheck{t: t, refuse: refuse}
		f := newFake(t, s.serve, func(o *Options) { o.PartSize = 5 << 20 })
		if err := s.uploads(t, f.Bucket); err != nil {
			t.Error(err)
		}
	}
}

// A store that insists on the hash of the payload gets it.
func TestK16UnsignedPayloadRefused(t *testing.T) {
	s := &sumCheck{t: t, refuse: func(r *http.Request) (int, string) {
		if r.Header.Get("X-Amz-Content-Sha256") == "UNSIGNED-PAYLOAD" {
			return 400, "XAmzContentSHA256Mismatch"
		}
		return 0, ""
	}}
	f := newFake(t, s.serve, func(o *Options) { o.PartSize = 5 << 20 })
	if err := s.uploads(t, f.Bucket); err != nil {
		t.Error(err)
	}
}

// Front ends change Accept-Encoding: it is sent and not signed.
func TestK16B137AcceptEncodingIsNotSigned(t *testing.T) {
	s := &shelf{}
	f := newFake(t, s.serve)
	if _, err := f.Put(t.Context(), textPut("k", "x", Condition{})); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Head(t.Context(), "k"); err != nil {
		t.Fatal(err)
	}
	for _, r := range f.all() {
		_, signed, _ := strings.Cut(r.Header.Get("Authorization"), "SignedHeaders=")
		signed, _, _ = strings.Cut(signed, ",")
		for _, name := range []string{"accept-encoding", "user-agent", "connection"} {
			if strings.Contains(signed, name) {
				t.Errorf("%s signs %s", r.Method, signed)
			}
		}
		if r.Header.Get("Accept-Encoding") != "identity" || !strings.Contains(signed, "host") {
			t.Errorf("%s: %v", r.Method, r.Header)
		}
	}
}

// A store without the removal of many (GCS) removes one by one, and one without
// the checksum of that request gets the older Content-MD5.
func TestK16DeleteAll(t *testing.T) {
	items := []DeleteItem{{Key: "a"}, {Key: "b", ETag: "e"}, {Key: "c"}}
	for _, c := range []struct {
		name          string
		refuse        func(*http.Request) (int, string)
		batch, single int64 // requests of the first DeleteAll
		again         int64 // batches of the second
	}{
		{"all of S3", refusing(0, ""), 1, 0, 1},
		{"Content-MD5", refusing(400, "InvalidRequest", "X-Amz-Checksum-"), 2, 0, 1},
		{"none", func(r *http.Request) (int, string) {
			if r.URL.Query().Has("delete") {
				return 501, "NotImplemented"
			}
			return 0, ""
		}, 2, 3, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
				body := drain(r)
				if status, code := c.refuse(r); status != 0 {
					sendError(w, status, code)
					return
				}
				if !r.URL.Query().Has("delete") {
					w.WriteHeader(http.StatusNoContent)
					return
				}
				digest := md5.Sum([]byte(body))
				if sum := r.Header.Get("Content-Md5"); sum != "" && sum != base64.StdEncoding.EncodeToString(digest[:]) {
					t.Errorf("Content-MD5 is %s", sum)
				} else if sum == "" && r.Header.Get("X-Amz-Checksum-Crc32") == "" {
					t.Error("neither checksum nor Content-MD5")
				}
				sendXML(w, "DeleteResult", "")
			})
			if failed := f.DeleteAll(t.Context(), items); len(failed) != 0 {
				t.Error(failed)
			}
			n := f.Counters()
			if n["DeleteObjects"].Requests != c.batch || n["DeleteObject"].Requests != c.single {
				t.Errorf("%d batches, %d single", n["DeleteObjects"].Requests, n["DeleteObject"].Requests)
			}
			if failed := f.DeleteAll(t.Context(), items); len(failed) != 0 || f.Counters()["DeleteObjects"].Requests != c.batch+c.again {
				t.Errorf("%v, %d batches in all", failed, f.Counters()["DeleteObjects"].Requests)
			}
		})
	}
}
