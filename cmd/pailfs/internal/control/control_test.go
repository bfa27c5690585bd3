package control

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pailfs/pailfs/fs"
)

// handler answers by a function.
type handler func(ctx context.Context, req Request) (Response, error)

func (h handler) Handle(ctx context.Context, req Request) (Response, error) { return h(ctx, req) }

// serve starts a server for mount in a private directory of the test.
func serve(t *testing.T, mount string, h handler) (dir string, s *Server) {
	t.Helper()
	dir = socketDir(t)
	s, err := Listen(dir, mount, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	s.Serve(h)
	t.Cleanup(s.Close)
	return dir, s
}

// socketDir is short enough for a socket address, which t.TempDir may not be.
func socketDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pctl")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func echo(_ context.Context, req Request) (Response, error) {
	if req.Op == OpDrain {
		return Response{Kept: []fs.DraftInfo{{ID: "x"}}}, errors.New("not stored: a.txt")
	}
	return Response{PID: 42, Status: &fs.Status{Source: req.Op, Since: time.Unix(1, 0)}}, nil
}

func TestRoundTrip(t *testing.T) {
	dir, s := serve(t, "/mnt/a", echo)
	resp, err := Call(t.Context(), dir, "/mnt/a", Request{Op: OpStatus})
	if err != nil || resp.PID != 42 || resp.Status.Source != OpStatus || resp.V != Version {
		t.Errorf("%+v, %v", resp, err)
	}
	resp, err = Call(t.Context(), dir, "/mnt/a", Request{Op: OpDrain})
	var remote *RemoteError
	if !errors.As(err, &remote) || remote.Text != "not stored: a.txt" || len(resp.Kept) != 1 {
		t.Errorf("a refusal: %+v, %v", resp, err)
	}
	if _, err := Call(t.Context(), dir, "/mnt/b", Request{Op: OpPing}); !errors.Is(err, ErrNoServer) {
		t.Errorf("another mount point: %v", err)
	}
	if info, err := os.Stat(s.Path()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("socket mode: %v, %v", info.Mode(), err)
	}
	s.Close()
	if _, err := os.Stat(s.Path()); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the socket is left behind: %v", err)
	}
}

// TestLines speaks the protocol by hand: it is an interface for scripts too.
func TestLines(t *testing.T) {
	dir, _ := serve(t, "/mnt/a", echo)
	conn, err := net.Dial("unix", socketPath(dir, "/mnt/a"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for _, c := range []struct{ send, want string }{
		{`{"v":1,"op":"ping"}`, `"ok":true`},
		{`{"v":2,"op":"ping"}`, `version 2`},
		{`{"op":"ping"}`, `version 0`},
		{`hello`, `not a request`},
		{`{"v":1,"op":"status"}`, `"source":"status"`},
	} {
		fmt.Fprintln(conn, c.send)
		line, err := in.ReadString('\n')
		if err != nil || !strings.Contains(line, c.want) || !strings.HasPrefix(line, `{"v":1,`) {
			t.Errorf("%s: %s, %v", c.send, line, err)
		}
	}
}

func TestSecondServerIsRefused(t *testing.T) {
	dir, _ := serve(t, "/mnt/a", echo)
	if _, err := Listen(dir, "/mnt/a", slog.New(slog.DiscardHandler)); err == nil || !strings.Contains(err.Error(), "busy") {
		t.Errorf("%v", err)
	}
}

func TestStaleSocket(t *testing.T) {
	dir, _ := serve(t, "/mnt/live", echo)
	stale := socketPath(dir, "/mnt/dead")
	ln, err := net.ListenUnix("unix", &net.UnixAddr{Name: stale, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	ln.SetUnlinkOnClose(false)
	ln.Close()
	if _, err := Call(t.Context(), dir, "/mnt/dead", Request{Op: OpPing}); !errors.Is(err, ErrNoServer) {
		t.Errorf("%v", err)
	}
	all, err := Mounts(t.Context(), dir)
	if err != nil || len(all) != 1 || all[0].PID != 42 {
		t.Errorf("%+v, %v", all, err)
	}
	if _, err := os.Stat(stale); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the dead socket is left: %v", err)
	}
	// A new server takes the place of a dead one.
	_, s := serve(t, "/mnt/x", echo)
	path := s.Path()
	s.listener.Close()
	s2, err := Listen(filepath.Dir(path), "/mnt/x", s.log)
	if err != nil {
		t.Fatal(err)
	}
	s2.Close()
}

func TestTimeoutEndsTheHandler(t *testing.T) {
	dir, _ := serve(t, "/mnt/a", func(ctx context.Context, _ Request) (Response, error) {
		<-ctx.Done()
		return Response{}, ctx.Err()
	})
	_, err := Call(t.Context(), dir, "/mnt/a", Request{Op: OpDrain, TimeoutMS: 20})
	var remote *RemoteError
	if !errors.As(err, &remote) {
		t.Errorf("%v", err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
	defer cancel()
	if _, err := Call(ctx, dir, "/mnt/a", Request{Op: OpDrain}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the caller's own end: %v", err)
	}
}

// TestConn holds the order of `pailfs umount`: the wait is sent before the
// unmount that ends the process, and is answered however fast that goes.
func TestConn(t *testing.T) {
	for range 50 {
		dir, s := serve(t, "/mnt/a", echo)
		c, err := Dial(t.Context(), dir, "/mnt/a")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Call(t.Context(), Request{Op: OpPing}); err != nil {
			t.Fatal(err)
		}
		req := Request{Op: OpWait}
		if err := c.Send(req); err != nil {
			t.Fatal(err)
		}
		s.Close()
		if resp, err := c.Receive(t.Context(), req); err != nil || resp.Status.Source != OpWait {
			t.Fatalf("%+v, %v", resp, err)
		}
		c.Close()
	}
	if _, err := Dial(t.Context(), socketDir(t), "/mnt/a"); !errors.Is(err, ErrNoServer) {
		t.Errorf("%v", err)
	}
}

// TestCloseLetsAnswersOut holds what `pailfs umount` relies on: the answer to
// "wait" arrives although the process ends right after.
func TestCloseLetsAnswersOut(t *testing.T) {
	entered, ended := make(chan struct{}), make(chan struct{})
	dir, s := serve(t, "/mnt/a", func(context.Context, Request) (Response, error) {
		close(entered)
		<-ended
		return Response{}, errors.New("not stored: b")
	})
	var wg sync.WaitGroup
	wg.Go(func() {
		_, err := Call(t.Context(), dir, "/mnt/a", Request{Op: OpWait})
		var remote *RemoteError
		if !errors.As(err, &remote) || remote.Text != "not stored: b" {
			t.Errorf("%v", err)
		}
	})
	<-entered
	close(ended)
	s.Close()
	wg.Wait()
}

func TestPrivate(t *testing.T) {
	dir := filepath.Join(socketDir(t), "d")
	if err := private(dir, os.Getuid()); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if err := private(dir, os.Getuid()); err != nil {
		t.Errorf("the second time: %v", err)
	}
	if err := private(dir, os.Getuid()+1); err == nil {
		t.Error("another user's directory was taken")
	}
	if err := os.Chmod(dir, 0o750); err != nil {
		t.Fatal(err)
	}
	if err := private(dir, os.Getuid()); err == nil {
		t.Error("a directory open to the group was taken")
	}
	link := dir + "link"
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	if err := private(link, os.Getuid()); err == nil {
		t.Error("a symlink was taken")
	}
}

func TestDirOverride(t *testing.T) {
	want := filepath.Join(socketDir(t), "run")
	t.Setenv(EnvDir, want)
	if got, err := Dir(); err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
}
