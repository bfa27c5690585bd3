package fs

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

// Status is a snapshot of the mount.
func (f *FS) Status() Status {
	s := Status{
		Dir: f.dir, Source: f.opt.Source, Bucket: f.b.Name(), Prefix: f.opt.Prefix, ReadOnly: f.opt.ReadOnly,
		Since: f.since, Kept: f.Kept(), Copies: f.copiesMade(), Requests: f.b.Counters(),
	}
	if f.wb.active {
		j := f.stage.Journal().Status()
		s.Writeback = &j
	}
	for _, n := range f.tree.dirty() {
		key := n.key()
		n.mu.Lock()
		info := DraftInfo{
			ID: fmt.Sprint(n.ino), Path: f.pathOf(key), Key: key, Size: int64(n.sizeLocked()), Since: n.mtimeLocked(),
		}
		if n.mu.failed != nil {
			info.Reason = n.mu.failed.Error()
		}
		n.mu.Unlock()
		s.Pending = append(s.Pending, info)
	}
	return s
}

// Kept lists the kept drafts.
func (f *FS) Kept() []DraftInfo {
	var out []DraftInfo
	for _, k := range f.stage.Kept() {
		out = append(out, DraftInfo{ID: k.ID, Path: k.Path, Key: k.Key, Size: k.Size, Since: k.Since, Reason: k.Reason})
	}
	return out
}

// baseOf reads one version at one key. Unlike the node it takes no guard and
// follows no rename: it is for those who have the guard, and for kept drafts.
type baseOf struct {
	b         bucket.API
	key, etag string
}

func (o baseOf) ReadBase(ctx context.Context, p []byte, off int64) error {
	return gone(o.b.Fill(ctx, o.key, o.etag, off, p))
}

func (o baseOf) DownloadBase(ctx context.Context, off, n int64, w io.WriterAt) error {
	return gone(o.b.Download(ctx, o.key, o.etag, off, n, w))
}

// gone: that there is no object any more is a change of the version.
func gone(err error) error {
	if errors.Is(err, bucket.ErrNotExist) {
		return fmt.Errorf("%w: %w", bucket.ErrChanged, err)
	}
	return err
}

// openKept opens a kept draft's content, completing it from its base if bytes
// of that are missing and the bucket still has them.
func (f *FS) openKept(ctx context.Context, id string) (*os.File, cache.Kept, error) {
	file, k, err := f.stage.OpenKept(id)
	if !errors.Is(err, cache.ErrIncomplete) {
		return file, k, err
	}
	if err := f.stage.FillKept(ctx, id, baseOf{f.b, k.Key, k.BaseETag}); err != nil {
		return nil, k, err
	}
	return f.stage.OpenKept(id)
}

// Upload stores a kept draft and forgets it.
func (f *FS) Upload(ctx context.Context, id string) (string, error) {
	file, k, err := f.openKept(ctx, id)
	if err != nil {
		return "", err
	}
	defer func() { _ = file.Close() }() // read only
	in := bucket.PutInput{
		Key: k.Key, Body: file, Size: k.Size, Metadata: k.Metadata, Headers: k.Headers,
		If: bucket.Condition{ETag: k.BaseETag, Absent: k.BaseETag == ""},
	}
	o, err := f.b.Put(ctx, in)
	if isConflict(err) { // beside what is there now, never over it
		in.Key, in.If = k.Key+".recovered-"+id, bucket.Condition{Absent: true}
		o, err = f.b.Put(ctx, in)
	}
	if err != nil {
		return "", fmt.Errorf("recover %s: %w", k.Path, err)
	}
	f.changed(cache.Entry{Key: in.Key, Object: o})
	return in.Key, f.stage.DropKept(id)
}

// Save writes a kept draft to a new local file and forgets it.
func (f *FS) Save(ctx context.Context, id, name string) (err error) {
	file, k, err := f.openKept(ctx, id)
	if err != nil {
		return err
	}
	defer func() { _ = file.Close() }() // read only
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return fmt.Errorf("save %s: %w", k.Path, err)
	}
	_, err = io.Copy(out, file)
	if err == nil {
		err = out.Sync()
	}
	if err = errors.Join(err, out.Close()); err != nil {
		return errors.Join(fmt.Errorf("save %s: %w", k.Path, err), os.Remove(name))
	}
	if t := bucket.DecodeAttributes(k.Metadata).Mtime; t != nil {
		if err := os.Chtimes(name, time.Now(), *t); err != nil {
			f.log.Warn("saved, without its time of modification", "file", name, "err", err)
		}
	}
	return f.stage.DropKept(id)
}

// Discard forgets a kept draft.
func (f *FS) Discard(id string) error { return f.stage.DropKept(id) }
