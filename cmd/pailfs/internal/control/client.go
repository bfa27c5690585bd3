package control

import (
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
	c, err := dial(ctx, path)
	if err != nil {
		return Response{}, err
	}
	defer c.Close()
	return c.Call(ctx, req)
}

// Conn is a connection for several requests, one after the other. While it is
// open the process cannot end without answering a request that it has.
type Conn struct {
	conn net.Conn
	in   *json.Decoder
}

// Dial connects to the process that serves mount, or returns ErrNoServer.
func Dial(ctx context.Context, dir, mount string) (*Conn, error) {
	return dial(ctx, socketPath(dir, mount))
}

func dial(ctx context.Context, path string) (*Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, answerSlack)
	defer cancel()
	var d net.Dialer
	conn, err := d.DialContext(ctx, "unix", path)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ECONNREFUSED):
		return nil, ErrNoServer
	case err != nil:
		return nil, fmt.Errorf("control socket: %w", err)
	}
	return &Conn{conn: conn, in: json.NewDecoder(conn)}, nil
}

// Close ends the connection; a Call under way fails.
func (c *Conn) Close() error { return c.conn.Close() }

// Call sends a request and reads the answer. After an error other than a
// RemoteError the connection is of no more use.
func (c *Conn) Call(ctx context.Context, req Request) (Response, error) {
	if err := c.Send(req); err != nil {
		return Response{}, err
	}
	return c.Receive(ctx, req)
}

// Send sends a request whose answer Receive reads.
func (c *Conn) Send(req Request) error {
	req.V = Version
	if err := c.conn.SetDeadline(time.Now().Add(req.Timeout() + answerSlack)); err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	if err := json.NewEncoder(c.conn).Encode(req); err != nil {
		return fmt.Errorf("control socket: %w", err)
	}
	return nil
}

// Receive reads the answer to req.
func (c *Conn) Receive(ctx context.Context, req Request) (Response, error) {
	stop := context.AfterFunc(ctx, func() { c.conn.Close() })
	defer stop()
	var resp Response
	err := c.in.Decode(&resp)
	switch {
	case err == nil && !resp.OK:
		return resp, &RemoteError{resp.Error}
	case err == nil:
		return resp, nil
	case ctx.Err() != nil:
		return Response{}, fmt.Errorf("control socket: %q: %w", req.Op, ctx.Err())
	case errors.Is(err, os.ErrDeadlineExceeded):
		return Response{}, fmt.Errorf("control socket: no answer to %q in time", req.Op)
	}
	return Response{}, fmt.Errorf("control socket: the process ended without an answer: %w", err)
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
