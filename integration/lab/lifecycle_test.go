package lab

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

func TestStartFails(t *testing.T) {
	for _, c := range []struct {
		upstream string
		shape    Shape
	}{
		{"nowhere", Shape{}},
		{"https://127.0.0.1:1", Shape{}},
		{"127.0.0.1:1", Shape{LatencyMS: -1}},
	} {
		if l, err := Start(c.upstream, c.shape); err == nil {
			l.Close()
			t.Errorf("%+v: no error", c)
		}
	}
}

// TestClose closes a Lab with idle, waiting, stalled and streaming requests.
func TestClose(t *testing.T) {
	hang := make(chan struct{})
	l := start(t, Shape{StreamMBps: 1}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/b/hang" {
			<-hang
		}
		echo(w, r)
	})
	defer close(hang)
	setFault(t, l, Rule{Kind: KindStall, DelayMS: 60000, Key: "stall"})
	dial(t, l)
	var wg sync.WaitGroup
	for _, path := range []string{"hang", "stall", "stream"} {
		for _, method := range []string{"GET", "PUT"} {
			wg.Go(func() {
				if r := do(t, client(t, false), method, l.URL()+"/b/"+path, len(method)%2*16*mib); r.err == nil {
					t.Errorf("%s %s: %+v", method, path, r)
				}
			})
		}
	}
	eventually(t, "all requests", func() bool { return l.Stats().InFlight == 6 })
	begin := time.Now()
	l.Close()
	if d := time.Since(begin); d > 20*time.Second {
		t.Errorf("Close took %v", d)
	}
	if left := ownGoroutines(); left != "" {
		t.Errorf("goroutines left:\n%s", left)
	}
	wg.Wait()
	l.Close() // again
	if _, err := net.Dial("tcp", l.Addr()); err == nil {
		t.Error("still listening")
	}
}

// ownGoroutines returns the stacks of goroutines that run a Lab.
func ownGoroutines() string {
	buf := make([]byte, mib)
	stacks := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	return strings.Join(slices.DeleteFunc(stacks, func(s string) bool {
		return !strings.Contains(s, "lab.(*session)") && !strings.Contains(s, "lab.(*exchange)") &&
			!strings.Contains(s, "lab.(*Lab).accept")
	}), "\n\n")
}

func TestClientGoesAway(t *testing.T) {
	closed := make(chan struct{}, 1)
	l := startAt(t, listen(t, func(c net.Conn) {
		_, _ = io.Copy(io.Discard, c) // answers nothing, ever
		closed <- struct{}{}
	}), Shape{})
	for name, request := range map[string]string{
		"while waiting":   "GET /b/k HTTP/1.1\r\n\r\n",
		"while uploading": "PUT /b/k HTTP/1.1\r\nContent-Length: 1000\r\n\r\nonly so much",
	} {
		c := dial(t, l)
		_, _ = io.WriteString(c, request)
		eventually(t, "the request", func() bool { return l.Stats().InFlight == 1 })
		_ = c.Close()
		select {
		case <-closed:
		case <-time.After(time.Minute):
			t.Fatalf("%s: the server was not told", name)
		}
		eventually(t, "the end of the request", func() bool { return l.Stats().InFlight == 0 })
	}
	if s := l.Stats(); s.Ops["GetObject"].Aborted != 1 || s.Ops["PutObject"].Aborted != 1 {
		t.Errorf("stats: %+v", s)
	}
}

func TestMalformedChunk(t *testing.T) {
	l := start(t, Shape{}, echo)
	c := dial(t, l)
	_, _ = io.WriteString(c, "PUT /b/k HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n")
	if b, _ := io.ReadAll(c); len(b) > 0 {
		t.Errorf("%q", b)
	}
}

