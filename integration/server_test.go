package integration

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pailfs/pailfs/integration/internal/s3proc"
	"github.com/pailfs/pailfs/integration/lab"
)

const (
	accessKey  = "pailfstestkey"
	secretKey  = "pailfstestsecret"
	testRegion = "us-east-1"
	testBucket = "test-bucket"
)

// env is one S3 server with a bucket, and what belongs to it.
type env struct {
	dir      string // of this test
	run      string // short, for sockets
	endpoint string // of the server itself
	mountURL string // what mounts are pointed at: the server or the lab
	bucket   string
	s3       *outside
	lab      *lab.Lab // nil unless asked for
	server   *s3proc.Server
}

type envOptions struct {
	backend string // "" is memory
	lab     bool
	use     string   // the bucket to use; "" is testBucket
	args    []string // more flags of s3server
}

// newEnv starts a server that ends with the test.
func newEnv(t *testing.T, o envOptions) *env {
	t.Helper()
	needMount(t)
	e := &env{dir: t.TempDir(), bucket: cmp.Or(o.use, testBucket)}
	var err error
	if e.run, err = os.MkdirTemp("", "r"); err != nil { // a socket's path has at most 107 bytes
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(e.run) })
	e.server = startServer(t, e.dir, o)
	e.endpoint = e.server.URL
	e.mountURL = e.endpoint
	e.s3 = newOutside(e.endpoint, e.bucket, accessKey, secretKey)
	if o.lab {
		e.startLab(t)
	}
	return e
}

func startServer(t *testing.T, dir string, o envOptions) *s3proc.Server {
	t.Helper()
	data := filepath.Join(dir, "s3")
	if err := os.MkdirAll(data, 0o755); err != nil {
		t.Fatal(err)
	}
	logFile, err := os.Create(filepath.Join(dir, "s3server.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer logFile.Close()
	s, err := s3proc.Start(t.Context(), s3proc.Config{
		Binary: programs.s3server, Dir: data, Backend: cmp.Or(o.backend, "memory"), Bucket: testBucket,
		AccessKey: accessKey, SecretKey: secretKey, Args: o.args, Log: logFile,
	})
	if err != nil {
		t.Fatalf("%v\n%s", err, tail(logFile.Name(), 30))
	}
	t.Cleanup(s.Kill)
	return s
}

// tail is the end of a log for a failure message.
func tail(file string, lines int) string {
	text, err := os.ReadFile(file)
	if err != nil {
		return err.Error()
	}
	all := strings.Split(strings.TrimRight(string(text), "\n"), "\n")
	return strings.Join(all[max(0, len(all)-lines):], "\n")
}
