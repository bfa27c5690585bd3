package lab

import (
	"context"
	"fmt"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Lab is one running proxy. All its methods are safe for concurrent use.
type Lab struct {
	ln       *net.TCPListener
	upstream atomic.Pointer[string]
	shape    atomic.Pointer[Shape]
	faults   atomic.Pointer[injector]
	observer atomic.Pointer[func(op, key string)]
	answers  atomic.Pointer[func(op, key string, status int)]
	stats    *stats
	total    pacer

	// ctx ends with the Lab; every sleep and dial is bound to it.
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	closed bool
	conns  map[*net.TCPConn]struct{}
}

// Start runs a Lab on a free port of 127.0.0.1 in front of upstream, the
// "host:port" or "http://host:port" of an S3 server. The server need not be
// up yet. It fails where upstream or s is malformed or no port can be had.
func Start(upstream string, s Shape) (*Lab, error) {
	return Listen("127.0.0.1:0", upstream, s)
}

// Listen is Start on a given "host:port".
func Listen(addr, upstream string, s Shape) (*Lab, error) {
	if err := checkUpstream(upstream); err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	if err := s.validate(); err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("lab: %w", err)
	}
	l := &Lab{
		ln:    ln.(*net.TCPListener), // what "tcp" gives
		stats: newStats(),
		conns: map[*net.TCPConn]struct{}{},
	}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	l.SetUpstream(upstream)
	l.SetShape(s)
	l.ClearFaults()
	l.wg.Go(l.accept)
	return l, nil
}

// Addr returns the "host:port" the Lab listens on.
func (l *Lab) Addr() string { return l.ln.Addr().String() }

// URL returns the endpoint for an S3 client, "http://host:port".
func (l *Lab) URL() string { return "http://" + l.Addr() }

// Close closes the listener and all connections, and returns when every
// goroutine of the Lab has ended. It may be called more than once, but not
// from a hook of Observe or ObserveAnswers, which it waits for.
func (l *Lab) Close() {
	l.cancel()
	_ = l.ln.Close()
	l.mu.Lock()
	l.closed = true
	for c := range l.conns {
		_ = c.Close()
	}
	l.mu.Unlock()
	l.wg.Wait()
}

// SetUpstream sends the requests that start from now on to another server.
// Requests under way end where they began. Where no server listens at addr
// the client sees its connection reset, as with a server that has died.
func (l *Lab) SetUpstream(addr string) {
	addr = hostPort(addr)
	l.upstream.Store(&addr)
}

// SetShape replaces latency and limits, also for transfers under way.
// Negative values count as 0.
func (l *Lab) SetShape(s Shape) {
	s = s.clamp()
	l.shape.Store(&s)
}

// SetFaults replaces all rules and starts their counts and draws afresh. It
// fails, and changes nothing, where a rule is malformed.
func (l *Lab) SetFaults(set FaultSet) error {
	if err := set.validate(); err != nil {
		return err
	}
	l.faults.Store(newInjector(set))
	return nil
}

// ClearFaults removes all rules. A fault that has begun takes its course.
func (l *Lab) ClearFaults() { l.faults.Store(newInjector(FaultSet{})) }

// Observe has hook called at the start of each request, before it reaches a
// fault or the server; the request waits until hook returns. op is a name as
// in Snapshot.Ops, key the decoded key or, for a listing, the decoded prefix.
// Calls come from many goroutines at once. nil removes the hook.
func (l *Lab) Observe(hook func(op, key string)) {
	if hook == nil {
		l.observer.Store(nil)
		return
	}
	l.observer.Store(&hook)
}

func (l *Lab) observe(op, key string) {
	if hook := l.observer.Load(); hook != nil {
		(*hook)(op, key)
	}
}

// ObserveAnswers has hook called when the server's answer to a request has
// begun to arrive, its work done, before the client learns of it; the answer
// waits until hook returns. What the lab answers itself is not observed. op and
// key are those of Observe, and so are the rules.
func (l *Lab) ObserveAnswers(hook func(op, key string, status int)) {
	if hook == nil {
		l.answers.Store(nil)
		return
	}
	l.answers.Store(&hook)
}

func (l *Lab) answered(op, key string, status int) {
	if hook := l.answers.Load(); hook != nil {
		(*hook)(op, key, status)
	}
}

// accept runs until Close. Errors in between, such as too many open files,
// pass; giving up on them would leave clients hanging.
func (l *Lab) accept() {
	for {
		conn, err := l.ln.AcceptTCP()
		switch {
		case err == nil:
			l.wg.Go(func() { l.serve(conn) })
		case !l.sleep(10 * time.Millisecond):
			return
		}
	}
}

// track makes Close end conn too. It reports false, with conn closed, where
// Close has come before.
func (l *Lab) track(conn *net.TCPConn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		_ = conn.Close()
		return false
	}
	l.conns[conn] = struct{}{}
	return true
}

// discard closes a tracked connection.
func (l *Lab) discard(conn *net.TCPConn) {
	_ = conn.Close()
	l.mu.Lock()
	delete(l.conns, conn)
	l.mu.Unlock()
}

// sleep reports false where the Lab is closed meanwhile.
func (l *Lab) sleep(d time.Duration) bool {
	if d <= 0 {
		return l.ctx.Err() == nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-l.ctx.Done():
		return false
	}
}

func checkUpstream(addr string) error {
	if _, _, err := net.SplitHostPort(hostPort(addr)); err != nil {
		return fmt.Errorf("upstream: %w", err)
	}
	return nil
}

func hostPort(s string) string {
	return strings.TrimSuffix(strings.TrimPrefix(s, "http://"), "/")
}
