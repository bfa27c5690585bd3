package memory

import (
	"context"

	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3response"
)

// PutObject stores an object in one step. The body is read before the lock is
// taken; the conditions are checked as the object is stored.
func (b *Backend) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	key := objectKey(ctx, in.Key)
	if err := checkKey(key); err != nil {
		return s3response.PutObjectOutput{}, err
	}
	o, err := newObject(ctx, in)
	if err != nil {
		return s3response.PutObjectOutput{}, err
	}
	data, md5sum, sum, err := readChecked(ctx, in.Body, value(in.ContentLength), "")
	if err != nil {
		return s3response.PutObjectOutput{}, err
	}
	o.setBody(data, md5sum)
	o.sum = sum
	if err := b.store(value(in.Bucket), key, o, writeConditions{in.IfMatch, in.IfNoneMatch}); err != nil {
		return s3response.PutObjectOutput{}, err
	}
	sum.announce(ctx)
	return s3response.PutObjectOutput{ETag: o.etag}, nil
}

// newObject returns an object with everything but its body.
func newObject(ctx context.Context, in s3response.PutObjectInput) (*object, error) {
	class, err := storageClass(requestHeader(ctx, "X-Amz-Storage-Class"))
	if err != nil {
		return nil, err
	}
	tags, err := backend.ParseObjectTags(clone(in.Tagging))
	if err != nil {
		return nil, err
	}
	return &object{
		head: systemHeaders(in.ContentType, in.ContentEncoding, in.ContentDisposition,
			in.ContentLanguage, in.CacheControl, in.Expires, in.WebsiteRedirectLocation),
		meta:  cloneMap(in.Metadata),
		tags:  tags,
		class: class,
	}, nil
}
