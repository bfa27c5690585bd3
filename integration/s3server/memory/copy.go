package memory

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// maxCopy is the size up to which S3 copies in one request.
const maxCopy = 5 << 30

// CopyObject copies an object within the server. The copy shares the source's
// bytes. Its conditions come in two kinds: on the source (x-amz-copy-source-*)
// and, like those of a PUT, on the target.
func (b *Backend) CopyObject(ctx context.Context, in s3response.CopyObjectInput) (s3response.CopyObjectOutput, error) {
	var out s3response.CopyObjectOutput
	key := objectKey(ctx, in.Key)
	if err := checkKey(key); err != nil {
		return out, err
	}
	srcBucket, srcKey, err := copySource(ctx, in.CopySource)
	if err != nil {
		return out, err
	}
	src, err := b.source(srcBucket, srcKey, readConditions{
		in.CopySourceIfMatch, in.CopySourceIfNoneMatch, in.CopySourceIfModifiedSince, in.CopySourceIfUnmodifiedSince})
	if err != nil {
		return out, err
	}
	if src.size > maxCopy {
		return out, s3err.APIError{
			Code:           "InvalidRequest",
			Description:    "The specified copy source is larger than the maximum allowable size for a copy source: 5368709120",
			HTTPStatusCode: 400,
		}
	}
	if srcBucket == value(in.Bucket) && srcKey == key && !changes(in) {
		return out, s3err.GetAPIError(s3err.ErrInvalidCopyDest)
	}
	o, err := copied(src, in)
	if err != nil {
		return out, err
	}
	cond := writeConditions{requestETag(ctx, "If-Match"), requestETag(ctx, "If-None-Match")}
	if err := b.store(value(in.Bucket), key, o, cond); err != nil {
		return out, err
	}
	out.CopyObjectResult = &s3response.CopyObjectResult{ETag: &o.etag, LastModified: &o.modified}
	return out, nil
}

// source returns the object a copy reads, if its conditions hold.
func (b *Backend) source(bucket, key string, cond readConditions) (*object, error) {
	o, err := b.object(bucket, key)
	if err != nil {
		return nil, err
	}
	if err := cond.checkSource(o); err != nil {
		return nil, err
	}
	if o.archived() {
		return nil, s3err.GetAPIError(s3err.ErrInvalidObjectState)
	}
	return o, nil
}

// changes tells whether a copy onto itself changes anything S3 counts.
func changes(in s3response.CopyObjectInput) bool {
	return in.MetadataDirective == types.MetadataDirectiveReplace ||
		in.StorageClass != "" || value(in.WebsiteRedirectLocation) != ""
}

// copied builds the target. Class and redirect are never taken from the
// source; metadata and tags are, unless a directive replaces them.
func copied(src *object, in s3response.CopyObjectInput) (*object, error) {
	class, err := storageClass(clone(ptr(string(in.StorageClass))))
	if err != nil {
		return nil, err
	}
	o := &object{body: src.body, size: src.size, etag: src.etag, class: class,
		head: src.head, meta: src.meta, tags: src.tags}
	if in.MetadataDirective == types.MetadataDirectiveReplace {
		o.head = systemHeaders(in.ContentType, in.ContentEncoding, in.ContentDisposition,
			in.ContentLanguage, in.CacheControl, in.Expires, nil)
		o.meta = cloneMap(in.Metadata)
	}
	o.head.redirect = clone(in.WebsiteRedirectLocation)
	if in.TaggingDirective == types.TaggingDirectiveReplace {
		if o.tags, err = backend.ParseObjectTags(clone(in.Tagging)); err != nil {
			return nil, err
		}
	}
	// A copy is a simple upload: its ETag is the MD5 even if the source's
	// is one of a multipart upload.
	if src.isMultipart() {
		o.etag = quoteETag(src.body.md5())
	}
	return o, copyChecksum(o, src, in.ChecksumAlgorithm)
}

// copyChecksum keeps the source's checksum or computes the one asked for.
func copyChecksum(o, src *object, asked types.ChecksumAlgorithm) error {
	algo := src.sum.algo
	if asked != "" {
		algo = types.ChecksumAlgorithm(clone(ptr(string(asked))))
	}
	if algo == "" {
		return nil
	}
	if algo == src.sum.algo && src.sum.kind == types.ChecksumTypeFullObject {
		o.sum = src.sum
		return nil
	}
	var err error
	o.sum, err = hashBody(src.body, algo)
	return err
}
