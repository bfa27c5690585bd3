package memory

import (
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// CreateBucket makes an empty bucket. Creating it again is refused, as in every
// region but us-east-1.
func (b *Backend) CreateBucket(_ context.Context, in *s3.CreateBucketInput, acl []byte) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	name := clone(in.Bucket)
	if _, ok := b.mu.buckets[name]; ok {
		return s3err.GetBucketErr(s3err.ErrBucketAlreadyOwnedByYou, name)
	}
	b.mu.buckets[name] = b.newBucket(acl)
	return nil
}

// DeleteBucket refuses a bucket with objects or uploads in progress.
func (b *Backend) DeleteBucket(_ context.Context, name string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	bk, err := b.writableLocked(name)
	if err != nil {
		return err
	}
	if !bk.keys.empty() || len(bk.uploads) > 0 {
		return s3err.GetBucketErr(s3err.ErrBucketNotEmpty, strings.Clone(name))
	}
	delete(b.mu.buckets, name)
	return nil
}

// HeadBucket succeeds if the bucket is there.
func (b *Backend) HeadBucket(_ context.Context, in *s3.HeadBucketInput) (*s3.HeadBucketOutput, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if _, err := b.bucketLocked(value(in.Bucket)); err != nil {
		return nil, err
	}
	return &s3.HeadBucketOutput{BucketRegion: ptr(b.opts.Region)}, nil
}

// ListBuckets lists all buckets by name, paged by MaxBuckets.
func (b *Backend) ListBuckets(_ context.Context, in s3response.ListBucketsInput) (s3response.ListAllMyBucketsResult, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	out := s3response.ListAllMyBucketsResult{
		Owner:  s3response.CanonicalUser{ID: b.opts.Owner, DisplayName: b.opts.Owner},
		Prefix: in.Prefix,
	}
	for _, name := range slices.Sorted(maps.Keys(b.mu.buckets)) {
		if !strings.HasPrefix(name, in.Prefix) || name <= in.ContinuationToken {
			continue
		}
		if n := len(out.Buckets.Bucket); in.MaxBuckets > 0 && n >= int(in.MaxBuckets) {
			out.ContinuationToken = out.Buckets.Bucket[n-1].Name
			break
		}
		out.Buckets.Bucket = append(out.Buckets.Bucket, s3response.ListAllMyBucketsEntry{
			Name:         name,
			BucketRegion: b.opts.Region,
			CreationDate: b.mu.buckets[name].created,
		})
	}
	return out, nil
}

// GetBucketAcl also lets odd copy sources through; see noteCopySource.
func (b *Backend) GetBucketAcl(ctx context.Context, in *s3.GetBucketAclInput) ([]byte, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	bk, err := b.bucketLocked(value(in.Bucket))
	if err != nil {
		return nil, err
	}
	noteCopySource(ctx)
	return bk.acl, nil
}

// GetBucketVersioning answers for a bucket which never was versioned.
func (b *Backend) GetBucketVersioning(_ context.Context, name string) (s3response.GetBucketVersioningOutput, error) {
	return s3response.GetBucketVersioningOutput{}, b.absent(name, nil)
}

// GetObjectLockConfiguration says there is none, which lets writes pass.
func (b *Backend) GetObjectLockConfiguration(_ context.Context, name string) ([]byte, error) {
	return nil, b.absent(name, s3err.GetAPIError(s3err.ErrObjectLockConfigurationNotFound))
}

// GetBucketPolicy says there is none.
func (b *Backend) GetBucketPolicy(_ context.Context, name string) ([]byte, error) {
	return nil, b.absent(name, s3err.GetBucketErr(s3err.ErrNoSuchBucketPolicy, strings.Clone(name)))
}

// GetBucketCors says there is none.
func (b *Backend) GetBucketCors(_ context.Context, name string) ([]byte, error) {
	return nil, b.absent(name, s3err.GetAPIError(s3err.ErrNoSuchCORSConfiguration))
}

// GetBucketOwnershipControls answers S3's default: ACLs are off.
func (b *Backend) GetBucketOwnershipControls(_ context.Context, name string) (types.ObjectOwnership, error) {
	return types.ObjectOwnershipBucketOwnerEnforced, b.absent(name, nil)
}

// absent returns err for a bucket that is there, else NoSuchBucket.
func (b *Backend) absent(name string, err error) error {
	b.mu.RLock()
	defer b.mu.RUnlock()
	if _, missing := b.bucketLocked(name); missing != nil {
		return missing
	}
	return err
}
