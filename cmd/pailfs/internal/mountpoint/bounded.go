package mountpoint

import (
	"errors"
	"time"
)

// patience is how long a directory may take to answer one system call.
const patience = 5 * time.Second

// ErrHangs says that a directory does not answer.
var ErrHangs = errors.New("does not answer")

// bounded runs f, and gives up on it after d. The goroutine of a call that
// never returns stays behind: nothing can end a system call on a hung mount,
// and the callers are short-lived processes.
func bounded[T any](d time.Duration, f func() (T, error)) (T, error) {
	type result struct {
		v   T
		err error
	}
	done := make(chan result, 1)
	go func() {
		v, err := f()
		done <- result{v, err}
	}()
	select {
	case r := <-done:
		return r.v, r.err
	case <-time.After(d):
		var zero T
		return zero, ErrHangs
	}
}
