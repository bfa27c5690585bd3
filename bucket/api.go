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
	// Layout says how to cut an upload of a size that is not known yet.
	Layout() Layout
	// Begin starts an upload by parts of an object whose size is not known yet.
	// Nothing is published before Complete. Of in, Body, Size, Parts and From are
	// not used.
	Begin(ctx context.Context, in PutInput) (OpenUpload, error)
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

// OpenUpload is a multipart upload under way. Its methods are safe for concurrent
// use. Where the store has dropped the upload their error is ErrUploadGone: the
// parts must be sent again, in another upload.
type OpenUpload interface {
	// ID is the store's name of the upload.
	ID() string
	// Send uploads part number (1..Limits.MaxParts) from body, which it may read
	// more than once. Sending a number again replaces that part. ErrTooLarge is a
	// number, a size or a sum of sizes beyond what the store takes.
	Send(ctx context.Context, number int, body io.ReaderAt, size int64) error
	// CopyFrom makes part number of the n bytes at off of the version from, on the
	// store's side. Where that is not the newest of its key, it is ErrChanged.
	CopyFrom(ctx context.Context, number int, from Object, off, n int64) error
	// Complete publishes the parts 1..parts as the object, with the condition,
	// headers and metadata of Begin; size is the sum of theirs. Its own commit is
	// recognised by its commit id after a lost answer, also by a second Complete
	// after one that failed. A condition that does not hold is ErrChanged.
	Complete(ctx context.Context, parts int, size int64) (Object, error)
	// Abort gives the upload up, so that its parts cost nothing. It does nothing
	// after a Complete that succeeded, and may be called again. A part that is
	// being sent meanwhile may stay with the store.
	Abort(ctx context.Context)
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
	// Fill, if set, brings the bytes [off, off+n) of Body before a part of Parts is
	// sent that has them: several at a time, while the store copies others, and
	// again where the parts have to be sent again.
	Fill func(ctx context.Context, off, n int64) error
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
