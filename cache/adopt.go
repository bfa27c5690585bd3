package cache

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// adoptAll takes over the kept drafts of dead mounts and removes the rest of
// what they left. Trouble with one of them is logged, and left for next time.
func (s *Stage) adoptAll() {
	entries, err := os.ReadDir(s.top)
	if err != nil {
		s.log.Warn("cannot look for kept drafts", "dir", s.top, "err", err)
		return
	}
	for _, e := range entries {
		dir := filepath.Join(s.top, e.Name())
		if dir == s.dir || !e.IsDir() || !strings.HasPrefix(e.Name(), mountPrefix) || !ours(e) {
			continue
		}
		if err := s.adopt(dir); err != nil {
			s.log.Warn("cannot adopt the drafts of an earlier mount", "dir", dir, "err", err)
		}
	}
}

// ours says that the entry belongs to this user: a stage directory may be in
// /var/tmp, where others could plant one.
func ours(e fs.DirEntry) bool {
	info, err := e.Info()
	if err != nil {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid()
}

// adopt takes over what one mount left, if it is dead.
func (s *Stage) adopt(dir string) error {
	lock, err := openLock(filepath.Join(dir, lockName), syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, fs.ErrNotExist) {
		return nil // alive, or gone meanwhile
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	records, err := filepath.Glob(filepath.Join(globEscape(dir), "*"+keptSuffix))
	if err != nil {
		return err
	}
	var failed error
	for _, name := range records {
		failed = errors.Join(failed, s.adoptOne(dir, strings.TrimSuffix(filepath.Base(name), keptSuffix)))
	}
	if failed != nil {
		return failed // and nothing is swept
	}
	if len(records) > 0 {
		if err := syncDir(s.dir); err != nil {
			return err
		}
	}
	if hasJournal(dir) {
		return nil // Replay's
	}
	return sweep(dir)
}

// globEscape makes a directory's name stand for itself in a pattern.
func globEscape(dir string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(dir)
}

// adoptOne moves one kept draft into our own directory. The content is there
// before its record moves, so that a crash at any point leaves one whole pair.
func (s *Stage) adoptOne(dir, id string) error {
	raw, err := os.ReadFile(filepath.Join(dir, id+keptSuffix))
	if err != nil {
		return err
	}
	var k Kept
	if err := json.Unmarshal(raw, &k); err != nil {
		return fmt.Errorf("record %s: %w", id, err)
	}
	k.ID = id
	err = linkOrMove(filepath.Join(dir, id+draftSuffix), s.path(id, draftSuffix))
	if errors.Is(err, fs.ErrNotExist) {
		s.log.Warn("a kept draft has lost its content", "id", id, "key", k.Key)
		return nil
	}
	if err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, id+keptSuffix), s.path(id, keptSuffix)); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.kept[id] = k
	return nil
}

// linkOrMove gives a file a second name, or a new one where there are no hard
// links.
func linkOrMove(from, to string) error {
	err := os.Link(from, to)
	if errors.Is(err, syscall.EPERM) || errors.Is(err, syscall.EOPNOTSUPP) || errors.Is(err, syscall.ENOSYS) {
		return os.Rename(from, to)
	}
	return err
}

// sweep removes a mount's directory with all files of ours in it. The lock
// must be held; it goes last.
func sweep(dir string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		switch filepath.Ext(e.Name()) {
		case draftSuffix, keptSuffix, tempSuffix, journalSuffix:
			if err := os.Remove(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	if err := os.Remove(filepath.Join(dir, lockName)); err != nil {
		return err
	}
	return os.Remove(dir)
}
