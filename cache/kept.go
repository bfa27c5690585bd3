package cache

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/pailfs/pailfs/bucket"
)

// ErrIncomplete says that a kept draft lacks bytes of its base version: it can
// be discarded, or completed by FillKept while S3 still has that version.
var ErrIncomplete = errors.New("kept draft lacks bytes of the version it began from")

// Kept describes a draft that could not be committed. It is stored as JSON
// beside the draft's content.
type Kept struct {
	ID       string            `json:"id"`
	Key      string            `json:"key"`
	Path     string            `json:"path"`
	Size     int64             `json:"size"` // bytes
	Since    time.Time         `json:"since"`
	Reason   string            `json:"reason"`
	BaseETag string            `json:"base_etag,omitempty"` // "": a new object
	Metadata map[string]string `json:"metadata,omitempty"`
	Headers  bucket.Headers    `json:"headers"`
	Missing  []Range           `json:"missing,omitempty"` // base bytes that are not here
	Intent   string            `json:"intent,omitempty"`  // id of the journal's entry that this is the end of
}

// Keep hands the draft's file over to its stage and ends the draft. ID, Size
// and Missing of the record are set here, Since too where it is zero. When
// Keep fails the draft is as before. Writers wait meanwhile, sealed or not;
// readers do not.
func (d *Draft) Keep(k Kept) (Kept, error) {
	d.fate.Lock()
	defer d.fate.Unlock()
	d.mu.Lock()
	if d.mu.ended {
		d.mu.Unlock()
		return Kept{}, errEnded
	}
	sealed := d.mu.sealed
	if !sealed {
		d.sealLocked()
	}
	k.ID, k.Size = d.id, d.mu.size
	k.Missing = d.mu.present.Missing(0, d.mu.baseLimit)
	d.mu.Unlock()

	if k.Since.IsZero() {
		k.Since = time.Now()
	}
	err := d.file.Sync()
	if err == nil {
		err = d.stage.record(k)
	}
	if err != nil {
		if !sealed {
			d.Unseal(false)
		}
		return Kept{}, fmt.Errorf("keep draft of %q: %w", k.Key, err)
	}
	d.end()
	d.stage.handOver(d, k)
	return k, nil
}

// handOver turns a live draft, whose record is written, into a kept one.
func (s *Stage) handOver(d *Draft, k Kept) {
	if err := d.file.Close(); err != nil { // synced before: nothing is lost
		s.log.Warn("cannot close a kept draft", "id", k.ID, "err", err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.live, d)
	s.mu.kept[k.ID] = k
}

// record writes k's record so that it is there whole, or not at all.
func (s *Stage) record(k Kept) error {
	raw, err := json.MarshalIndent(k, "", "\t")
	if err != nil {
		return fmt.Errorf("encode record: %w", err)
	}
	temp := s.path(k.ID, tempSuffix)
	if err := writeSynced(temp, raw); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	if err := os.Rename(temp, s.path(k.ID, keptSuffix)); err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return syncDir(s.dir) // of the content's name as well
}

func writeSynced(name string, raw []byte) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(raw)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func syncDir(dir string) error {
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}

// Kept lists the kept drafts, oldest first.
func (s *Stage) Kept() []Kept {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Kept, 0, len(s.mu.kept))
	for _, k := range s.mu.kept {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b Kept) int { return a.Since.Compare(b.Since) })
	return out
}

func (s *Stage) keptByID(id string) (Kept, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	k, ok := s.mu.kept[id]
	if !ok {
		return Kept{}, fmt.Errorf("kept draft %q: %w", id, os.ErrNotExist)
	}
	return k, nil
}

// OpenKept opens a kept draft's content for reading. It fails with
// ErrIncomplete where base bytes are missing; the record is returned even so.
func (s *Stage) OpenKept(id string) (*os.File, Kept, error) {
	k, err := s.keptByID(id)
	if err != nil {
		return nil, Kept{}, err
	}
	if len(k.Missing) > 0 {
		return nil, k, fmt.Errorf("kept draft %q of %q: %w", id, k.Key, ErrIncomplete)
	}
	f, err := os.Open(s.path(id, draftSuffix))
	if err != nil {
		return nil, k, fmt.Errorf("open kept draft of %q: %w", k.Key, err)
	}
	info, err := f.Stat()
	if err == nil && info.Size() != k.Size {
		err = fmt.Errorf("it has %d bytes instead of %d", info.Size(), k.Size)
	}
	if err != nil {
		return nil, k, errors.Join(fmt.Errorf("open kept draft %q of %q: %w", id, k.Key, err), f.Close())
	}
	return f, k, nil
}

// FillKept downloads what an incomplete kept draft lacks of its base version.
func (s *Stage) FillKept(ctx context.Context, id string, base Base) error {
	k, err := s.keptByID(id)
	if err != nil || len(k.Missing) == 0 {
		return err
	}
	f, err := os.OpenFile(s.path(id, draftSuffix), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("complete kept draft %q: %w", id, err)
	}
	err = fillGaps(ctx, base, f, k.Missing, func([]Range) {})
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("complete kept draft %q of %q: %w", id, k.Key, err)
	}
	k.Missing = nil
	if err := s.record(k); err != nil {
		return fmt.Errorf("complete kept draft %q of %q: %w", id, k.Key, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.mu.kept[id]; ok {
		s.mu.kept[id] = k
	}
	return nil
}

// DropKept forgets a kept draft and removes its content.
func (s *Stage) DropKept(id string) error {
	k, err := s.keptByID(id)
	if err != nil {
		return err
	}
	// The record goes first: content without one is removed at the next start.
	if err := os.Remove(s.path(id, keptSuffix)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("discard kept draft of %q: %w", k.Key, err)
	}
	s.mu.Lock()
	delete(s.mu.kept, id)
	s.mu.Unlock()
	if err := os.Remove(s.path(id, draftSuffix)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("discard kept draft of %q: %w", k.Key, err)
	}
	return nil
}
