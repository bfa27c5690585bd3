package lab

import (
	"bufio"
	"errors"
	"net"
	"syscall"
	"time"
)

const (
	readBuffer = 32 << 10
	// watchEvery is how soon a client that goes away is noticed.
	watchEvery = 50 * time.Millisecond
	// lingerTime bounds how long a last answer waits for the client to read it.
	lingerTime = time.Second
)

// errGone: the client went away, or the Lab was closed.
var errGone = errors.New("client gone")

// side is one TCP connection with its read buffer and its stream limit.
type side struct {
	conn *net.TCPConn
	r    *bufio.Reader
	addr string // what was dialled, for a server
	pace pacer  // limits what this side receives from us
}

func newSide(c *net.TCPConn, addr string) *side {
	return &side{conn: c, r: bufio.NewReaderSize(c, readBuffer), addr: addr}
}

// abort makes the peer see a connection reset.
func (s *side) abort() {
	_ = s.conn.SetLinger(0)
	_ = s.conn.Close()
}

// probe looks at the socket without consuming anything or waiting: open is
// false where the peer has closed, and data says that bytes are waiting.
// It does not disturb a Read in another goroutine.
func (s *side) probe() (open, data bool) {
	raw, err := s.conn.SyscallConn()
	if err != nil {
		return false, false
	}
	var n int
	var peekErr error
	err = raw.Control(func(fd uintptr) {
		for {
			var b [1]byte
			n, _, peekErr = syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
			if !errors.Is(peekErr, syscall.EINTR) {
				return
			}
		}
	})
	switch {
	case err != nil:
		return false, false
	case errors.Is(peekErr, syscall.EAGAIN):
		return true, false
	}
	return peekErr == nil && n > 0, n > 0
}

// gone reports whether the peer has closed and all it sent has been read.
func (s *side) gone() bool {
	open, _ := s.probe()
	return !open
}

// reusable reports whether a server waits for another request here.
func (s *side) reusable(addr string) bool {
	open, data := s.probe()
	return s.addr == addr && open && !data && s.r.Buffered() == 0
}

// linger ends a connection after a last answer. Closing at once would reset
// it where the client is still sending, and the answer could be lost.
func (s *side) linger() {
	_ = s.conn.CloseWrite()
	_ = s.conn.SetReadDeadline(time.Now().Add(lingerTime))
	buf := make([]byte, readBuffer)
	for {
		if _, err := s.conn.Read(buf); err != nil {
			break
		}
	}
	_ = s.conn.Close()
}

// pause waits for d, or until the client goes away or the Lab is closed.
func (l *Lab) pause(client *side, d time.Duration) error {
	for end := time.Now().Add(d); d > 0; d = time.Until(end) {
		if !l.sleep(min(d, watchEvery)) || client.gone() {
			return errGone
		}
	}
	return nil
}
