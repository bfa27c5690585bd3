package memory

import (
	"context"

	"github.com/versity/versitygw/s3err"
)

// GetObjectTagging answers an object's tags; none is an empty set.
func (b *Backend) GetObjectTagging(ctx context.Context, bucket, key, _ string) (map[string]string, error) {
	o, err := b.object(bucket, objectKey(ctx, &key))
	if err != nil {
		return nil, err
	}
	return o.tags, nil
}

// PutObjectTagging replaces an object's tags. S3 keeps ETag and Last-Modified.
func (b *Backend) PutObjectTagging(ctx context.Context, bucket, key, _ string, tags map[string]string) error {
	key = objectKey(ctx, &key)
	b.mu.Lock()
	defer b.mu.Unlock()
	bk, err := b.writableLocked(bucket)
	if err != nil {
		return err
	}
	old := bk.keys.get(key)
	if old == nil {
		return s3err.GetAPIError(s3err.ErrNoSuchKey)
	}
	tagged := *old
	tagged.tags = cloneMap(tags)
	bk.keys.put(key, &tagged)
	return nil
}

// DeleteObjectTagging removes all tags.
func (b *Backend) DeleteObjectTagging(ctx context.Context, bucket, key, version string) error {
	return b.PutObjectTagging(ctx, bucket, key, version, nil)
}

// GetBucketTagging answers a bucket's tags.
func (b *Backend) GetBucketTagging(_ context.Context, bucket string) (map[string]string, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	bk, err := b.bucketLocked(bucket)
	if err != nil {
		return nil, err
	}
	if len(bk.tags) == 0 {
		return nil, s3err.GetAPIError(s3err.ErrBucketTaggingNotFound)
	}
	return bk.tags, nil
}

// PutBucketTagging replaces a bucket's tags.
func (b *Backend) PutBucketTagging(_ context.Context, bucket string, tags map[string]string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	bk, err := b.writableLocked(bucket)
	if err != nil {
		return err
	}
	bk.tags = cloneMap(tags)
	return nil
}

// DeleteBucketTagging removes a bucket's tags.
func (b *Backend) DeleteBucketTagging(ctx context.Context, bucket string) error {
	return b.PutBucketTagging(ctx, bucket, nil)
}
