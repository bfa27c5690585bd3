package lab

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"testing"
	"time"
)

func TestBytesPassUnchanged(t *testing.T) {
	body := "5;chunk-signature=abc\r\nhello\r\n0;chunk-signature=def\r\n\r\n" // aws-chunked
	const target = "PUT /b/a%2Fb//c/../%E2%82%AC+%20~*?x-id=Put%20Object&&empty= HTTP/1.1\r\n" +
		"hOsT: bucket.example:9000\r\nx-amz-meta-A:  two  spaces \r\nX-Amz-Meta-A: again\r\n"
	for name, request := range map[string]string{
		"length": target + "Content-Encoding: aws-chunked\r\nContent-Length: " + fmt.Sprint(len(body)) + "\r\n\r\n" + body,
		"chunked": target + "Transfer-Encoding: chunked\r\n\r\n" +
			"5;ext=1\r\nhello\r\n000\r\nx-amz-Checksum-crc32: AAAA\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			got := make(chan string, 1)
			l := startAt(t, listen(t, func(c net.Conn) {
				b := make([]byte, len(request))
				_, _ = io.ReadFull(c, b)
				got <- string(b)
				_, _ = io.WriteString(c, "HTTP/1.1 200 Fine\r\netag: \"x\"\r\n\r\nuntil close")
			}), Shape{})
			c := dial(t, l)
			_, _ = io.WriteString(c, request)
			if g := <-got; g != request {
				t.Errorf("the server got\n%q, want\n%q", g, request)
			}
			resp, err := io.ReadAll(c)
			if want := "HTTP/1.1 200 Fine\r\netag: \"x\"\r\n\r\nuntil close"; string(resp) != want || err != nil {
				t.Errorf("the client got %q %v", resp, err)
			}
			if s := l.Stats(); s.BytesDown != 11 || s.Ops["PutObject"].Aborted != 0 {
				t.Errorf("stats: %+v", s)
			}
		})
	}
}

func TestBodies(t *testing.T) {
	l := start(t, Shape{}, echo)
	c := client(t, true)
	for _, size := range []int{0, 1, 4096, mib + 3, 8 * mib} {
		data := bytes.Repeat([]byte("0123456789abcde"), size/15+1)[:size]
		want := fmt.Sprintf("%d %x", size, sha256.Sum256(data))
		for _, mode := range []string{"length", "chunked", "expect"} {
			var body io.Reader = bytes.NewReader(data)
			if mode == "chunked" {
				body = io.MultiReader(body) // hides the length
			}
			req, _ := http.NewRequest("PUT", l.URL()+"/b/k", body)
			if mode == "expect" {
				req.Header.Set("Expect", "100-continue")
			}
			resp, err := c.Do(req)
			if err != nil {
				t.Fatalf("%s %d: %v", mode, size, err)
			}
			got, _ := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			if string(got) != want {
				t.Errorf("%s %d: got %s, want %s", mode, size, got, want)
			}
		}
	}
	s := l.Stats()
	if row := s.Ops["PutObject"]; row.Count != 15 || row.Aborted != 0 || row.BytesUp != 3*(1+4096+mib+3+8*mib) || s.InFlight != 0 {
		t.Errorf("stats: %+v", s)
	}
}

func TestConcurrentKeepAlive(t *testing.T) {
	l := start(t, Shape{}, echo)
	c := client(t, true)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 15 {
				if r := do(t, c, "GET", l.URL()+"/b/k", 0); r.n != mib || r.err != nil {
					t.Errorf("%+v", r)
				}
			}
		})
	}
	wg.Wait()
	if s := l.Stats(); s.Connections > 20 || s.Requests != 120 || s.BytesDown != 120*mib || s.MaxInFlight < 2 {
		t.Errorf("stats: %+v", s)
	}
}

func TestEarlyAnswer(t *testing.T) {
	l := start(t, Shape{}, func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(http.StatusForbidden) // without reading the body
	})
	req, _ := http.NewRequest("PUT", l.URL()+"/b/k", bytes.NewReader(make([]byte, 16*mib)))
	req.Header.Set("Expect", "100-continue")
	resp, err := client(t, true).Do(req)
	if err != nil || resp.StatusCode != 403 {
		t.Fatalf("%v %v", resp, err)
	}
	_ = resp.Body.Close()
	if s := l.Stats(); s.Ops["PutObject"].Status4xx != 1 || s.Ops["PutObject"].Aborted != 0 {
		t.Errorf("stats: %+v", s)
	}
}

func TestBadRequestLine(t *testing.T) {
	l := start(t, Shape{}, echo)
	c := dial(t, l)
	_, _ = io.WriteString(c, "GET /a b HTTP/1.1\r\n\r\n")
	line, err := bufio.NewReader(c).ReadString('\n')
	if line != "HTTP/1.1 400 Bad Request\r\n" || err != nil {
		t.Errorf("%q %v", line, err)
	}
}

func TestLatencyAndLimits(t *testing.T) {
	for _, c := range []struct {
		shape Shape
		least time.Duration
	}{
		{Shape{LatencyMS: 40}, 40 * time.Millisecond},
		{Shape{LatencyMS: 60, JitterMS: 20}, 40 * time.Millisecond},
		{Shape{StreamMBps: 5}, 180 * time.Millisecond}, // 1 MiB takes 210 ms
		{Shape{TotalMBps: 5}, 180 * time.Millisecond},
		{Shape{StreamMBps: 50, TotalMBps: 5}, 180 * time.Millisecond},
	} {
		t.Run(fmt.Sprintf("%+v", c.shape), func(t *testing.T) {
			t.Parallel()
			l := start(t, Shape{}, echo)
			l.SetShape(c.shape)
			if r := do(t, client(t, false), "GET", l.URL()+"/b/k", 0); r.took < c.least || r.n != mib || r.err != nil {
				t.Errorf("%+v", r)
			}
		})
	}
}

// BenchmarkGet shows the throughput of one and more streams without limits.
func BenchmarkGet(b *testing.B) {
	const size = 64 * mib
	block := make([]byte, mib)
	l := start(b, Shape{}, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Length", fmt.Sprint(size))
		for range size / len(block) {
			_, _ = w.Write(block)
		}
	})
	c := client(b, true)
	b.SetBytes(size)
	b.RunParallel(func(pb *testing.PB) {
		buf := make([]byte, mib)
		for pb.Next() {
			resp, err := c.Get(l.URL() + "/b/k")
			if err != nil {
				b.Error(err)
				return
			}
			_, _ = io.CopyBuffer(struct{ io.Writer }{io.Discard}, struct{ io.Reader }{resp.Body}, buf)
			_ = resp.Body.Close()
		}
	})
}
