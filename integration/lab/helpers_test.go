package lab

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

const mib = 1 << 20

// start runs a Lab in front of h.
func start(t testing.TB, s Shape, h http.HandlerFunc) *Lab {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return startAt(t, srv.URL, s)
}

func startAt(t testing.TB, upstream string, s Shape) *Lab {
	t.Helper()
	l, err := Start(upstream, s)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close) // before the server's, which waits for connections
	return l
}

// echo answers a request with the length and hash of its body, a GET with
// 1 MiB and a DELETE with no body.
func echo(w http.ResponseWriter, r *http.Request) {
	switch r.Method {
	case http.MethodGet:
		w.Header().Set("Content-Length", fmt.Sprint(mib))
		_, _ = w.Write(make([]byte, mib))
	case http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	default:
		h := sha256.New()
		n, _ := io.Copy(h, r.Body)
		_, _ = fmt.Fprintf(w, "%d %x", n, h.Sum(nil))
	}
}

// result of one request.
type reply struct {
	status int
	n      int64 // bytes of the body
	err    error
	took   time.Duration
}

// client uses its connections as keepAlive says.
func client(t testing.TB, keepAlive bool) *http.Client {
	tr := &http.Transport{DisableKeepAlives: !keepAlive, MaxIdleConnsPerHost: 8, ExpectContinueTimeout: 5 * time.Second}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: time.Minute}
}

func do(t testing.TB, c *http.Client, method, url string, size int) reply {
	t.Helper()
	req, err := http.NewRequest(method, url, bytes.NewReader(make([]byte, size)))
	if err != nil {
		t.Fatal(err)
	}
	begin := time.Now()
	resp, err := c.Do(req)
	if err != nil {
		return reply{err: err}
	}
	n, err := io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
	return reply{resp.StatusCode, n, err, time.Since(begin)}
}

// dial opens a bare connection to the lab.
func dial(t testing.TB, l *Lab) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", l.Addr())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return c
}

// listen runs serve for each connection to a bare server.
func listen(t testing.TB, serve func(net.Conn)) (addr string) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			serve(c)
			_ = c.Close()
		}
	}()
	t.Cleanup(func() { _ = ln.Close(); <-done })
	return ln.Addr().String()
}

func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("not in time: %s", what)
		}
	}
}
