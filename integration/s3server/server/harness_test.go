package server_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/pailfs/pailfs/integration/s3server/server"
)

const bkt = "test-bucket"

// rig is a running server and a client of it.
type rig struct {
	*s3.Client
	srv  *server.Server
	http *http.Client
}

// start runs a server for the length of a test. The gateway allows one per
// process, so no test here is parallel.
func start(t *testing.T, opts server.Options) rig {
	t.Helper()
	if opts.Backend == server.Posix {
		dir, err := os.Getwd()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = os.Chdir(dir) }) // the posix backend moves into its root
		opts.Dir = t.TempDir()
	}
	if opts.Synthetic == 0 {
		opts.Buckets = append(opts.Buckets, bkt)
	}
	srv, err := server.Start(opts)
	if err != nil {
		t.Fatal(err)
	}
	hc := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	t.Cleanup(func() {
		hc.CloseIdleConnections()
		if err := srv.Close(); err != nil {
			t.Error(err)
		}
	})
	return rig{newClient(srv, hc, srv.AccessKey, srv.SecretKey), srv, hc}
}

func newClient(srv *server.Server, hc *http.Client, access, secret string) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint:               aws.String(srv.URL()),
		Region:                     srv.Region,
		UsePathStyle:               true,
		HTTPClient:                 hc,
		RetryMaxAttempts:           1,
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenSupported,
		Credentials:                credentials.NewStaticCredentialsProvider(access, secret, ""),
	})
}

func (r rig) put(t *testing.T, key string, data []byte, change ...func(*s3.PutObjectInput)) string {
	t.Helper()
	in := &s3.PutObjectInput{Bucket: aws.String(bkt), Key: &key, Body: bytes.NewReader(data)}
	for _, f := range change {
		f(in)
	}
	out, err := r.PutObject(context.Background(), in)
	if err != nil {
		t.Fatalf("put %q: %v", key, err)
	}
	return *out.ETag
}

func (r rig) get(t *testing.T, key string) []byte {
	t.Helper()
	out, err := r.GetObject(context.Background(), &s3.GetObjectInput{
		Bucket: aws.String(bkt), Key: &key, ChecksumMode: "ENABLED"})
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	defer out.Body.Close()
	data, err := io.ReadAll(out.Body)
	if err != nil {
		t.Fatalf("get %q: %v", key, err)
	}
	return data
}

func (r rig) head(t *testing.T, key string) *s3.HeadObjectOutput {
	t.Helper()
	out, err := r.HeadObject(context.Background(), &s3.HeadObjectInput{Bucket: aws.String(bkt), Key: &key})
	if err != nil {
		t.Fatalf("head %q: %v", key, err)
	}
	return out
}

// answer returns status and error code of a call; 200 stands for success.
func answer(err error) (int, string) {
	if err == nil {
		return http.StatusOK, ""
	}
	status, code := 0, err.Error()
	var re *smithyhttp.ResponseError
	if errors.As(err, &re) {
		status = re.HTTPStatusCode()
	}
	var ae smithy.APIError
	if errors.As(err, &ae) {
		code = ae.ErrorCode()
	}
	return status, code
}

func wantStatus(t *testing.T, what string, err error, want int) {
	t.Helper()
	if got, code := answer(err); got != want {
		t.Errorf("%s: status %d (%s), want %d", what, got, code, want)
	}
}

func wantCode(t *testing.T, what string, err error, want string) {
	t.Helper()
	if got, code := answer(err); code != want {
		t.Errorf("%s: code %q (status %d), want %q", what, code, got, want)
	}
}
