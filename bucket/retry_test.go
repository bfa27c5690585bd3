package bucket

import (
	"context"
	"errors"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

func TestTransientFailuresAreRetried(t *testing.T) {
	for _, status := range []int{500, 502, 503, 504, 429, 0} {
		var calls atomic.Int32
		f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
			drain(r)
			if calls.Add(1) <= 3 {
				if status == 0 {
					panic(http.ErrAbortHandler) // a lost connection
				}
				w.WriteHeader(status)
				return
			}
			w.Header().Set("ETag", `"e1"`)
		}, func(o *Options) { o.Deadline = 5 * time.Second })
		if o, err := f.Put(t.Context(), textPut("k", "data", Condition{})); err != nil || o.ETag != "e1" || calls.Load() != 4 {
			t.Errorf("%d: %d calls, %v", status, calls.Load(), err)
		}
	}
}

func TestRefusalsAreNotRetried(t *testing.T) {
	for _, status := range []int{400, 403, 404, 409, 412, 416, 501} {
		f := newFake(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) })
		if _, err := f.Head(t.Context(), "k"); err == nil || len(f.all()) != 1 {
			t.Errorf("%d: %d requests, %v", status, len(f.all()), err)
		}
	}
}

func TestCallsEndInTime(t *testing.T) {
	const deadline = 1500 * time.Millisecond
	stop := make(chan struct{})
	hang := newFake(t, func(w http.ResponseWriter, r *http.Request) { <-stop }, func(o *Options) { o.Deadline = deadline })
	defer close(stop)
	broken := newFake(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(500) }, func(o *Options) { o.Deadline = deadline })
	slow := newFake(t, func(w http.ResponseWriter, r *http.Request) { sendError(w, 503, "SlowDown") }, func(o *Options) { o.Deadline = deadline })
	dead := newTestBucket(t, deadServer(t), func(o *Options) { o.Deadline = deadline })
	var wait sync.WaitGroup
	for _, tc := range []struct {
		name string
		b    *Bucket
		want error
	}{{"hangs", hang.Bucket, ErrUnreachable}, {"fails", broken.Bucket, ErrServer}, {"slow down", slow.Bucket, ErrThrottled}, {"dead", dead, ErrUnreachable}} {
		for what, call := range map[string]func() error{
			"head": func() error { _, err := tc.b.Head(t.Context(), "k"); return err },
			"put":  func() error { _, err := tc.b.Put(t.Context(), textPut("k", "x", Condition{})); return err },
			"get":  func() error { _, _, err := tc.b.Get(t.Context(), GetInput{Key: "k", Len: -1}); return err },
			"fill": func() error { return tc.b.Fill(t.Context(), "k", "e1", 0, make([]byte, 1)) },
		} {
			wait.Go(func() {
				start := time.Now()
				if err := call(); !errors.Is(err, tc.want) {
					t.Errorf("%s, %s: %v", tc.name, what, err)
				}
				if d := time.Since(start); d > deadline+20*time.Second { // a machine may be slow; a call that does not end takes minutes
					t.Errorf("%s, %s: took %v", tc.name, what, d)
				}
			})
		}
	}
	wait.Wait()
}

// deadServer is the URL of a port that refuses connections.
func deadServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return "http://" + l.Addr().String()
}

func TestCallerMayLeave(t *testing.T) {
	stop := make(chan struct{})
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) { <-stop })
	defer close(stop)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := f.Head(ctx, "k"); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnreachable) {
		t.Error(err)
	}
}

func TestThrottleIsShared(t *testing.T) {
	var g throttle
	gen, _, err := g.enter(t.Context(), time.Second)
	if err != nil {
		t.Fatal(err)
	}
	g.slow(gen, 0)
	g.slow(gen, 0) // of the same wave: it does not grow
	g.ok(gen)      // sent before the gate closed: it does not open
	if _, hold, _ := g.state(); hold != throttleBase {
		t.Error(hold)
	}
	if _, _, err := g.enter(t.Context(), 10*time.Millisecond); !errors.Is(err, ErrThrottled) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := g.enter(ctx, time.Second); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	gen, waited, err := g.enter(t.Context(), time.Second)
	if err != nil || waited < throttleBase/2 {
		t.Error(waited, err)
	}
	g.ok(gen)
	if wait, hold, _ := g.state(); wait > 0 || hold != 0 {
		t.Error(wait, hold)
	}
	for range 20 {
		_, _, gen := g.state()
		g.slow(gen, 0)
	}
	if _, hold, _ := g.state(); hold != throttleCap {
		t.Error(hold)
	}
}

