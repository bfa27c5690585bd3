package bucket

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/xml"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"time"

	"github.com/aws/smithy-go/middleware"
)

// errStalled ends an attempt in which no byte moved for its stall timeout.
var errStalled = errors.New("no progress in time")

const (
	dialTimeout  = 5 * time.Second
	tlsTimeout   = 10 * time.Second
	regionHeader = "X-Amz-Bucket-Region"
)

// transport sends single HTTP attempts: it counts them, and ends those that
// stall. It sits below the SDK's retry loop.
type transport struct {
	client *http.Client
	counts counters
}

func newTransport(opts Options, roots *x509.CertPool) *transport {
	dialer := &net.Dialer{Timeout: min(dialTimeout, opts.Deadline), KeepAlive: 30 * time.Second}
	// Several transfers run at once, each with its own in-flight limit; fewer
	// idle connections than that would be closed and dialled again and again.
	idle := max(64, 4*opts.InFlight)
	tr := &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSHandshakeTimeout:   tlsTimeout,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		MaxIdleConns:          2 * idle,
		MaxIdleConnsPerHost:   idle,
		IdleConnTimeout:       60 * time.Second,
		ExpectContinueTimeout: time.Second,
		// Bodies are stored bytes: never ask for a gzip that was not stored.
		DisableCompression: true,
		// One HTTP/2 connection would carry all parallel transfers: HTTP/1.1.
		TLSNextProto: map[string]func(string, *tls.Conn) http.RoundTripper{},
		// The response-header timeout is the watchdog's: it depends on the call.
	}
	return &transport{client: &http.Client{Transport: tr, CheckRedirect: checkRedirect}}
}

// checkRedirect lets only 307 and 308 through, which keep method and body. A
// 301 says that the region is wrong and must be signed anew (see Check).
func checkRedirect(r *http.Request, via []*http.Request) error {
	if len(via) >= 5 {
		return http.ErrUseLastResponse
	}
	switch r.Response.StatusCode {
	case http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
		return nil
	}
	return http.ErrUseLastResponse
}

// Do sends one attempt. It implements the SDK's HTTPClient.
func (t *transport) Do(req *http.Request) (*http.Response, error) {
	c := callFrom(req.Context())
	count := t.counts.of(middleware.GetOperationName(req.Context()))
	count.requests.Add(1)

	ctx, cancel := context.WithCancelCause(req.Context())
	dog := &watchdog{stall: c.patience(), cancel: cancel, call: c}
	req = req.WithContext(ctx)
	if req.Body != nil && req.Body != http.NoBody {
		req.Body = &upBody{ReadCloser: req.Body, dog: dog, count: &count.up}
	}
	dog.start()
	resp, err := t.client.Do(req)
	dog.stop()
	if err == nil || !isDialError(err) {
		c.sent.Store(true)
	}
	if err != nil {
		count.errors.Add(1)
		err = stalledOr(ctx, err)
		cancel(nil)
		return resp, err
	}
	c.touch()
	if isFailure(resp.StatusCode) {
		count.errors.Add(1)
	}
	resp.Body = &downBody{ReadCloser: resp.Body, ctx: ctx, dog: dog, count: &count.down}
	noteRegion(resp)
	return resp, nil
}

// isFailure leaves out the answers that are what was asked: "no such key",
// "not that version" and "past the end".
func isFailure(status int) bool {
	switch status {
	case http.StatusNotFound, http.StatusPreconditionFailed, http.StatusRequestedRangeNotSatisfiable:
		return false
	}
	return status >= 300
}

func stalledOr(ctx context.Context, err error) error {
	if errors.Is(context.Cause(ctx), errStalled) {
		return errStalled
	}
	return err
}

// noteRegion puts the region that an error body names into the header where
// S3 usually names it too; the SDK's errors carry headers, not bodies.
func noteRegion(resp *http.Response) {
	switch resp.StatusCode {
	case http.StatusMovedPermanently, http.StatusTemporaryRedirect, http.StatusBadRequest:
	default:
		return
	}
	if resp.Header.Get(regionHeader) != "" {
		return
	}
	head, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	rest := resp.Body
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.MultiReader(bytes.NewReader(head), rest), rest}
	if err != nil {
		return // the SDK meets the same error on its own read
	}
	var body struct {
		Region string `xml:"Region"`
	}
	if xml.Unmarshal(head, &body) == nil && body.Region != "" {
		resp.Header.Set(regionHeader, body.Region)
	}
}

// watchdog cancels an attempt in which nothing moved for stall. It only runs
// while we wait for the store: a reader that pauses is not the store's fault.
type watchdog struct {
	stall  time.Duration
	cancel context.CancelCauseFunc
	call   *call
	timer  *time.Timer

	since   time.Time
	longest atomic.Int64 // nanoseconds that it had to wait; a Close may come during a Read
}

func (w *watchdog) start() {
	w.since = time.Now()
	if w.timer == nil {
		w.timer = time.AfterFunc(w.stall, func() { w.cancel(errStalled) })
		return
	}
	w.timer.Reset(w.stall)
}

func (w *watchdog) stop() {
	w.timer.Stop()
	w.longest.Store(max(w.longest.Load(), int64(time.Since(w.since))))
}

// progress restarts the wait of a watchdog that runs.
func (w *watchdog) progress() {
	w.call.touch()
	if w.timer.Stop() {
		w.timer.Reset(w.stall)
	}
}

// upBody is a request body. The transport reads it as the socket takes bytes,
// so reads are progress.
type upBody struct {
	io.ReadCloser
	dog   *watchdog
	count *atomic.Int64
}

func (b *upBody) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if n > 0 {
		b.count.Add(int64(n))
		b.dog.progress()
	}
	return n, err
}

// downBody is a response body.
type downBody struct {
	io.ReadCloser
	ctx   context.Context //nolint:containedctx // of the one attempt that the body belongs to
	dog   *watchdog
	count *atomic.Int64
}

func (b *downBody) Read(p []byte) (int, error) {
	b.dog.start()
	n, err := b.ReadCloser.Read(p)
	b.dog.stop()
	if n > 0 {
		b.count.Add(int64(n))
		b.dog.call.touch()
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = stalledOr(b.ctx, err)
	}
	return n, err
}

func (b *downBody) Close() error {
	err := b.ReadCloser.Close()
	b.dog.timer.Stop()
	if p := b.dog.call.pace; p != nil && b.ctx.Err() == nil {
		p.saw(time.Duration(b.dog.longest.Load()))
	}
	b.dog.cancel(nil)
	return err
}
