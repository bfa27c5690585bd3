package fs

import (
	"context"
	"time"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

// Status is a snapshot of a mount for `pailfs status`.
type Status struct {
	Dir      string                    `json:"dir"`
	Source   string                    `json:"source"`
	Bucket   string                    `json:"bucket"`
	Prefix   string                    `json:"prefix"`
	ReadOnly bool                      `json:"read_only"`
	Since    time.Time                 `json:"since"`
	Pending  []DraftInfo               `json:"pending"`                   // dirty, not yet on S3
	Kept     []DraftInfo               `json:"kept"`                      // failed or conflicting, kept for recover
	Copies   []ConflictCopyInfo        `json:"conflict_copies,omitempty"` // made by this mount, the newest 100
	Requests map[string]bucket.Counter `json:"requests"`
	// Writeback is how much of Pending is in the journal; nil without --writeback.
	Writeback *cache.JournalStatus `json:"writeback,omitempty"`
}

// DraftInfo describes one dirty or kept file.
type DraftInfo struct {
	ID     string    `json:"id"`
	Path   string    `json:"path"` // below the mount
	Key    string    `json:"key"`
	Size   int64     `json:"size"` // bytes
	Since  time.Time `json:"since"`
	Reason string    `json:"reason,omitempty"` // why it is kept
}

// Server is one running mount.
type Server interface {
	// Wait returns when the file system is unmounted, by whomever.
	Wait()
	// Drain uploads what is dirty; ctx bounds it. The error names what is left.
	Drain(ctx context.Context) error
	// Flush uploads what closes have promised; ctx bounds it. The error names what
	// is not on S3, kept files too.
	Flush(ctx context.Context) error
	// Unmount detaches the mount; lazy detaches it even while it is in use.
	Unmount(lazy bool) error
	// Close stops the background work after Wait has returned.
	Close() error
	Status() Status
	// KernelReadAhead is how many bytes the kernel should read ahead of a stream.
	KernelReadAhead() int64
	// Kept lists the kept drafts.
	Kept() []DraftInfo
	// Upload stores a kept draft: at its own key if that still has the version
	// the draft began from, else beside it as NAME.recovered-ID. It returns the key.
	Upload(ctx context.Context, id string) (key string, err error)
	// Save writes a kept draft's content to a new local file and forgets it.
	Save(ctx context.Context, id, file string) error
	// Discard forgets a kept draft.
	Discard(id string) error
}
