package cache

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/pailfs/pailfs/bucket"
)

const (
	uploadSuffix = ".upload"
	// unknownFor is how long a record is kept that has no id.
	unknownFor = 30 * 24 * time.Hour
)

// Uploads is the record of the multipart uploads that a mount has under way: a
// file for each, written before the store is asked for the upload, and removed
// when the store has it no more. So what a process leaves behind that dies can
// be found and aborted.
//
// The files are not synced: they survive the process and an orderly reboot, not
// the last seconds before a power cut. What has no record stays with the store
// until somebody removes old uploads of any origin.
type Uploads struct {
	dir, store string
	log        *slog.Logger
	old        []Upload // of earlier processes

	ctx  context.Context // of the work on old ones
	stop context.CancelFunc
	wg   sync.WaitGroup
	warn sync.Once
}

// Upload is the record of one upload.
type Upload struct {
	Store string    `json:"store"` // as of OpenUploads
	Key   string    `json:"key"`
	Asked time.Time `json:"asked"` // just before the store was asked for it, by the local clock
	// ID is the store's name of the upload; "" where the process died before it
	// knew, and the store may have the upload or not.
	ID string `json:"id,omitempty"`

	file string
}

var _ bucket.UploadLog = (*Uploads)(nil)

// OpenUploads opens, or makes, the record in dir. No other process may have it
// open. store tells the bucket apart from others.
func OpenUploads(dir, store string, log *slog.Logger) (*Uploads, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("record of uploads: %w", err)
	}
	old, err := ReadUploads(dir)
	if err != nil {
		return nil, err
	}
	u := &Uploads{dir: dir, store: store, log: log, old: old}
	u.ctx, u.stop = context.WithCancel(context.Background())
	return u, nil
}

// ReadUploads reads the records in dir, which may be in use. It leaves out what
// is no record, as after a power cut. A directory that is not there has none.
func ReadUploads(dir string) ([]Upload, error) {
	entries, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("record of uploads: %w", err)
	}
	var all []Upload
	for _, e := range entries {
		name := filepath.Join(dir, e.Name())
		if filepath.Ext(name) != uploadSuffix || !e.Type().IsRegular() || !ours(e) {
			continue
		}
		raw, err := os.ReadFile(name)
		if errors.Is(err, fs.ErrNotExist) {
			continue // it has ended meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("record of uploads: %w", err)
		}
		u := Upload{file: name}
		lines := json.NewDecoder(bytes.NewReader(raw))
		if lines.Decode(&u) != nil || u.Key == "" {
			continue
		}
		_ = lines.Decode(&u) // of an upload that has begun: its ID
		all = append(all, u)
	}
	return all, nil
}

// Forget removes the record.
func (u Upload) Forget() error {
	if err := os.Remove(u.file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("record of uploads: %w", err)
	}
	return nil
}

// Aborter gives up uploads; *bucket.Bucket does.
type Aborter interface {
	AbortUpload(ctx context.Context, key, id string) error
}

// AbortOld aborts in the background what earlier processes have left. Uploads
// whose id is not known are left to `pailfs cleanup`, as others may have begun
// one of the same key, and forgotten after a month.
func (u *Uploads) AbortOld(with Aborter) {
	u.wg.Go(func() {
		for _, old := range u.old {
			if old.ID == "" && time.Since(old.Asked) > unknownFor {
				_ = old.Forget() // the next process tries again
			}
			if old.ID == "" || old.Store != u.store || u.ctx.Err() != nil {
				continue
			}
			err := with.AbortUpload(u.ctx, old.Key, old.ID)
			if err == nil || errors.Is(err, bucket.ErrNotExist) {
				err = old.Forget()
			}
			if err != nil {
				u.log.Warn("an upload that an earlier process has left is still there", "key", old.Key, "upload", old.ID, "err", err)
				continue
			}
			u.log.Info("removed an upload that an earlier process had left", "key", old.Key, "upload", old.ID)
		}
	})
}

// Close ends the work on old uploads. What has not ended stays recorded.
func (u *Uploads) Close() {
	u.stop()
	u.wg.Wait()
	_ = os.Remove(u.dir) // not empty: for the next process
}

// Begin records that an upload of key is asked for.
func (u *Uploads) Begin(key string) bucket.UploadRecord {
	name := filepath.Join(u.dir, randomID()+randomID()+uploadSuffix)
	r := &uploadRecord{u: u, name: name}
	line, err := json.Marshal(Upload{Store: u.store, Key: key, Asked: time.Now()})
	if err == nil {
		err = r.write(append(line, '\n'), os.O_CREATE|os.O_EXCL)
	}
	r.check(err)
	return r
}

// uploadRecord is the file of one upload of this process.
type uploadRecord struct {
	u    *Uploads
	name string
}

// Begun adds the id, in one write: a process that dies leaves all of it or none.
func (r *uploadRecord) Begun(id string) {
	line, err := json.Marshal(struct {
		ID string `json:"id"`
	}{id})
	if err == nil {
		err = r.write(append(line, '\n'), os.O_APPEND)
	}
	r.check(err)
}

// Ended removes the file.
func (r *uploadRecord) Ended() {
	err := os.Remove(r.name)
	if errors.Is(err, fs.ErrNotExist) {
		err = nil // it could not be written
	}
	r.check(err)
}

func (r *uploadRecord) write(line []byte, flags int) error {
	f, err := os.OpenFile(r.name, os.O_WRONLY|flags, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(line)
	return errors.Join(err, f.Close())
}

// check logs once that uploads go unrecorded: a full disk fails no upload.
func (r *uploadRecord) check(err error) {
	if err != nil {
		r.u.warn.Do(func() {
			r.u.log.Warn("uploads cannot be recorded: what a crash leaves of them stays with the store", "err", err)
		})
	}
}
