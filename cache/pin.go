package cache

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
)

// ErrPinned refuses a change of local content that a journal has promised as it
// is: it has to be stored before.
var ErrPinned = errors.New("the content waits for its upload as it is")

// DraftState is all of a draft but its bytes.
type DraftState struct {
	ID        string  `json:"id"`
	Size      int64   `json:"size"`       // bytes
	BaseLimit int64   `json:"base_limit"` // of the base, only what is below counts
	Present   []Range `json:"present,omitempty"`
	Written   []Range `json:"written,omitempty"`
}

// State is what a Restore needs beside the bytes. The draft should be sealed.
func (d *Draft) State() DraftState {
	d.mu.Lock()
	defer d.mu.Unlock()
	return DraftState{
		ID: d.id, Size: d.mu.size, BaseLimit: d.mu.baseLimit,
		Present: slices.Clone(d.mu.present.List()), Written: slices.Clone(d.mu.written.List()),
	}
}

// Changes moves on with each change of the content, and with each MarkDirty.
func (d *Draft) Changes() uint64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mu.changes
}

// Bytes is all of the sealed draft's local file, in memory.
func (d *Draft) Bytes() ([]byte, error) {
	p := make([]byte, d.Size())
	if _, err := io.ReadFull(io.NewSectionReader(d.file, 0, int64(len(p))), p); err != nil && len(p) > 0 {
		return nil, fmt.Errorf("read stage file: %w", err)
	}
	return p, nil
}

// Pin syncs the sealed draft's file, and keeps its bytes as they are until
// Unpin: WriteAt and Truncate fail with ErrPinned. A pinned draft's file
// survives the stage's Close.
func (d *Draft) Pin() error {
	if err := errors.Join(d.file.Sync(), syncDir(d.stage.dir)); err != nil {
		return fmt.Errorf("sync stage file: %w", err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.pinned = true
	return nil
}

// Unpin ends a Pin, if there is one.
func (d *Draft) Unpin() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.mu.pinned = false
}

// Pinned reports whether the draft's file is needed by the journal.
func (d *Draft) Pinned() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mu.pinned
}

// restore makes a dirty draft of a state and its file, which is in the stage
// already unless content is given.
func (s *Stage) restore(st DraftState, content []byte, inline bool) (*Draft, error) {
	name := s.path(st.ID, draftSuffix)
	if inline {
		if err := os.WriteFile(name, content, 0o600); err != nil {
			return nil, fmt.Errorf("restore stage file: %w", err)
		}
	}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		return nil, fmt.Errorf("restore stage file: %w", err)
	}
	info, err := f.Stat()
	if err == nil && info.Size() != st.Size {
		err = fmt.Errorf("restore stage file %s: it has %d bytes instead of %d", st.ID, info.Size(), st.Size)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	d := &Draft{stage: s, id: st.ID, file: f}
	d.mu.size, d.mu.baseLimit, d.mu.dirty, d.mu.pinned = st.Size, st.BaseLimit, true, !inline
	for _, r := range st.Present {
		d.mu.present.Add(r.Off, r.End)
	}
	for _, r := range st.Written {
		d.mu.written.Add(r.Off, r.End)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.live[d] = struct{}{}
	return d, nil
}
