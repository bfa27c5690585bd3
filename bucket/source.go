package bucket

import (
	"errors"
	"fmt"
	"io"
	"sync"
)

// sourceError is a failure of the caller's body, not of the store. It is not
// retried, and reported in place of what the HTTP client made of it.
type sourceError struct{ err error }

func (e *sourceError) Error() string { return "read the body: " + e.err.Error() }
func (e *sourceError) Unwrap() error { return e.err }

// source reads a caller's body, notes its first failure, and takes an early end
// for one: a body must never be stored short.
type source struct {
	r  io.ReaderAt
	mu struct {
		sync.Mutex
		err error
	}
}

func (s *source) ReadAt(p []byte, off int64) (int, error) {
	n, err := s.r.ReadAt(p, off)
	switch {
	case n == len(p):
		return n, nil
	case errors.Is(err, io.EOF):
		err = fmt.Errorf("it ends at byte %d: %w", off+int64(n), io.ErrUnexpectedEOF)
	}
	err = &sourceError{err}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.err == nil {
		s.mu.err = err
	}
	return n, err
}

// failed is the first failure of s wrapped for the caller, else err.
func (s *source) failed(key string, err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.err == nil || err == nil {
		return err
	}
	return fmt.Errorf("put %q: %w", key, s.mu.err)
}
