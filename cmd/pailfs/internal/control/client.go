package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// ErrNoServer says that no pailfs process serves the mount point.
var ErrNoServer = errors.New("no pailfs process serves it")

// RemoteError is what the serving process answered.
type RemoteError struct{ Text string }

// Error is the text of the answer.
func (e *RemoteError) Error() string { return e.Text }

// answerSlack is added to a request's own timeout, in which the server ends it.
const answerSlack = 5 * time.Second

// Call sends one request to the process that serves mount, an absolute path. It
// returns ErrNoServer, or a RemoteError beside the response's other fields.
func Call(ctx context.Context, dir, mount string, req Request) (Response, error) {
	return call(ctx, socketPath(dir, mount), req)
}

func call(ctx context.Context, path string, req Request) (Response, error) {
	req.V = Version
	ctx, cancel := context.WithTimeout(ctx, req.Timeout()+answerSlack)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return Response{}, ErrNoServer
	case err != nil:
		return Response{}, fmt.Errorf("control socket: %w", err)
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	resp, err := exchange(conn, req)
	if err != nil && ctx.Err() != nil {
		return Response{}, fmt.Errorf("control socket: no answer to %q: %w", req.Op, ctx.Err())
	}
	return resp, err
}

func exchange(conn net.Conn, req Request) (Response, error) {
	if err := json.NewEncoder(conn).Encode(req); err != nil {
		return Response{}, fmt.Errorf("control socket: %w", err)
	}
	var resp Response
	if err := json.NewDecoder(bufio.NewReader(conn)).Decode(&resp); err != nil {
		return Response{}, fmt.Errorf("control socket: the process ended without an answer: %w", err)
	}
	if !resp.OK {
		return resp, &RemoteError{resp.Error}
	}
	return resp, nil
}

// Mounts asks every process of this user for its status and removes the
// sockets of those that are gone. A process that does not answer is an error
// beside the answers of the others.
func Mounts(ctx context.Context, dir string) ([]Response, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*"+suffix))
	if err != nil {
		return nil, err
	}
	var all []Response
	var failed []error
	for _, path := range names {
		resp, err := call(ctx, path, Request{Op: OpStatus, TimeoutMS: 5000})
		switch {
		case errors.Is(err, ErrNoServer):
			failed = append(failed, removeStale(dir, path))
		case err != nil:
			failed = append(failed, fmt.Errorf("%s: %w", strings.TrimSuffix(filepath.Base(path), suffix), err))
		default:
			all = append(all, resp)
		}
	}
	return all, errors.Join(failed...)
}

// removeStale removes a socket that nobody listens on. The second look, under
// the lock, keeps it from removing one that was created meanwhile.
func removeStale(dir, path string) error {
	l, err := lock(dir)
	if err != nil {
		return err
	}
	defer l.Close()
	conn, err := net.DialTimeout("unix", path, time.Second)
	if err == nil {
		return conn.Close()
	}
	if !errors.Is(err, syscall.ECONNREFUSED) {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}
