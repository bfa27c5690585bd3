package cache

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pailfs/pailfs/bucket"
)

// Bounds of a journal.
const (
	// InlineLimit is the size in bytes up to which content stands in the journal
	// itself, so that one sync does for both.
	InlineLimit = 64 << 10

	maxIntentJSON = 1 << 20 // of a file with very many holes
)

// journalBounds are how large a journal becomes.
type journalBounds struct {
	files   int
	bytes   int64
	rewrite int64 // from so many bytes on, one that is mostly over is written anew
}

func defaultBounds() journalBounds {
	return journalBounds{files: 10_000, bytes: 256 << 20, rewrite: 64 << 20}
}

// ErrJournalFull says that so much waits already that more has to be stored at once.
var ErrJournalFull = errors.New("the journal is full")

// Intent is what a journal promises: that a file's content will be stored.
type Intent struct {
	ID    string    `json:"id"` // commit id
	Key   string    `json:"-"`  // any bytes: not for JSON
	Since time.Time `json:"since"`
	// Base is the version that is replaced; without an ETag there is none.
	Base bucket.Object `json:"base"`
	// Earlier are the commit ids of uploads of the same file whose outcome is not
	// known: what has one of these is no foreign version.
	Earlier []string          `json:"earlier,omitempty"`
	Attrs   bucket.Attributes `json:"attrs"`
	Draft   DraftState        `json:"draft"`
	Inline  bool              `json:"inline"` // the content is in the journal, else in the draft's file
}

// journalRecord is the payload of a frame, with content behind it.
type journalRecord struct {
	Key    []byte  `json:"key"`
	Intent *Intent `json:"intent,omitempty"` // nil: what stood here for the key is over
}

// Journal is an append-only file of what a mount has promised to store. It is
// made by its first entry. Calls at the same time share one sync.
type Journal struct {
	dir    string
	log    *slog.Logger
	bounds journalBounds

	syncing sync.Mutex // held over a sync, and taken before mu

	mu struct {
		sync.Mutex
		file     *os.File
		size     int64
		seq      uint64 // of the last frame
		first    uint64 // of the first in the file
		synced   uint64
		live     map[string]liveEntry
		bytes    int64             // content of live entries
		unsynced map[string]uint64 // keys whose end is written, by its frame
		failed   error             // no more is promised
		closed   bool
	}
}

type liveEntry struct {
	frame frame // without its payload
	len   int64 // of the frame, in bytes
	bytes int64 // of content
	since time.Time
}

// JournalStatus is how much waits.
type JournalStatus struct {
	Files  int       `json:"files"`
	Bytes  int64     `json:"bytes"`
	Oldest time.Time `json:"oldest"`
}

// Status tells how much waits.
func (j *Journal) Status() JournalStatus {
	j.mu.Lock()
	defer j.mu.Unlock()
	s := JournalStatus{Files: len(j.mu.live), Bytes: j.mu.bytes}
	for _, e := range j.mu.live {
		if s.Oldest.IsZero() || e.since.Before(s.Oldest) {
			s.Oldest = e.since
		}
	}
	return s
}

// Store writes an entry, which replaces the one before for its key, and returns
// when it is on the disk. content is that of an Inline entry. ErrJournalFull and
// any other error say that nothing is promised.
func (j *Journal) Store(e Intent, content []byte) error {
	seq, err := j.write(journalRecord{Key: []byte(e.Key), Intent: &e}, content, true)
	if err != nil {
		return err
	}
	return j.sync(seq)
}

// End says that the entry of key is over: stored, kept or dropped. With durable
// it returns when that is on the disk. It does nothing where there is no entry.
func (j *Journal) End(key string, durable bool) error {
	j.mu.Lock()
	_, live := j.mu.live[key]
	j.mu.Unlock()
	if !live {
		return nil
	}
	seq, err := j.write(journalRecord{Key: []byte(key)}, nil, false)
	if err != nil || !durable {
		return err
	}
	return j.sync(seq)
}

// Settle returns when the end of key's entry, if there was one, is on the disk:
// nothing of it may come back once the object is removed.
func (j *Journal) Settle(key string) error {
	j.mu.Lock()
	seq, open := j.mu.unsynced[key]
	j.mu.Unlock()
	if !open {
		return nil
	}
	return j.sync(seq)
}

// write appends a frame, which is not synced yet.
func (j *Journal) write(r journalRecord, content []byte, bounded bool) (seq uint64, err error) {
	text, err := json.Marshal(r)
	if err != nil {
		return 0, fmt.Errorf("encode journal entry: %w", err)
	}
	if len(text) > maxIntentJSON {
		return 0, ErrJournalFull
	}
	payload := binary.LittleEndian.AppendUint32(make([]byte, 0, 4+len(text)+len(content)), uint32(len(text)))
	payload = append(append(payload, text...), content...)

	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.readyLocked(); err != nil {
		return 0, err
	}
	if bounded {
		if err := j.roomLocked(string(r.Key), int64(len(payload))); err != nil {
			return 0, err
		}
	}
	f := frame{seq: j.mu.seq + 1, first: j.mu.first, synced: j.mu.synced, payload: payload, off: j.mu.size}
	if err := j.appendLocked(f.encode()); err != nil {
		return 0, err
	}
	j.mu.seq = f.seq
	j.noteLocked(r, f)
	return f.seq, nil
}

