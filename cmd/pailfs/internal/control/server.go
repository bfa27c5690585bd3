package control

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"time"
)

const (
	idleTimeout  = time.Minute
	writeTimeout = 10 * time.Second
	// closeGrace is how long Close lets answers under way go out.
	closeGrace = 2 * time.Second
	// readGrace is how long Close still takes requests that are on their way.
	readGrace = 100 * time.Millisecond
)

// Handler answers requests; ctx ends at the request's timeout and when the
// server is closed. An error is sent as the response's Error.
type Handler interface {
	Handle(ctx context.Context, req Request) (Response, error)
}

// Server listens on the socket of one mount.
type Server struct {
	listener *net.UnixListener
	path     string
	log      *slog.Logger
	stop     context.CancelFunc
	ctx      context.Context // ends the handlers
	wg       sync.WaitGroup

	mu struct {
		sync.Mutex
		conns  map[net.Conn]bool // true while a request is being answered
		closed bool
	}
}

// Listen creates the socket of mount, an absolute path. Connections wait until
// Serve. It fails where another process serves that mount point.
func Listen(dir, mount string, log *slog.Logger) (*Server, error) {
	l, err := lock(dir)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	path := socketPath(dir, mount)
	if conn, err := net.DialTimeout("unix", path, time.Second); err == nil {
		conn.Close()
		return nil, fmt.Errorf("%s is busy: another pailfs serves it or finishes its uploads", mount)
	}
	// Listening under another name first: a socket that is there answers.
	tmp := filepath.Join(dir, "."+strconv.Itoa(os.Getpid())+".tmp")
	if err := os.Remove(tmp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: tmp, Net: "unix"})
	if err != nil {
		return nil, fmt.Errorf("control socket: %w", err)
	}
	ln.SetUnlinkOnClose(false)
	if err := errors.Join(os.Chmod(tmp, 0o600), os.Rename(tmp, path)); err != nil {
		ln.Close()
		os.Remove(tmp)
		return nil, fmt.Errorf("control socket: %w", err)
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{listener: ln, path: path, log: log, ctx: ctx, stop: stop}
	s.mu.conns = map[net.Conn]bool{}
	return s, nil
}

// Path is the socket's path.
func (s *Server) Path() string { return s.path }

// Serve answers connections with h until Close.
func (s *Server) Serve(h Handler) {
	s.wg.Go(func() {
		for {
			conn, err := s.listener.Accept()
			if errors.Is(err, net.ErrClosed) {
				return
			}
			if err != nil {
				s.log.Warn("control socket", "error", err)
				time.Sleep(100 * time.Millisecond) // out of descriptors: let some go
				continue
			}
			s.wg.Go(func() { s.converse(conn, h) })
		}
	})
}

// Close removes the socket, lets answers under way go out and ends the rest.
func (s *Server) Close() {
	os.Remove(s.path)
	s.listener.Close()
	s.mu.Lock()
	s.mu.closed = true
	for conn, busy := range s.mu.conns {
		if !busy && conn.SetReadDeadline(time.Now().Add(readGrace)) != nil {
			conn.Close()
		}
	}
	s.mu.Unlock()
	done := make(chan struct{})
	go func() { s.wg.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(closeGrace):
	}
	s.stop()
	select {
	case <-done:
	case <-time.After(closeGrace):
		s.log.Warn("control socket: a request did not end")
	}
}

// track notes whether conn is busy, and where it is not how long it may take to
// send its next request.
func (s *Server) track(conn net.Conn, busy bool) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.conns[conn] = busy
	if busy {
		return true
	}
	patience := idleTimeout
	if s.mu.closed {
		patience = readGrace
	}
	return conn.SetDeadline(time.Now().Add(patience)) == nil
}

func (s *Server) converse(conn net.Conn, h Handler) {
	defer func() {
		conn.Close()
		s.mu.Lock()
		delete(s.mu.conns, conn)
		s.mu.Unlock()
	}()
	in := bufio.NewScanner(conn)
	in.Buffer(nil, maxLine)
	out := json.NewEncoder(conn)
	for s.track(conn, false) && in.Scan() {
		s.track(conn, true)
		resp := s.answer(h, in.Bytes())
		if conn.SetWriteDeadline(time.Now().Add(writeTimeout)) != nil || out.Encode(resp) != nil {
			return
		}
	}
}

func (s *Server) answer(h Handler, line []byte) Response {
	var req Request
	if err := json.Unmarshal(line, &req); err != nil {
		return Response{V: Version, Error: "not a request: " + err.Error()}
	}
	if req.V != Version {
		return Response{V: Version, Error: fmt.Sprintf("version %d of the control protocol is not known here, only %d", req.V, Version)}
	}
	ctx, cancel := context.WithTimeout(s.ctx, req.Timeout())
	defer cancel()
	resp, err := h.Handle(ctx, req)
	resp.V, resp.OK = Version, err == nil
	if err != nil {
		resp.Error = err.Error()
	}
	return resp
}
