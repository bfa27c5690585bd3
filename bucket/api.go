package bucket

import (
	"context"
	"io"
	"time"
)

// API is what a bucket offers to the layers above. Bucket implements it; the
// tests of cache and fs may stand in for it.
//
// All errors can be told apart with errors.Is against the Err… values.
type API interface {
	// Name is the bucket's name.
	Name() string

	// List returns one page of at most ListInput.MaxKeys entries.
	List(ctx context.Context, in ListInput) (Page, error)
	// Head returns the object with Full set.
	Head(ctx context.Context, key string) (Object, error)
	// Get opens a range of an object. The returned Object has Full set and
	// Size is that of the whole object. The body must be closed; it fails with
	// io.ErrUnexpectedEOF where it is shorter than promised.
	Get(ctx context.Context, in GetInput) (Object, io.ReadCloser, error)
	// Fill reads exactly len(p) bytes at off of the given version into p.
	Fill(ctx context.Context, key, etag string, off int64, p []byte) error
	// Stream hands the n bytes at off of the given version to to.ReadFrom, in
	// order and as they arrive, in one call or in several.
	Stream(ctx context.Context, key, etag string, off, n int64, to io.ReaderFrom) error
	// Download writes the whole range [off, off+n) of the given version to w
	// with parallel ranged requests.
	Download(ctx context.Context, key, etag string, off, n int64, w io.WriterAt) error
	// PlanParts says how to store an object of which much is in another already.
	PlanParts(size int64, kept []Span) []Part
	// Put stores body under key, by one PUT or by a multipart upload.
	Put(ctx context.Context, in PutInput) (Object, error)
	// Tags returns an object's tags, URL-encoded as PutInput.Tagging takes them;
	// "" where there are none, or where they may not be read.
	Tags(ctx context.Context, key string) (string, error)
	// Copy copies one object within the bucket on the server's side,
	// by parts above Options.CopyPartLimit.
	Copy(ctx context.Context, in CopyInput) (Object, error)
	// Delete removes one key; a missing key is no error unless ifMatch is set
	// (then ErrChanged).
	Delete(ctx context.Context, key, ifMatch string) error
	// DeleteAll removes many keys, 1,000 a request. The result holds an error
	// for each key that was not removed.
	DeleteAll(ctx context.Context, items []DeleteItem) map[string]error
	// PresignGet returns a URL that reads the object for lifetime, and its
	// true end (credentials may end sooner). It sends no S3 request.
	PresignGet(ctx context.Context, key string, lifetime time.Duration) (url string, until time.Time, err error)
	// Counters returns requests and bytes by S3 operation since the start.
	Counters() map[string]Counter
}

// ListInput selects a page of a listing.
type ListInput struct {
	Prefix     string
	Delimiter  string // "" lists flat
	Token      string // Page.Next of the page before
	StartAfter string
	MaxKeys    int // 0: the server's 1,000
}

// GetInput selects a range of one version.
type GetInput struct {
	Key  string
	ETag string // If-Match; "" reads the newest version
	Off  int64
	Len  int64 // < 0: to the end
}

// PutInput is one object to store.
type PutInput struct {
	Key      string
	Body     io.ReaderAt
	Size     int64 // bytes
	If       Condition
	Headers  Headers // ContentType "" is guessed from the key's extension
	Metadata map[string]string
	// StorageClass "" takes Options.StorageClass.
	StorageClass string
	// Tagging is the URL-encoded tag set to store; "" stores none.
	Tagging string
	// CommitID is what the object's CommitKey metadata shall hold, for a caller
	// that keeps the id through a crash. "" makes one where the write needs it.
	CommitID string
	// Parts, if there are any, come from PlanParts; those to be copied come from
	// From, as it is, and Body need not have them.
	Parts []Part
	From  Object
}

// CopyInput is one server-side copy.
type CopyInput struct {
	From     Object // the version to copy: CopySourceIfMatch its ETag
	To       string
	If       Condition // on the target
	Replace  bool      // replace headers and metadata by the two below
	Headers  Headers
	Metadata map[string]string
}

// DeleteItem is one key of DeleteAll.
type DeleteItem struct {
	Key  string
	ETag string // remove only this version; "" removes any
}

// Counter counts one S3 operation. Bytes are body bytes.
type Counter struct {
	Requests  int64 `json:"requests"`
	Errors    int64 `json:"errors"`
	BytesUp   int64 `json:"bytes_up"`
	BytesDown int64 `json:"bytes_down"`
}
