package demo

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// startPatience is how long a child may take to answer.
const startPatience = 60 * time.Second

// server is the running S3 server.
type server struct {
	*process
	stdin     io.Closer // the server ends when it is closed
	url, dir  string
	accessKey string
	secretKey string
}

// startServer serves the folder dir with an empty bucket. The server makes up
// its own credentials and prints them, so none stand on a command line.
func startServer(ctx context.Context, exe, dir string) (*server, error) {
	if err := os.Mkdir(dir, 0o700); err != nil {
		return nil, err
	}
	cmd := exec.Command(exe, "--listen", "127.0.0.1:0", "--dir", dir, "--bucket", bucketName, "--exit-on-stdin-close")
	cmd.Env = childEnv()
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	// A pipe of our own: Wait closes that of StdoutPipe under the reader.
	out, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stdout = w
	p, err := start(cmd, syscall.SIGTERM)
	w.Close()
	if err != nil {
		out.Close()
		return nil, fmt.Errorf("start %s: %w", exe, err)
	}
	s := &server{process: p, stdin: stdin, dir: dir}
	if err := s.awaitReady(ctx, out); err != nil {
		return nil, errors.Join(err, s.stop())
	}
	return s, nil
}

// awaitReady reads the server's lines up to "ready URL", and drops later ones.
func (s *server) awaitReady(ctx context.Context, out *os.File) error {
	ready := make(chan bool, 1)
	go func() {
		defer out.Close()
		sc := bufio.NewScanner(out)
		for sc.Scan() && !s.take(sc.Text()) {
		}
		ready <- s.url != ""
		_, _ = io.Copy(io.Discard, out) // an error is the end as well
	}()
	select {
	case ok := <-ready:
		if ok {
			return nil
		}
		s.within(time.Second)
		return s.failure("the S3 server")
	case <-ctx.Done():
		return errors.New("interrupted")
	case <-time.After(startPatience):
		return errors.New("the S3 server did not become ready")
	}
}

// take reads one line and reports whether it was the last.
func (s *server) take(line string) bool {
	word, value, _ := strings.Cut(line, " ")
	switch word {
	case "access-key":
		s.accessKey = value
	case "secret-key":
		s.secretKey = value
	case "ready":
		s.url = value
		return true
	}
	return false
}

// env holds what a client of the server needs.
func (s *server) env() []string {
	return []string{
		"AWS_ACCESS_KEY_ID=" + s.accessKey, "AWS_SECRET_ACCESS_KEY=" + s.secretKey,
		"AWS_REGION=us-east-1", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null",
	}
}

func (s *server) stop() error {
	s.stdin.Close()
	if s.within(5*time.Second) || s.end(5*time.Second, syscall.SIGTERM, syscall.SIGKILL) {
		return nil
	}
	return fmt.Errorf("the S3 server, process %d, does not end", s.cmd.Process.Pid)
}
