package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/pailfs/pailfs/fs"
)

// fakeServer is a mount that is told how its end goes.
type fakeServer struct {
	fs.Server // not called otherwise

	stuck   bool  // Drain waits for its ctx
	dirty   error // what Drain returns
	busy    bool  // Unmount(false) fails, and Unmount(true) does not end Wait
	pending []fs.DraftInfo

	gone chan struct{}
	mu   struct {
		sync.Mutex
		calls []string
	}
}

func (f *fakeServer) note(call string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.calls = append(f.mu.calls, call)
}

func (f *fakeServer) Wait() { <-f.gone }

func (f *fakeServer) Flush(ctx context.Context) error { return f.Drain(ctx) }

func (f *fakeServer) Drain(ctx context.Context) error {
	f.note("drain")
	if f.stuck {
		<-ctx.Done()
		return fmt.Errorf("big.bin: %w", ctx.Err())
	}
	return f.dirty
}

func (f *fakeServer) Unmount(lazy bool) error {
	f.note(fmt.Sprint("unmount ", lazy))
	if f.busy {
		if lazy {
			return nil
		}
		return errors.New("busy")
	}
	close(f.gone)
	return nil
}

func (f *fakeServer) Close() error {
	f.note("close")
	return nil
}

func (f *fakeServer) Status() fs.Status { return fs.Status{Pending: f.pending} }

// TestEnd holds what happens, in which order, when a mount ends.
func TestEnd(t *testing.T) {
	for _, c := range []struct {
		name    string
		srv     *fakeServer
		sigs    int  // signals sent
		outside bool // unmounted from outside
		calls   string
		err     string
	}{
		{name: "signal", sigs: 1, calls: "drain, unmount false, drain, close"},
		{name: "outside", outside: true, calls: "drain, close"},
		{name: "busy", srv: &fakeServer{busy: true}, sigs: 1, calls: "drain, unmount false, unmount true, drain, close"},
		{name: "not stored", srv: &fakeServer{dirty: errors.New("a.txt, b.txt")}, sigs: 1, calls: "drain, unmount false, drain, close", err: "a.txt, b.txt"},
		{name: "outside, not stored", srv: &fakeServer{dirty: errors.New("a.txt")}, outside: true, calls: "drain, close", err: "a.txt"},
		{
			name: "second signal", srv: &fakeServer{stuck: true, pending: []fs.DraftInfo{{Path: "x/big.bin"}}},
			sigs: 2, calls: "drain, unmount false, close", err: "x/big.bin",
		},
		{name: "uploads hang", srv: &fakeServer{stuck: true}, outside: true, calls: "drain, close", err: "big.bin"},
	} {
		t.Run(c.name, func(t *testing.T) {
			sigs := make(chan os.Signal, 2)
			for range c.sigs {
				sigs <- syscall.SIGTERM
			}
			srv := c.srv
			if srv == nil {
				srv = &fakeServer{}
			}
			srv.gone = make(chan struct{})
			if c.outside {
				close(srv.gone)
			}
			s := &session{srv: srv, log: slog.New(slog.DiscardHandler), sigs: sigs, patience: 200 * time.Millisecond}
			s.watch()
			err := s.run()
			if got := strings.Join(srv.mu.calls, ", "); got != c.calls {
				t.Errorf("calls %q, want %q", got, c.calls)
			}
			switch {
			case c.err == "" && err != nil:
				t.Errorf("error %v", err)
			case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
				t.Errorf("error %v, want %q", err, c.err)
			}
			if srv.busy {
				close(srv.gone)
			}
		})
	}
}

func TestUnfinishedIsBounded(t *testing.T) {
	pending := make([]fs.DraftInfo, 25)
	for i := range pending {
		pending[i].Path = fmt.Sprintf("f%d", i)
	}
	text := unfinished(syscall.SIGINT, pending).Error()
	if !strings.Contains(text, "f9, and 15 more") || strings.Contains(text, "f10") {
		t.Error(text)
	}
}
