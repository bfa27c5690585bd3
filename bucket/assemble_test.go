package bucket

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"sync"
	"testing"
)

// edited is a body that is not there before its bytes are filled in.
type edited struct {
	mu struct {
		sync.Mutex
		bytes []byte
		fills int
	}
}

func (e *edited) ReadAt(p []byte, off int64) (int, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	return copy(p, e.mu.bytes[off:]), nil
}

func (e *edited) fill(_ context.Context, off, n int64) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.mu.fills++
	for i := range n {
		e.mu.bytes[off+i] = 'f'
	}
	return nil
}

func editInput(body *edited) PutInput {
	in := PutInput{Key: "k", Body: body, Size: 12<<20 + 10, From: Object{Key: "k", ETag: "e0", Size: 12 << 20}}
	in.Parts = []Part{{0, 6 << 20, true}, {6 << 20, 6 << 20, false}, {12 << 20, 10, false}}
	body.mu.bytes = make([]byte, in.Size)
	return in
}

// copying answers UploadPartCopy when answer lets it, and is s for the rest.
func copying(s http.HandlerFunc, answer func()) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Copy-Source") == "" {
			s(w, r)
			return
		}
		answer()
		sendXML(w, "CopyPartResult", "<ETag>&quot;copied&quot;</ETag>")
	}
}

// What is sent along is fetched while the store copies: here the copy waits for
// the parts that were filled and sent. After a conflict all are sent again.
func TestEditFillsWhileTheStoreCopies(t *testing.T) {
	s := &shelf{}
	s.mu.refuse = []string{"ConditionalRequestConflict"}
	sent := make(chan string, 100)
	once := sync.OnceFunc(func() { <-sent; <-sent })
	f := newFake(t, copying(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPut {
			body := drain(r)
			if strings.Trim(body, "f") != "" || len(body) == 0 {
				t.Errorf("%s was sent before it was filled", r.URL)
			}
			defer func() { sent <- body }()
		}
		s.serve(w, r)
	}, once))
	body := &edited{}
	in := editInput(body)
	in.Fill = body.fill
	if _, err := f.Put(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	if n := f.Counters()["UploadPart"].Requests; n != 4 || body.mu.fills != 4 {
		t.Errorf("%d parts sent, %d filled", n, body.mu.fills)
	}
}

func TestEditWhoseFillFails(t *testing.T) {
	broken := errors.New("the base is gone")
	for _, copies := range []bool{true, false} { // of which one may be under way
		s := &shelf{}
		f := newFake(t, copying(s.serve, func() {}))
		in := editInput(&edited{})
		if !copies {
			in.Parts[0].Copy = false
		}
		in.Fill = func(_ context.Context, off, _ int64) error {
			if off == 12<<20 {
				return broken
			}
			return nil
		}
		if _, err := f.Put(t.Context(), in); !errors.Is(err, broken) || s.mu.there || len(s.mu.uploads) != 0 {
			t.Errorf("%v, stored %v, %d uploads left", err, s.mu.there, len(s.mu.uploads))
		}
	}
}
