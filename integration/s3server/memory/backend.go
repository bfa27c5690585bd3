package memory

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3err"
)

// Options configure a Backend. The zero value works.
type Options struct {
	// Owner is the access key ID shown as the owner of buckets and objects.
	Owner string
	// Region is shown for buckets; us-east-1 if empty.
	Region string
	// Now is the clock; time.Now if nil.
	Now func() time.Time
}

// Backend is an S3 store in memory. It implements versitygw's
// backend.Backend; what it does not implement answers NotImplemented.
type Backend struct {
	backend.BackendUnsupported
	opts Options

	mu struct {
		sync.RWMutex
		buckets map[string]*bucket
		uploads uint64 // counts upload IDs
	}
}

var _ backend.Backend = (*Backend)(nil)

// New returns a Backend without buckets.
func New(opts Options) *Backend {
	if opts.Region == "" {
		opts.Region = "us-east-1"
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	b := &Backend{opts: opts}
	b.mu.buckets = make(map[string]*bucket)
	return b
}

func (b *Backend) String() string { return "Memory" }

// bucket is guarded by the backend's lock.
type bucket struct {
	created  time.Time
	acl      []byte
	tags     map[string]string
	keys     keyspace
	uploads  map[string]*upload
	readOnly bool
}

// AddSynthetic adds a bucket of n generated objects; see synthetic.go. Unless
// writable, every change of it is refused with AccessDenied.
func (b *Backend) AddSynthetic(name string, n int, writable bool) error {
	if n < 1 {
		return fmt.Errorf("synthetic bucket %s: %d keys", name, n)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if _, ok := b.mu.buckets[name]; ok {
		return fmt.Errorf("synthetic bucket %s exists", name)
	}
	bk := b.newBucket(nil)
	bk.keys.base = newSynthetic(n)
	bk.readOnly = !writable
	b.mu.buckets[name] = bk
	return nil
}

func (b *Backend) newBucket(acl []byte) *bucket {
	return &bucket{
		created: b.now(),
		acl:     append([]byte(nil), acl...),
		uploads: make(map[string]*upload),
	}
}

// now is the time in the whole seconds HTTP headers can show, so that HEAD
// and listings agree.
func (b *Backend) now() time.Time { return b.opts.Now().UTC().Truncate(time.Second) }

// bucketLocked returns a bucket or NoSuchBucket.
func (b *Backend) bucketLocked(name string) (*bucket, error) {
	bk, ok := b.mu.buckets[name]
	if !ok {
		return nil, s3err.GetBucketErr(s3err.ErrNoSuchBucket, strings.Clone(name))
	}
	return bk, nil
}

// writableLocked returns a bucket which may be changed.
func (b *Backend) writableLocked(name string) (*bucket, error) {
	bk, err := b.bucketLocked(name)
	if err != nil {
		return nil, err
	}
	if bk.readOnly {
		return nil, s3err.GetAPIError(s3err.ErrAccessDenied)
	}
	return bk, nil
}

// object returns the present version of an object.
func (b *Backend) object(bucket, key string) (*object, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	bk, err := b.bucketLocked(bucket)
	if err != nil {
		return nil, err
	}
	o := bk.keys.get(key)
	if o == nil {
		return nil, s3err.GetAPIError(s3err.ErrNoSuchKey)
	}
	return o, nil
}

// store makes o the object at key if the conditions hold: check and change
// are one step under the lock.
func (b *Backend) store(bucket, key string, o *object, cond writeConditions) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	bk, err := b.writableLocked(bucket)
	if err != nil {
		return err
	}
	if err := cond.check(bk.keys.get(key)); err != nil {
		return err
	}
	o.modified = b.now()
	bk.keys.put(key, o)
	return nil
}
