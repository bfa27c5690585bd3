package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	benchBucket = "bench"
	benchRegion = "us-east-1"
	benchAccess = "benchkey"
	benchSecret = "benchsecret" // of a server that only this machine reaches, for as long as the run
)

// server is a running S3 server of its own.
type server struct {
	account account
	cmd     *exec.Cmd
	stdin   io.Closer
	ended   chan struct{}
	errors  *tailBuffer
}

// startServer starts the s3server binary. It ends when its input does: also
// when this process is killed.
func startServer(ctx context.Context, binary, backend, dir string) (*server, error) {
	data := filepath.Join(dir, "s3")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, err
	}
	s := &server{ended: make(chan struct{}), errors: &tailBuffer{},
		account: account{Bucket: benchBucket, Region: benchRegion, Access: benchAccess, Secret: benchSecret}}
	s.cmd = exec.Command(binary, "--listen", "127.0.0.1:0", "--dir", data, "--backend", backend, "--region", benchRegion,
		"--access-key", benchAccess, "--secret-key", benchSecret, "--bucket", benchBucket, "--exit-on-stdin-close")
	s.cmd.Stderr, s.cmd.WaitDelay = s.errors, time.Second
	s.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	// Objects are large pieces of memory that the collector need not look into:
	// collecting early is cheap, and keeps removed ones from piling up.
	s.cmd.Env = append(os.Environ(), "GOGC=30")
	var err error
	if s.stdin, err = s.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := s.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := s.cmd.Start(); err != nil {
		return nil, fmt.Errorf("S3 server: %w (make build makes it; --s3server names it)", err)
	}
	ready := make(chan string, 1)
	go s.watch(out, ready)
	if s.account.Endpoint, err = s.awaitReady(ctx, ready); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

func (s *server) awaitReady(ctx context.Context, ready <-chan string) (string, error) {
	select {
	case url := <-ready:
		return url, nil
	case <-s.ended:
		return "", fmt.Errorf("the S3 server ended: %s", s.errors)
	case <-time.After(30 * time.Second):
		return "", errors.New("the S3 server is not ready after 30 s")
	case <-ctx.Done():
		return "", ctx.Err()
	}
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

func (s *server) alive() bool {
	select {
	case <-s.ended:
		return false
	default:
		return true
	}
}

func (s *server) stop() {
	s.stdin.Close()
	select {
	case <-s.ended:
	case <-time.After(5 * time.Second):
		_ = s.cmd.Process.Kill()
		<-s.ended
	}
}
