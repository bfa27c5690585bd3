package lab

import (
	"errors"
	"io"
	"net"
)

var (
	errFault     = errors.New("injected fault")
	errMalformed = errors.New("malformed chunk")
)

// relay copies one body, paced, and stops where the fault says.
type relay struct {
	lab      *Lab
	client   *side // whichever of dst and src it is
	dst, src *side
	count    func(int64) // takes the body bytes as they pass
	fault    *Rule       // reset, truncate, stall or nil
	budget   int64       // body bytes until the fault; < 0: it is over
}

func (r *relay) run(body framing) error {
	r.budget = -1
	if r.fault != nil {
		r.budget = r.fault.AfterBytes
		if !body.chunked && body.length > 0 {
			r.budget = min(r.budget, body.length-1)
		}
	}
	switch {
	case body.chunked:
		return relayChunked(r.dst.conn, r.src.r, r.move, r.finish)
	case body.length == untilClose:
		return r.moveAll()
	}
	return r.move(body.length)
}

// moveAll moves what comes until the source closes.
func (r *relay) moveAll() error {
	for {
		if err := r.move(1 << 20); errors.Is(err, io.EOF) {
			return r.finish()
		} else if err != nil {
			return err
		}
	}
}

// move moves n bytes. It fails with io.EOF where the source ends before.
func (r *relay) move(n int64) error {
	for n > 0 {
		if r.budget == 0 {
			if err := r.strike(); err != nil {
				return err
			}
		}
		shape := r.lab.shape.Load()
		step := min(n, shape.quantum())
		if r.budget > 0 {
			step = min(step, r.budget)
		}
		done, err := copyN(r.dst.conn, r.src, step)
		r.count(done)
		if err != nil {
			return err
		}
		if r.budget > 0 {
			r.budget -= done
		}
		n -= done
		wait := max(r.dst.pace.reserve(done, shape.StreamMBps), r.lab.total.reserve(done, shape.TotalMBps))
		if !r.lab.sleep(wait) {
			return errGone
		}
	}
	return nil
}

// finish is called before the end of a body of unknown length: a fault that
// its length did not reach happens now.
func (r *relay) finish() error {
	if r.budget < 0 {
		return nil
	}
	return r.strike()
}

func (r *relay) strike() error {
	if r.fault.Kind != KindStall {
		return errFault
	}
	r.budget = -1
	return r.lab.pause(r.client, r.fault.delay())
}

// copyN moves n bytes: what is buffered first, the rest by splice.
func copyN(dst *net.TCPConn, src *side, n int64) (done int64, err error) {
	if have := min(int64(src.r.Buffered()), n); have > 0 {
		data, _ := src.r.Peek(int(have)) // cannot fail: it is there
		w, err := dst.Write(data)
		_, _ = src.r.Discard(w)
		done = int64(w)
		if err != nil {
			return done, err
		}
	}
	if done == n {
		return done, nil
	}
	moved, err := dst.ReadFrom(&io.LimitedReader{R: src.conn, N: n - done})
	done += moved
	if err == nil && done < n {
		err = io.EOF
	}
	return done, err
}
