package lab

import (
	"net"
	"net/http"
	"strings"
	"time"
)

const dialTimeout = 10 * time.Second

// session is one client connection with the server connection that mirrors it.
type session struct {
	lab    *Lab
	client *side
	server *side // nil until needed
	used   bool  // a request has been counted
}

// outcome is how a request ended.
type outcome struct {
	whole bool // the client had a whole response
	reuse bool // both connections can carry another request
}

// request is one request of a session.
type request struct {
	*head
	method  string
	op, key string
	rec     *record
	fault   *Rule // nil: none
}

func (l *Lab) serve(conn *net.TCPConn) {
	if !l.track(conn) {
		return
	}
	s := &session{lab: l, client: newSide(conn, "")}
	defer l.discard(conn)
	defer s.disconnect()
	for s.next() {
	}
}

// next serves one request and reports whether there can be another.
func (s *session) next() bool {
	h, err := readHead(s.client.r)
	if err != nil {
		return false
	}
	method, target, ok := h.requestLine()
	if !ok {
		a := answer{status: http.StatusBadRequest, contentType: "text/plain", body: []byte("bad request line\n"), last: true}
		_ = a.write(s.client)
		return false
	}
	if strings.HasPrefix(target, adminPrefix) {
		return s.serveAdmin(h, method, target)
	}
	op, key := classify(method, target, h.copySource)
	rec := s.lab.stats.begin(op, !s.used)
	s.used = true
	s.lab.observe(op, key)
	out := s.handle(&request{
		head: h, method: method, op: op, key: key, rec: rec, fault: s.lab.faults.Load().pick(op, key),
	})
	rec.end(out.whole)
	return out.reuse
}

func (s *session) handle(req *request) outcome {
	if req.fault != nil {
		req.rec.fault(req.fault.Kind)
		if req.fault.Kind == KindRefuse {
			s.client.abort()
			return outcome{}
		}
		if status, code, ok := req.fault.answer(); ok {
			return s.answerFault(req, status, code)
		}
	}
	if err := s.connect(); err != nil {
		req.rec.upstreamError()
		s.client.abort() // a 502 would look like a server that lives
		return outcome{}
	}
	return s.exchange(req)
}

// connect provides s.server. A connection that the server has closed while
// idle, or that leads to a former upstream, is replaced.
func (s *session) connect() error {
	addr := *s.lab.upstream.Load()
	if s.server != nil && s.server.reusable(addr) {
		return nil
	}
	s.disconnect()
	d := net.Dialer{Timeout: dialTimeout}
	conn, err := d.DialContext(s.lab.ctx, "tcp", addr)
	if err != nil {
		return err
	}
	tcp := conn.(*net.TCPConn) // what "tcp" gives
	if !s.lab.track(tcp) {
		return net.ErrClosed
	}
	s.server = newSide(tcp, addr)
	return nil
}

func (s *session) disconnect() {
	if s.server != nil {
		s.lab.discard(s.server.conn)
		s.server = nil
	}
}
