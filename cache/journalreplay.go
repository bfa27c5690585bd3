package cache

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// Journal is where this mount promises to store.
func (s *Stage) Journal() *Journal { return s.journal }

// Pending is a file that a dead mount has promised to store.
type Pending struct {
	Intent Intent
	Draft  *Draft // dirty; Pinned unless the entry is Inline
}

// Replay takes over the journals of dead mounts: what they promised is in our
// own journal when it returns, and in nobody else's. It is called before
// anything is written. pathOf makes a path for messages of a key. An error means
// that a journal is as it was, and that nothing may be stored before it is read.
//
// Of a journal that is damaged before its end nothing can be said for sure:
// all files in it become kept drafts.
func (s *Stage) Replay(pathOf func(key string) string) ([]Pending, error) {
	gate, err := lockGate(s.top)
	if err != nil {
		return nil, fmt.Errorf("stage directory %q: %w", s.top, err)
	}
	defer gate.Close()
	dirs, err := filepath.Glob(filepath.Join(globEscape(s.top), mountPrefix+"*"))
	if err != nil {
		return nil, err
	}
	r := &replay{stage: s, pathOf: pathOf, ids: map[string]string{}}
	for _, dir := range dirs {
		if dir == s.dir || !hasJournal(dir) {
			continue
		}
		if err := r.take(dir); err != nil {
			return nil, fmt.Errorf("journal in %s: %w", dir, err)
		}
	}
	return r.all, nil
}

// hasJournal reports whether a mount's directory has a journal of this user
// with something in it.
func hasJournal(dir string) bool {
	info, err := os.Lstat(filepath.Join(dir, journalName))
	if err != nil || info.Size() == 0 {
		return false
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(st.Uid) == os.Getuid() && info.Mode().IsRegular()
}

type replay struct {
	stage  *Stage
	pathOf func(string) string
	ids    map[string]string // commit id of what has been taken over, by key
	all    []Pending
}

// take takes over one journal, if its mount is dead.
func (r *replay) take(dir string) error {
	lock, err := openLock(filepath.Join(dir, lockName), syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer lock.Close()
	data, err := os.ReadFile(filepath.Join(dir, journalName))
	if err != nil {
		return err
	}
	entries, damage := readJournal(data)
	if damage != nil {
		r.stage.log.Error("the journal of an earlier mount is damaged: its files are kept for pailfs recover, and not stored", "dir", dir, "files", len(entries), "err", damage)
	}
	for _, e := range entries {
		if err := r.one(dir, e, damage); err != nil {
			return fmt.Errorf("%s: %w", r.pathOf(e.Key), err)
		}
	}
	if err := r.stage.journal.Sync(); err != nil {
		return err
	}
	if err := syncDir(r.stage.dir); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, journalName)); err != nil {
		return err
	}
	return sweep(dir)
}

// one takes over one entry.
func (r *replay) one(dir string, e journaled, damage error) error {
	s := r.stage
	if r.ids[e.Key] == e.ID || s.isKept(e.ID) {
		return nil // taken over before a crash in the middle of this, or kept since
	}
	if e.Inline {
		e.Draft.ID = s.freeID() // what was written later may be kept by the same id
	} else {
		err := linkOrMove(filepath.Join(dir, e.Draft.ID+draftSuffix), s.path(e.Draft.ID, draftSuffix))
		if errors.Is(err, fs.ErrNotExist) {
			s.log.Error("the content of a file that was to be stored is not there any more", "key", e.Key, "id", e.Draft.ID)
			return nil
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return err
		}
	}
	d, err := s.restore(e.Draft, e.content, e.Inline)
	if err != nil {
		return err
	}
	reason := ""
	switch {
	case damage != nil:
		reason = "the journal was damaged: this may not be the newest content"
	case r.ids[e.Key] != "":
		reason = "another mount has written the same file"
	}
	if reason != "" {
		_, err := d.Keep(Kept{
			Key: e.Key, Path: r.pathOf(e.Key), Since: e.Since, Reason: reason, BaseETag: e.Base.ETag,
			Metadata: e.Attrs.Encode(e.Base.Metadata), Headers: e.Base.Headers, Intent: e.ID,
		})
		return err
	}
	if _, err := s.journal.write(journalRecord{Key: []byte(e.Key), Intent: &e.Intent}, e.content, false); err != nil {
		return err
	}
	r.ids[e.Key] = e.ID
	r.all = append(r.all, Pending{e.Intent, d})
	return nil
}

// isKept reports whether a kept draft is the end of an entry.
func (s *Stage) isKept(intent string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, k := range s.mu.kept {
		if k.Intent == intent {
			return true
		}
	}
	return false
}

// freeID is an id that no draft has.
func (s *Stage) freeID() string {
	for {
		id := randomID()
		if _, err := os.Lstat(s.path(id, draftSuffix)); errors.Is(err, fs.ErrNotExist) {
			return id
		}
	}
}

// Sync returns when all that was written so far is on the disk.
func (j *Journal) Sync() error {
	j.mu.Lock()
	seq, file := j.mu.seq, j.mu.file
	j.mu.Unlock()
	if file == nil {
		return nil
	}
	return j.sync(seq)
}

// journaled is an entry with its content, if it is Inline.
type journaled struct {
	Intent
	content []byte
}

// readJournal returns what a journal still promises, in order. damage says that
// something in it that was promised cannot be read.
func readJournal(data []byte) (entries []journaled, damage error) {
	frames, damaged := scanFrames(data)
	if damaged {
		damage = errors.New("a frame before its end cannot be read")
	}
	live := map[string]int{}
	for _, f := range frames {
		key, e, err := decodeRecord(f.payload)
		if err != nil {
			damage = errors.Join(damage, fmt.Errorf("frame %d: %w", f.seq, err))
			continue
		}
		if i, ok := live[key]; ok {
			entries[i].ID = "" // over
		}
		delete(live, key)
		if e != nil {
			live[key] = len(entries)
			entries = append(entries, *e)
		}
	}
	return slices.DeleteFunc(entries, func(e journaled) bool { return e.ID == "" }), damage
}

func decodeRecord(p []byte) (key string, e *journaled, err error) {
	if len(p) < 4 {
		return "", nil, errors.New("it is too short")
	}
	n := int64(binary.LittleEndian.Uint32(p))
	if n > int64(len(p)-4) {
		return "", nil, errors.New("its lengths do not fit")
	}
	var r journalRecord
	if err := json.Unmarshal(p[4:4+n], &r); err != nil {
		return "", nil, err
	}
	if r.Intent == nil {
		return string(r.Key), nil, nil
	}
	e = &journaled{Intent: *r.Intent, content: p[4+n:]}
	e.Key = string(r.Key)
	e.Base.Key = e.Key
	switch id := e.Draft.ID; {
	case e.ID == "" || id == "" || strings.ContainsAny(id, "/\x00."):
		return "", nil, errors.New("it has no id")
	case e.Inline && int64(len(e.content)) != e.Draft.Size:
		return "", nil, fmt.Errorf("it has %d bytes instead of %d", len(e.content), e.Draft.Size)
	}
	if e.Since.IsZero() {
		e.Since = time.Now()
	}
	return e.Key, e, nil
}
