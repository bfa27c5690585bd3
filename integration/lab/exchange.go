package lab

import (
	"errors"
	"os"
	"time"
)

const (
	// bodyGrace is how long the rest of a request's body may follow after
	// its response before the server is taken to have answered early.
	bodyGrace = 50 * time.Millisecond
	// earlyGrace is how long the client then has to take notice.
	earlyGrace = 2 * time.Second
)

// exchange is one request that goes to the server. The request's body moves
// in a goroutine of its own, since a server may answer before it has all;
// exchange does not return before that goroutine has ended.
type exchange struct {
	*session
	*request
	sent    chan struct{} // closed when the body has gone, or failed
	sendErr error         // valid then
}

func (s *session) exchange(req *request) outcome {
	x := &exchange{session: s, request: req, sent: make(chan struct{})}
	if _, err := s.server.conn.Write(req.raw); err != nil {
		return outcome{}
	}
	if req.body.none() {
		close(x.sent)
	} else {
		go x.send()
	}
	out := x.receive()
	if !out.reuse {
		x.hangUp()
	}
	<-x.sent
	return out
}

// send moves the request's body. Errors of the network are left to receive:
// where the server is at fault there may be a response to read.
func (x *exchange) send() {
	defer close(x.sent)
	r := relay{lab: x.lab, client: x.client, dst: x.server, src: x.client, count: x.rec.up}
	if x.fault != nil && x.fault.inRequest(x.body) {
		r.fault = x.fault
	}
	x.sendErr = r.run(x.body)
	switch {
	case errors.Is(x.sendErr, errFault):
		x.breakUp()
	case errors.Is(x.sendErr, errMalformed):
		x.hangUp() // the server would wait for the rest
	}
}

// receive passes on the interim responses and the final one.
func (x *exchange) receive() outcome {
	for {
		if x.await() != nil {
			return outcome{}
		}
		resp, err := readHead(x.server.r)
		if err != nil {
			return outcome{}
		}
		status, ok := resp.statusLine(x.method)
		if !ok {
			return outcome{}
		}
		if status < 200 {
			if _, err := x.client.conn.Write(resp.raw); err != nil {
				return outcome{}
			}
			continue
		}
		x.rec.status(status)
		x.lab.answered(x.op, x.key, status)
		if x.respond(resp) != nil {
			return outcome{}
		}
		last := x.close || resp.close || resp.body.length == untilClose
		return outcome{whole: true, reuse: x.settle() && !last}
	}
}

// await waits for the server to speak. A client that goes away meanwhile is
// not kept waiting for, or a server in want of a body would wait for ever.
func (x *exchange) await() error {
	for {
		_ = x.server.conn.SetReadDeadline(time.Now().Add(watchEvery))
		_, err := x.server.r.Peek(1)
		if err == nil {
			return x.server.conn.SetReadDeadline(time.Time{})
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return err
		}
		if x.client.gone() {
			return errGone
		}
	}
}

// respond sends the final response to the client.
func (x *exchange) respond(resp *head) error {
	wait := x.lab.shape.Load().firstByte()
	fault := x.fault
	if fault != nil && fault.inRequest(x.body) {
		fault = nil
	}
	if fault != nil && fault.Kind == KindDelay {
		wait += fault.delay()
		fault = nil
	}
	if fault != nil && (fault.AfterBytes < 0 || resp.body.none()) {
		if fault.Kind != KindStall {
			x.breakUp()
			return errFault
		}
		wait += fault.delay()
		fault = nil
	}
	if err := x.lab.pause(x.client, wait); err != nil {
		return err
	}
	if _, err := x.client.conn.Write(resp.raw); err != nil {
		return err
	}
	r := relay{lab: x.lab, client: x.client, dst: x.client, src: x.server, count: x.rec.down, fault: fault}
	err := r.run(resp.body)
	if errors.Is(err, errFault) {
		x.breakUp()
	}
	return err
}

// settle waits for the request's body after the response: a server may answer
// without reading it, and then neither connection is of further use.
func (x *exchange) settle() bool {
	if x.sentWithin(bodyGrace) {
		return x.sendErr == nil
	}
	_ = x.client.conn.CloseWrite()
	x.sentWithin(earlyGrace)
	return false
}

func (x *exchange) sentWithin(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-x.sent:
		return true
	case <-t.C:
		return false
	}
}

// breakUp ends both connections in the manner of the fault.
func (x *exchange) breakUp() {
	if x.fault.Kind == KindReset {
		x.client.abort()
		x.server.abort()
		return
	}
	x.hangUp()
}

func (x *exchange) hangUp() {
	_ = x.client.conn.Close()
	_ = x.server.conn.Close()
}
