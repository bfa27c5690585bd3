// Package s3proc runs the s3server program as a child.
package s3proc

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// readyLimit is how long the server may take until it accepts connections.
const readyLimit = 30 * time.Second

// Config says what to run. The server ends when its input does, and so when
// this process is killed.
type Config struct {
	Binary    string
	Dir       string // of the posix backend
	Backend   string // memory or posix
	Region    string // "" is the server's default
	AccessKey string
	SecretKey string
	Bucket    string
	Args      []string // more flags
	Env       []string // nil is this process's
	Log       io.Writer
}

// Server is a running s3server. Its process group is its own: ^C does not reach it.
type Server struct {
	URL   string
	cmd   *exec.Cmd
	stdin io.Closer
	ended chan struct{}
}

// Start runs a server and returns when it accepts connections. It fails when ctx
// ends before.
func Start(ctx context.Context, c Config) (*Server, error) {
	args := []string{"--listen", "127.0.0.1:0", "--dir", c.Dir, "--backend", c.Backend, "--access-key", c.AccessKey,
		"--secret-key", c.SecretKey, "--bucket", c.Bucket, "--exit-on-stdin-close"}
	if c.Region != "" {
		args = append(args, "--region", c.Region)
	}
	s := &Server{cmd: exec.Command(c.Binary, append(args, c.Args...)...), ended: make(chan struct{})}
	s.cmd.Stderr, s.cmd.Env, s.cmd.WaitDelay = c.Log, c.Env, time.Second
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var err error
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("S3 server: %w (make build makes it)", err)
	}
	ready := make(chan string, 1)
	go s.watch(out, ready)
	if s.URL, err = s.awaitReady(ctx, ready); err != nil {
		s.Kill()
		return nil, err
	}
	return s, nil
}

func (s *Server) awaitReady(ctx context.Context, ready <-chan string) (string, error) {
	select {
	case url := <-ready:
		return url, nil
	case <-s.ended:
		return "", errors.New("the S3 server ended before it was ready")
	case <-time.After(readyLimit):
		return "", fmt.Errorf("the S3 server is not ready after %v", readyLimit)
	case <-ctx.Done():
		return "", ctx.Err()
	}
}

// watch sends the URL once and reads on, so that the server never blocks.
func (s *Server) watch(out io.Reader, ready chan<- string) {
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

// PID is the process's.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// Alive reports whether it still runs.
func (s *Server) Alive() bool {
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

// Kill ends the server at once, as a crash would. It may be called more than once.
func (s *Server) Kill() {
	_ = s.cmd.Process.Kill()
	<-s.ended
	_ = s.stdin.Close()
}

// Stop ends it in order, or by force after limit.
func (s *Server) Stop(limit time.Duration) {
	_ = s.stdin.Close()
	select {
	case <-s.ended:
	case <-time.After(limit):
		s.Kill()
	}
}
