package cache

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// Names below the stage directory. Nothing else is ever touched there.
const (
	mountPrefix   = "mount-"
	lockName      = "lock"
	draftSuffix   = ".draft"
	keptSuffix    = ".json"
	tempSuffix    = ".tmp"
	journalSuffix = ".journal"
	journalName   = "pending" + journalSuffix
)

// Stage is a local directory with the drafts of one mount, and with the drafts
// kept from failed commits.
//
// Each mount has a subdirectory of its own, and a lock in it for as long as it
// lives. Kept drafts of dead mounts are adopted. A record says nothing of its
// bucket, so mounts of different buckets must not share a stage directory.
type Stage struct {
	top  string
	dir  string
	lock *os.File
	log  *slog.Logger

	journal *Journal
	streams *streams // nil: content is sent when it is committed

	mu struct {
		sync.Mutex
		live   map[*Draft]struct{}
		kept   map[string]Kept
		closed bool
	}
}

// OpenStage opens (or creates, 0700) the stage directory dir for one more
// mount and adopts what dead mounts have kept there.
func OpenStage(dir string, log *slog.Logger) (*Stage, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create stage directory: %w", err)
	}
	// Nobody may take a subdirectory for dead between its mkdir and its lock.
	gate, err := lockGate(dir)
	if err != nil {
		return nil, fmt.Errorf("stage directory %q is not usable: %w", dir, err)
	}
	defer gate.Close()

	s := &Stage{top: dir, log: log, journal: &Journal{log: log, bounds: defaultBounds()}}
	s.mu.live = map[*Draft]struct{}{}
	s.mu.kept = map[string]Kept{}
	if s.dir, err = makeUnique(dir); err != nil {
		return nil, fmt.Errorf("stage directory %q is not usable: %w", dir, err)
	}
	if s.lock, err = openLock(filepath.Join(s.dir, lockName), syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("stage directory %q is not usable: %w", dir, err), os.Remove(s.dir))
	}
	s.journal.dir = s.dir
	s.adoptAll()
	return s, nil
}

// lockGate excludes other mounts from opening or closing their stage in dir. It
// is named by user, as dir may be one that users share.
func lockGate(dir string) (*os.File, error) {
	return openLock(filepath.Join(dir, fmt.Sprintf(".pailfs-%d.lock", os.Getuid())), 0)
}

// openLock opens and locks a lock file; how is syscall.LOCK_NB or 0.
func openLock(name string, how int) (*os.File, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|syscall.O_NOFOLLOW, 0o600)
	if err != nil {
		return nil, err
	}
	for {
		err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|how)
		if err == nil {
			return f, nil
		}
		if err != syscall.EINTR {
			return nil, errors.Join(&fs.PathError{Op: "flock", Path: name, Err: err}, f.Close())
		}
	}
}

func makeUnique(dir string) (string, error) {
	for {
		sub := filepath.Join(dir, mountPrefix+randomID())
		err := os.Mkdir(sub, 0o700)
		if !errors.Is(err, fs.ErrExist) {
			return sub, err
		}
	}
}

// randomID is short enough to be typed, and checked for uniqueness where used.
func randomID() string {
	var b [5]byte
	rand.Read(b[:]) // never fails, says crypto/rand
	return hex.EncodeToString(b[:])
}

// Create starts a draft over a base of baseSize bytes; 0 is a new file. It
// takes disk space only for what is written.
func (s *Stage) Create(baseSize int64) (*Draft, error) {
	d := &Draft{stage: s}
	for d.file == nil {
		d.id = randomID()
		f, err := os.OpenFile(s.path(d.id, draftSuffix), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("create stage file: %w", err)
		}
		d.file = f
	}
	d.mu.size, d.mu.baseLimit = baseSize, baseSize
	if err := d.file.Truncate(baseSize); err != nil {
		return nil, errors.Join(fmt.Errorf("size stage file to %d: %w", baseSize, err), s.discard(d))
	}
	s.mu.Lock()
	closed := s.mu.closed
	if !closed {
		s.mu.live[d] = struct{}{}
	}
	s.mu.Unlock()
	if closed {
		return nil, errors.Join(fmt.Errorf("stage is closed: %w", os.ErrClosed), s.discard(d))
	}
	return d, nil
}

// Close ends all drafts and removes what is neither kept nor in the journal.
func (s *Stage) Close() error {
	s.mu.Lock()
	if s.mu.closed {
		s.mu.Unlock()
		return nil
	}
	s.mu.closed = true
	live := make([]*Draft, 0, len(s.mu.live))
	for d := range s.mu.live {
		live = append(live, d)
	}
	s.mu.Unlock()
	for _, d := range live {
		d.Drop()
	}
	if s.streams != nil {
		s.streams.wg.Wait()
	}

	gate, err := lockGate(s.top)
	if err != nil {
		return errors.Join(fmt.Errorf("close stage: %w", err), s.lock.Close())
	}
	defer gate.Close()
	waits := s.journal.close()
	if len(s.Kept()) == 0 && !waits {
		err = sweep(s.dir)
	}
	if err = errors.Join(err, s.lock.Close()); err != nil {
		return fmt.Errorf("close stage: %w", err)
	}
	return nil
}

// remove forgets an ended draft together with its file.
func (s *Stage) remove(d *Draft) {
	s.mu.Lock()
	delete(s.mu.live, d)
	s.mu.Unlock()
	if err := s.discard(d); err != nil {
		s.log.Warn("cannot remove a stage file", "err", err)
	}
}

// leave forgets an ended draft and lets its file be.
func (s *Stage) leave(d *Draft) {
	s.mu.Lock()
	delete(s.mu.live, d)
	s.mu.Unlock()
	if err := d.file.Close(); err != nil { // synced when it was pinned
		s.log.Warn("cannot close a stage file", "err", err)
	}
}

// discard removes d's file.
func (s *Stage) discard(d *Draft) error {
	return errors.Join(d.file.Close(), os.Remove(d.file.Name()))
}

func (s *Stage) path(id, suffix string) string { return filepath.Join(s.dir, id+suffix) }
