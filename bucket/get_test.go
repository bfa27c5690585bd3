package bucket

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

const content = "0123456789abcdefghij"

// serve answers a GET like S3.
func serve(w http.ResponseWriter, r *http.Request, data string) {
	w.Header().Set("ETag", `"e1"`)
	http.ServeContent(w, r, "", time.Unix(1700000000, 0), strings.NewReader(data))
}

func readGet(t *testing.T, b *Bucket, in GetInput) (string, Object, error) {
	t.Helper()
	o, body, err := b.Get(t.Context(), in)
	if err != nil {
		return "", o, err
	}
	defer body.Close()
	p, err := io.ReadAll(body)
	return string(p), o, err
}

func TestGetOfAStoreThatIgnoresRange(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("Range")
		serve(w, r, content)
	})
	for _, tc := range []struct {
		off, n int64
		want   string
	}{{0, 5, "01234"}, {10, 3, "abc"}, {15, -1, "fghij"}, {15, 99, "fghij"}} {
		got, o, err := readGet(t, f.Bucket, GetInput{Key: "k", ETag: "e1", Off: tc.off, Len: tc.n})
		if err != nil || got != tc.want || o.Size != int64(len(content)) {
			t.Errorf("%+v: %q, %+v, %v", tc, got, o, err)
		}
	}
	if _, _, err := f.Get(t.Context(), GetInput{Key: "k", Off: 20, Len: 1}); !errors.Is(err, ErrRange) {
		t.Error(err)
	}
	p := make([]byte, 3)
	if err := f.Fill(t.Context(), "k", "e1", 10, p); err != nil || string(p) != "abc" {
		t.Errorf("%q, %v", p, err)
	}
}

// A store or a proxy that ignores If-Match must not give us another version.
func TestGetOfAnotherVersion(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		r.Header.Del("If-Match")
		serve(w, r, content)
	})
	if _, _, err := f.Get(t.Context(), GetInput{Key: "k", ETag: "e0", Len: 5}); !errors.Is(err, ErrChanged) {
		t.Error(err)
	}
	if err := f.Fill(t.Context(), "k", "e0", 0, make([]byte, 5)); !errors.Is(err, ErrChanged) {
		t.Error(err)
	}
}

func TestGetOfAWrongRange(t *testing.T) {
	for _, span := range []string{"bytes 5-9/20", "bytes 0-3/20", "bytes x", "bytes 0-9/*"} {
		f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("ETag", `"e1"`)
			w.Header().Set("Content-Range", span)
			w.WriteHeader(http.StatusPartialContent)
			io.WriteString(w, "0123456789")
		})
		if _, _, err := f.Get(t.Context(), GetInput{Key: "k", ETag: "e1", Len: 10}); !errors.Is(err, ErrServer) {
			t.Error(span, err)
		}
	}
}

// cut sends the headers for all of a range, and only some of its bytes.
func cut(t *testing.T, w http.ResponseWriter, r *http.Request, send int) {
	t.Helper()
	var off, last int
	if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &off, &last); err != nil {
		t.Error(err)
	}
	w.Header().Set("ETag", `"e1"`)
	w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", off, last, len(content)))
	w.Header().Set("Content-Length", fmt.Sprint(last-off+1))
	w.WriteHeader(http.StatusPartialContent)
	io.WriteString(w, content[off:min(off+send, last+1)])
	w.(http.Flusher).Flush()
}

func TestGetThatIsCut(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) { cut(t, w, r, 4) })
	got, _, err := readGet(t, f.Bucket, GetInput{Key: "k", ETag: "e1", Len: 10})
	if got != content[:4] || !errors.Is(err, io.ErrUnexpectedEOF) || !errors.Is(err, ErrUnreachable) {
		t.Errorf("%q, %v", got, err)
	}
}

func TestFillGoesOnWhereItStopped(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) { cut(t, w, r, 6) })
	p := make([]byte, 15)
	if err := f.Fill(t.Context(), "k", "e1", 2, p); err != nil || string(p) != content[2:17] {
		t.Fatalf("%q, %v", p, err)
	}
	var got []string
	for _, r := range f.all() {
		got = append(got, r.Header.Get("Range"))
		if r.Header.Get("If-Match") != `"e1"` {
			t.Error("not pinned")
		}
	}
	if want := "bytes=2-16 bytes=8-16 bytes=14-16"; strings.Join(got, " ") != want {
		t.Error(got)
	}
}

func TestGetThatStalls(t *testing.T) {
	var calls atomic.Int32
	stop := make(chan struct{})
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		cut(t, w, r, 4)
		if calls.Add(1) == 1 {
			<-stop
		}
	}, func(o *Options) { o.Deadline = 6 * time.Second })
	defer close(stop)
	start := time.Now()
	p := make([]byte, 10)
	if err := f.Fill(t.Context(), "k", "e1", 0, p); err != nil || string(p) != content[:10] {
		t.Errorf("%q, %v", p, err)
	}
	if d := time.Since(start); d < 150*time.Millisecond || d > 6*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestFillNeedsAVersion(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) { serve(w, r, content) })
	if err := f.Fill(t.Context(), "k", "", 0, make([]byte, 1)); !errors.Is(err, ErrInvalid) {
		t.Error(err)
	}
}

func TestFillPastTheEnd(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) { serve(w, r, content) })
	for _, off := range []int64{15, 20, 30} {
		if err := f.Fill(t.Context(), "k", "e1", off, make([]byte, 10)); !errors.Is(err, ErrRange) {
			t.Error(off, err)
		}
	}
}

func TestCountersCountBytes(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) { serve(w, r, content) })
	if _, _, err := readGet(t, f.Bucket, GetInput{Key: "k", Len: 7}); err != nil {
		t.Fatal(err)
	}
	if got := f.Counters(); got["GetObject"] != (Counter{Requests: 1, BytesDown: 7}) || len(got) != 1 {
		t.Errorf("%+v", got)
	}
}
