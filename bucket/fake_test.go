package bucket

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// fake is an S3 server of one handler, which keeps the requests it has had.
type fake struct {
	*Bucket
	url string
	mu  struct {
		sync.Mutex
		requests []*http.Request
	}
}

// newFake starts a server whose answers come from h, and a Bucket that speaks to
// it.
func newFake(t *testing.T, h http.HandlerFunc, change ...func(*Options)) *fake {
	t.Helper()
	f := &fake{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.mu.requests = append(f.mu.requests, r)
		f.mu.Unlock()
		h(w, r)
	}))
	t.Cleanup(srv.Close)
	f.url = srv.URL
	f.Bucket = newTestBucket(t, srv.URL, change...)
	return f
}

func newTestBucket(t *testing.T, endpoint string, change ...func(*Options)) *Bucket {
	t.Helper()
	isolate(t)
	t.Setenv("AWS_ACCESS_KEY_ID", "key")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	opts := Options{Bucket: "b", Endpoint: endpoint, PathStyle: true, Deadline: 20 * time.Second}
	for _, c := range change {
		c(&opts)
	}
	b, err := New(t.Context(), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.http.client.CloseIdleConnections)
	return b
}

// isolate keeps this machine's configuration out of a test.
func isolate(t *testing.T) {
	t.Helper()
	for _, name := range []string{
		"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE", "AWS_REGION",
		"AWS_DEFAULT_REGION", "AWS_ROLE_ARN", "AWS_WEB_IDENTITY_TOKEN_FILE", "AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_S3",
		"AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "AWS_CONTAINER_CREDENTIALS_FULL_URI",
	} {
		t.Setenv(name, "")
	}
	t.Setenv("AWS_CONFIG_FILE", "/dev/null")
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
	t.Setenv("AWS_EC2_METADATA_DISABLED", "true")
}

// all are the requests so far.
func (f *fake) all() []*http.Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]*http.Request(nil), f.mu.requests...)
}

func sendError(w http.ResponseWriter, status int, code string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, "<Error><Code>%s</Code><Message>test</Message></Error>", code)
}

func sendXML(w http.ResponseWriter, name, inner string) {
	w.Header().Set("Content-Type", "application/xml")
	fmt.Fprintf(w, "<%s>%s</%s>", name, inner, name)
}

// drain reads a request to its end, so that the client has sent all of it.
func drain(r *http.Request) string {
	p, _ := io.ReadAll(r.Body)
	return string(p)
}

func textPut(key, data string, c Condition) PutInput {
	return PutInput{Key: key, Body: strings.NewReader(data), Size: int64(len(data)), If: c}
}
