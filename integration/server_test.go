package integration

import (
	"bufio"
	"cmp"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

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
	server   *server
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
	e.endpoint = e.server.url
	e.mountURL = e.endpoint
	e.s3 = newOutside(e.endpoint, e.bucket, accessKey, secretKey)
	if o.lab {
		e.startLab(t)
	}
	return e
}

type server struct {
	url   string
	cmd   *exec.Cmd
	stdin io.Closer
	ended chan struct{}
	once  sync.Once
}

func startServer(t *testing.T, dir string, o envOptions) *server {
	t.Helper()
	data := filepath.Join(dir, "s3")
	if err := os.MkdirAll(data, 0o755); err != nil {
		t.Fatal(err)
	}
	args := []string{"--listen", "127.0.0.1:0", "--dir", data, "--backend", cmp.Or(o.backend, "memory"),
		"--access-key", accessKey, "--secret-key", secretKey, "--bucket", testBucket, "--exit-on-stdin-close"}
	logFile, err := os.Create(filepath.Join(dir, "s3server.log"))
	if err != nil {
		t.Fatal(err)
	}
	defer logFile.Close()

	s := &server{cmd: exec.Command(programs.s3server, append(args, o.args...)...), ended: make(chan struct{})}
	s.cmd.Stderr = logFile
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.stop)
	ready := make(chan string, 1)
	go s.watch(out, ready)
	select {
	case s.url = <-ready:
	case <-s.ended:
	case <-time.After(30 * time.Second):
	}
	if s.url == "" {
		t.Fatalf("s3server %v is not ready\n%s", args, tail(logFile.Name(), 30))
	}
	return s
}

// watch sends the URL once and reads on, so that the server never blocks.
func (s *server) watch(out io.Reader, ready chan<- string) {
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if url, ok := strings.CutPrefix(lines.Text(), "ready "); ok {
			select {
			case ready <- strings.TrimSpace(url):
			default:
			}
		}
	}
	_ = s.cmd.Wait()
	close(s.ended)
}

// stop ends the server at once, as a crash would.
func (s *server) stop() {
	s.once.Do(func() {
		_ = s.cmd.Process.Kill()
		<-s.ended
		_ = s.stdin.Close()
	})
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
