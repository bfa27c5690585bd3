package fs

import (
	"log/slog"
	"time"

	"github.com/pailfs/pailfs/bucket"
)

// Options configures one mount. Bucket and StageDir are required; the zero
// value of everything else is the documented default.
type Options struct {
	Bucket bucket.API
	// Prefix is the part of the bucket that is mounted: "" or a key prefix
	// ending in "/".
	Prefix string
	// Source is what mount(8) and df(1) show, e.g. "s3://bucket/prefix".
	Source string

	ReadOnly   bool
	AllowOther bool   // other users may enter; the kernel then checks permissions
	UID, GID   uint32 // owner of files whose metadata names none
	FileMode   uint32 // permission bits likewise; 0 is 0644
	DirMode    uint32 // 0 is 0755
	Umask      uint32 // removed from FileMode and DirMode defaults and from new files

	// MetadataTTL is how old names and attributes may be; 0 is 5 s, and less
	// than 0 asks the bucket each time.
	MetadataTTL time.Duration
	// Metadata is "auto" (default), "full" or "list": when a listed entry is
	// asked for its x-amz-meta-* attributes by a HEAD.
	Metadata string
	// MemoryLimit in bytes for read-ahead and buffers; 0 is min(1 GiB, 1/8 of RAM).
	MemoryLimit int64
	// CacheDir is where content is kept on local disk; "" is nowhere.
	CacheDir string
	// CacheSize is what that may take, in bytes.
	CacheSize int64
	// CacheMinFree is how many bytes stay free on its file system.
	CacheMinFree int64
	// Store tells the bucket apart from others, in a cache that mounts share.
	Store string
	// StageDir holds drafts (dirty files) of this mount and kept drafts.
	StageDir string
	// OnConflict is what becomes of content whose object was changed by somebody
	// else meanwhile: ConflictFail (the default), ConflictCopy or ConflictOverwrite.
	OnConflict string
	// Exclusive is when a file created with O_EXCL is the creator's among all
	// machines: ExclusiveClose (the default) or ExclusiveOpen.
	Exclusive string
	// Writeback lets close return when the content is in a journal in StageDir.
	Writeback bool
	// LinkExpires is the lifetime of user.s3.url; 0 is 1 h.
	LinkExpires time.Duration

	Logger *slog.Logger // nil discards
	Debug  bool         // log every FUSE request
}