// readyLocked opens the journal where that is still to be done.
func (j *Journal) readyLocked() error {
	switch {
	case j.mu.failed != nil:
		return j.mu.failed
	case j.mu.closed:
		return fmt.Errorf("journal is closed: %w", os.ErrClosed)
	case j.mu.file != nil:
		return nil
	}
	f, err := os.OpenFile(filepath.Join(j.dir, journalName), os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if err == nil {
		err = errors.Join(syncDir(j.dir), syncDir(filepath.Dir(j.dir)))
	}
	if err != nil {
		if f != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
		return fmt.Errorf("create journal: %w", err)
	}
	j.mu.file, j.mu.first = f, 1
	j.mu.live, j.mu.unsynced = map[string]liveEntry{}, map[string]uint64{}
	return nil
}

// roomLocked makes room for an entry, or says that there is none.
func (j *Journal) roomLocked(key string, n int64) error {
	if _, has := j.mu.live[key]; !has && len(j.mu.live) >= j.bounds.files {
		return ErrJournalFull
	}
	if j.mu.size >= j.bounds.rewrite && j.liveLocked() < j.mu.size/2 {
		if err := j.rewriteLocked(); err != nil {
			j.log.Warn("cannot write the journal anew", "err", err)
		}
	}
	if j.mu.size+n > j.bounds.bytes {
		return ErrJournalFull
	}
	return nil
}

// liveLocked is how many bytes of the file are needed.
func (j *Journal) liveLocked() (n int64) {
	for _, e := range j.mu.live {
		n += e.len
	}
	return n
}

// appendLocked writes at the end, wholly or not at all.
func (j *Journal) appendLocked(p []byte) error {
	if _, err := j.mu.file.WriteAt(p, j.mu.size); err != nil {
		err = fmt.Errorf("write journal: %w", err)
		if cut := j.mu.file.Truncate(j.mu.size); cut != nil {
			j.mu.failed = errors.Join(err, cut)
		}
		return err
	}
	j.mu.size += int64(len(p))
	return nil
}

func (j *Journal) noteLocked(r journalRecord, f frame) {
	key := string(r.Key)
	j.mu.bytes -= j.mu.live[key].bytes
	if r.Intent != nil {
		n := f.size()
		f.payload = nil
		j.mu.live[key] = liveEntry{frame: f, len: n, bytes: r.Intent.Draft.Size, since: r.Intent.Since}
		j.mu.bytes += r.Intent.Draft.Size
		delete(j.mu.unsynced, key)
		return
	}
	delete(j.mu.live, key)
	j.mu.unsynced[key] = f.seq
	if len(j.mu.live) == 0 && j.mu.size > InlineLimit {
		j.emptyLocked()
	}
}

// emptyLocked begins the file anew once nothing in it is needed.
func (j *Journal) emptyLocked() {
	if err := j.mu.file.Truncate(0); err != nil {
		j.log.Warn("cannot empty the journal", "err", err)
		return
	}
	j.mu.size, j.mu.first = 0, j.mu.seq+1
}

// sync returns when the frame with that number is on the disk. Whoever comes
// while another sync runs shares the next.
func (j *Journal) sync(seq uint64) error {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	j.mu.Lock()
	file, upTo, synced, failed := j.mu.file, j.mu.seq, j.mu.synced, j.mu.failed
	j.mu.Unlock()
	if synced >= seq {
		return nil
	}
	if failed != nil {
		return failed
	}
	err := file.Sync()
	j.mu.Lock()
	defer j.mu.Unlock()
	if err != nil && j.mu.synced < seq { // else it was written anew meanwhile
		// What the disk has now is not known, and another sync would not tell.
		j.mu.failed = fmt.Errorf("sync journal: %w", err)
		return j.mu.failed
	}
	if err == nil {
		j.mu.synced = max(j.mu.synced, upTo)
	}
	for key, end := range j.mu.unsynced {
		if end <= j.mu.synced {
			delete(j.mu.unsynced, key)
		}
	}
	return nil
}

// close ends the journal; it reports whether something in it still waits.
func (j *Journal) close() (waits bool) {
	j.syncing.Lock()
	defer j.syncing.Unlock()
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.mu.file == nil || j.mu.closed {
		return false
	}
	j.mu.closed = true
	if err := errors.Join(j.mu.file.Sync(), j.mu.file.Close()); err != nil {
		j.log.Warn("closing the journal", "err", err)
	}
	return len(j.mu.live) > 0
}
