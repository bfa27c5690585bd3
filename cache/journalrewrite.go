package cache

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// rewriteLocked replaces the file by one with what is still needed. A crash
// leaves the one or the other.
func (j *Journal) rewriteLocked() error {
	temp := filepath.Join(j.dir, journalName+tempSuffix)
	f, err := os.OpenFile(temp, os.O_RDWR|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	live, size, err := j.copyLocked(f)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		err = os.Rename(temp, filepath.Join(j.dir, journalName))
	}
	if err != nil {
		return errors.Join(err, f.Close(), os.Remove(temp))
	}
	old := j.mu.file
	j.mu.file, j.mu.size, j.mu.live = f, size, live
	j.mu.first, j.mu.seq = j.mu.seq+1, j.mu.seq+uint64(len(live))
	if err := syncDir(j.dir); err != nil {
		j.mu.failed = fmt.Errorf("sync journal: %w", err) // which of the two the disk has is not known
	} else {
		j.mu.synced = j.mu.seq
		clear(j.mu.unsynced)
	}
	return old.Close()
}

// copyLocked writes the live entries to f, numbered from the next on.
func (j *Journal) copyLocked(f *os.File) (live map[string]liveEntry, size int64, err error) {
	keys := make([]string, 0, len(j.mu.live))
	for key := range j.mu.live {
		keys = append(keys, key)
	}
	slices.SortFunc(keys, func(a, b string) int { return int(j.mu.live[a].frame.off - j.mu.live[b].frame.off) })
	first := j.mu.seq + 1
	live = make(map[string]liveEntry, len(keys))
	for i, key := range keys {
		e := j.mu.live[key]
		p := make([]byte, e.len)
		if _, err := j.mu.file.ReadAt(p, e.frame.off); err != nil {
			return nil, 0, err
		}
		old, ok := decodeFrame(p)
		if !ok {
			return nil, 0, fmt.Errorf("frame %d of the journal is damaged", e.frame.seq)
		}
		old.seq, old.first, old.synced, old.off = first+uint64(i), first, j.mu.synced, size
		if _, err := f.WriteAt(old.encode(), size); err != nil {
			return nil, 0, err
		}
		size += old.size()
		old.payload = nil
		e.frame = old
		live[key] = e
	}
	return live, size, nil
}