func TestSetUpstream(t *testing.T) {
	named := func(name string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, name) }
	}
	one, two := start(t, Shape{}, named("1")), start(t, Shape{}, named("22")) // Labs do as servers
	dead := listen(t, func(net.Conn) {})
	gone, err := Start(dead, Shape{})
	if err != nil {
		t.Fatal(err)
	}
	gone.Close() // nothing listens at its address now
	l := startAt(t, one.URL(), Shape{})
	c := client(t, true)
	for i, step := range []struct {
		addr string
		n    int64 // 0: an error
	}{{one.URL(), 1}, {two.Addr(), 2}, {gone.Addr(), 0}, {one.Addr(), 1}} {
		l.SetUpstream(step.addr)
		if r := do(t, c, "GET", l.URL()+"/b/k", 0); r.n != step.n || (r.err != nil) != (step.n == 0) {
			t.Errorf("%d: %+v", i, r)
		}
	}
	if s := l.Stats(); s.UpstreamErrors == 0 || s.Ops["GetObject"].Aborted != s.UpstreamErrors {
		t.Errorf("stats: %+v", s)
	}
}

func TestServerClosesIdleConnection(t *testing.T) {
	l := startAt(t, listen(t, func(c net.Conn) {
		_, _ = c.Read(make([]byte, 4096))
		_, _ = io.WriteString(c, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
	}), Shape{})
	c := client(t, true)
	for range 3 {
		if r := do(t, c, "GET", l.URL()+"/b/k", 0); r.err != nil || r.n != 2 {
			t.Errorf("%+v", r)
		}
		time.Sleep(5 * time.Millisecond) // for the server to close
	}
	if s := l.Stats(); s.Connections != 1 {
		t.Errorf("stats: %+v", s)
	}
}

func TestObserve(t *testing.T) {
	l := start(t, Shape{}, echo)
	c := client(t, true)
	var mu sync.Mutex
	var seen []string
	l.Observe(func(op, key string) {
		mu.Lock()
		defer mu.Unlock()
		seen = append(seen, fmt.Sprintf("%s %q", op, key))
		if op == "DeleteObject" {
			setFault(t, l, Rule{Kind: KindRefuse}) // holds for this very request
		}
	})
	do(t, c, "PUT", l.URL()+"/b/a%20b", 3)
	do(t, c, "GET", l.URL()+"/b/?list-type=2&prefix=a%2F", 0)
	if r := do(t, client(t, false), "DELETE", l.URL()+"/b/c", 0); r.err == nil {
		t.Errorf("%+v", r)
	}
	l.Observe(nil)
	l.ClearFaults()
	do(t, c, "GET", l.URL()+"/b/unseen", 0)
	mu.Lock()
	defer mu.Unlock()
	if want := []string{`PutObject "a b"`, `ListObjectsV2 "a/"`, `DeleteObject "c"`}; !slices.Equal(seen, want) {
		t.Errorf("seen %q, want %q", seen, want)
	}
}

// TestObserveAnswers holds an answer back: the server has done the work, and
// the client does not know of it.
func TestObserveAnswers(t *testing.T) {
	served := make(chan string, 4)
	l := start(t, Shape{}, func(w http.ResponseWriter, r *http.Request) {
		served <- r.URL.Path
		echo(w, r)
	})
	seen, hold := make(chan string, 4), make(chan struct{})
	l.ObserveAnswers(func(op, key string, status int) {
		seen <- fmt.Sprint(op, " ", key, " ", status)
		<-hold
	})
	done := make(chan reply, 1)
	c := client(t, true)
	go func() { done <- do(t, c, "PUT", l.URL()+"/b/k%20ey", 10) }()
	if got := <-seen; got != "PutObject k ey 200" {
		t.Errorf("observed %q", got)
	}
	if len(served) != 1 {
		t.Error("the server has not done the work")
	}
	select {
	case got := <-done:
		t.Errorf("the client knows already: %+v", got)
	case <-time.After(20 * time.Millisecond):
	}
	close(hold)
	if got := <-done; got.status != 200 {
		t.Errorf("after the hook: %+v", got)
	}
	if err := l.SetFaults(FaultSet{Rules: []Rule{{Kind: KindSlowDown, Probability: 1}}}); err != nil {
		t.Fatal(err)
	}
	do(t, c, "GET", l.URL()+"/b/k", 0)
	l.ClearFaults()
	l.ObserveAnswers(nil)
	do(t, c, "GET", l.URL()+"/b/k", 0)
	if len(seen) != 0 {
		t.Errorf("observed %q", <-seen)
	}
}