func TestManyCallsSurviveManyFaults(t *testing.T) {
	var n atomic.Int64
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if n.Add(1)%3 == 0 {
			w.WriteHeader(500)
			return
		}
		w.Header().Set("ETag", `"e1"`)
	}, func(o *Options) { o.Deadline = 10 * time.Second })
	var wait sync.WaitGroup
	for range 200 {
		wait.Go(func() {
			if _, err := f.Head(t.Context(), "k"); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
}

func TestRetryAfter(t *testing.T) {
	var calls atomic.Int32
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if calls.Add(1) == 1 {
			w.Header().Set("Retry-After", "1")
			w.WriteHeader(503)
		}
	}, func(o *Options) { o.Deadline = 5 * time.Second })
	start := time.Now()
	if _, err := f.Head(t.Context(), "k"); err != nil || time.Since(start) < time.Second {
		t.Error(time.Since(start), err)
	}
}

func TestCheckFollowsTheRegion(t *testing.T) {
	for _, tc := range []struct {
		name string
		deny func(w http.ResponseWriter)
	}{
		{"header", func(w http.ResponseWriter) {
			w.Header().Set(regionHeader, "eu-central-1")
			sendError(w, 301, "PermanentRedirect")
		}},
		{"body", func(w http.ResponseWriter) {
			w.WriteHeader(400)
			w.Write([]byte("<Error><Code>AuthorizationHeaderMalformed</Code><Region>eu-central-1</Region></Error>"))
		}},
	} {
		f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
			if !strings.Contains(r.Header.Get("Authorization"), "/eu-central-1/") {
				tc.deny(w)
				return
			}
			sendXML(w, "ListBucketResult", "")
		})
		if err := f.Check(t.Context(), ""); err != nil || f.Region() != "eu-central-1" || len(f.all()) != 2 {
			t.Errorf("%s: %v, %s", tc.name, err, f.Region())
		}
	}
}

func TestCheckSaysWhatIsWrong(t *testing.T) {
	for _, tc := range []struct {
		status int
		code   string
		want   error
		advice string
	}{
		{404, "NoSuchBucket", ErrNoBucket, "bucket's name"},
		{403, "AccessDenied", ErrPermission, "s3:ListBucket"},
		{404, "InvalidAccessKeyId", ErrPermission, "keys"},
	} {
		f := newFake(t, func(w http.ResponseWriter, r *http.Request) { sendError(w, tc.status, tc.code) })
		err := f.Check(t.Context(), "p/")
		if !errors.Is(err, tc.want) || !strings.Contains(err.Error(), tc.advice) || strings.Contains(err.Error(), "\n") {
			t.Error(err)
		}
		if q := f.all()[0].URL.Query(); q.Get("prefix") != "p/" || q.Get("max-keys") != "1" {
			t.Error(q)
		}
	}
	dead := newTestBucket(t, deadServer(t), func(o *Options) { o.Deadline = 300 * time.Millisecond })
	if err := dead.Check(t.Context(), ""); !errors.Is(err, ErrUnreachable) {
		t.Error(err)
	}
}

func TestCheckWithoutCredentials(t *testing.T) {
	isolate(t)
	b, err := New(t.Context(), Options{Bucket: "b", Endpoint: "http://127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := b.Check(t.Context(), ""); !errors.Is(err, ErrNoCreds) || time.Since(start) > 20*time.Second {
		t.Error(time.Since(start), err)
	}
	if _, err := b.Head(t.Context(), "k"); !errors.Is(err, ErrNoCreds) {
		t.Error(err)
	}
}

func TestNewRefusesNonsense(t *testing.T) {
	for _, opts := range []Options{{}, {Bucket: "b", Endpoint: "localhost:9000"}, {Bucket: "b", SSECKey: []byte("short")}} {
		if _, err := New(t.Context(), opts); !errors.Is(err, ErrInvalid) {
			t.Error(opts, err)
		}
	}
}
