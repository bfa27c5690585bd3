package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"github.com/pailfs/pailfs/fs"
)

// busyGrace is how long programs may still use a lazily detached mount before
// the process ends and their files fail.
const busyGrace = 3 * time.Second

// maxNames bounds the files that a message lists.
const maxNames = 10

// session is a mount from its first answer to its end.
type session struct {
	srv      fs.Server
	log      *slog.Logger
	sigs     <-chan os.Signal
	patience time.Duration // for uploads at the end
	gone     chan struct{} // closed when it is unmounted
	cut      bool          // a second signal ended the uploads
}

// watch starts to wait for the end of the mount.
func (s *session) watch() {
	s.gone = make(chan struct{})
	go func() {
		s.srv.Wait()
		close(s.gone)
	}()
}

// run waits for an unmount from outside or a signal, and ends the mount.
func (s *session) run() error {
	select {
	case <-s.gone:
		s.log.Info("unmounted from outside")
	case sig := <-s.sigs:
		s.log.Info("ending: uploads are finished first", "signal", sig.String())
	}
	return s.end()
}

// end finishes the uploads, detaches the mount where it still is, and finishes
// what was written in between. A second signal cuts it short.
func (s *session) end() error {
	ctx, cancel := context.WithTimeout(context.Background(), s.patience)
	defer cancel()
	err := s.drain(ctx)
	if !s.isGone() {
		uerr := s.detach()
		if !s.cut && uerr == nil {
			err = s.drain(ctx) // what was still being written has been closed, or is named
		}
		err = errors.Join(err, uerr)
	}
	if cerr := s.srv.Close(); cerr != nil {
		s.log.Error("close", "error", cerr)
		err = errors.Join(err, cerr)
	}
	if err == nil {
		s.log.Info("ended, everything is stored")
	}
	return err
}

func (s *session) isGone() bool {
	select {
	case <-s.gone:
		return true
	default:
		return false
	}
}

// drain uploads what is dirty until ctx ends or a signal comes.
func (s *session) drain(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.srv.Drain(ctx) }()
	select {
	case err := <-done:
		if err != nil {
			return fmt.Errorf("not everything is stored: %w", err)
		}
		return nil
	case sig := <-s.sigs:
		s.cut = true
		err := unfinished(sig, s.srv.Status().Pending)
		cancel()
		select { // let requests under way stop
		case derr := <-done:
			s.log.Warn("uploads cut short", "error", derr)
		case <-time.After(busyGrace):
		}
		return err
	}
}

// detach unmounts. A mount in use is detached lazily: its programs may go on
// for busyGrace, then the process ends and their files fail.
func (s *session) detach() error {
	err := s.srv.Unmount(false)
	if err != nil && !s.isGone() {
		s.log.Warn("the mount is in use: detaching it lazily", "error", err)
		if err := s.srv.Unmount(true); err != nil && !s.isGone() {
			return fmt.Errorf("unmount: %w", err)
		}
	}
	select {
	case <-s.gone:
	case <-time.After(busyGrace):
		s.log.Warn("programs still use the mount; their open files fail from now on")
	case <-s.sigs:
	}
	return nil
}

// unfinished names the files that a second signal leaves behind.
func unfinished(sig os.Signal, pending []fs.DraftInfo) error {
	if len(pending) == 0 {
		return fmt.Errorf("%v: uploads were cut short", sig)
	}
	names := make([]string, 0, maxNames+1)
	for i, d := range pending {
		if i == maxNames {
			names = append(names, fmt.Sprintf("and %d more", len(pending)-i))
			break
		}
		names = append(names, d.Path)
	}
	return fmt.Errorf("%v: not stored, kept for `pailfs recover`: %s", sig, strings.Join(names, ", "))
}
