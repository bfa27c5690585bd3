package memory

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// read is what GET and HEAD have in common.
type read struct {
	obj    *object
	off, n int64
	rng    *string // Content-Range, nil for a whole object
}

func (b *Backend) open(ctx context.Context, bucket, key, rng string, part *int32, cond readConditions) (read, error) {
	if part != nil {
		return read{}, s3err.GetAPIError(s3err.ErrNotImplemented)
	}
	o, err := b.object(bucket, key)
	if err != nil {
		return read{}, err
	}
	if err := cond.check(o); err != nil {
		// A 304 carries the validators of the version the client has.
		if errors.Is(err, s3err.GetAPIError(s3err.ErrNotModified)) {
			answerHeader(ctx, "ETag", o.etag)
			answerHeader(ctx, "Last-Modified", o.modified.Format(http.TimeFormat))
		}
		return read{}, err
	}
	off, n, partial, err := backend.ParseObjectRange(o.size, rng)
	if err != nil {
		return read{}, err
	}
	r := read{obj: o, off: off, n: n}
	if partial {
		r.rng = ptr(fmt.Sprintf("bytes %d-%d/%d", off, off+n-1, o.size))
	}
	return r, nil
}

// showChecksum sends the stored checksum if it was asked for. It is one of
// the whole object, so a range goes without.
func (r read) showChecksum(ctx context.Context, mode types.ChecksumMode) {
	if mode == types.ChecksumModeEnabled && r.rng == nil {
		r.obj.sum.announce(ctx)
	}
}

// HeadObject answers an object's headers.
func (b *Backend) HeadObject(ctx context.Context, in *s3.HeadObjectInput) (*s3.HeadObjectOutput, error) {
	r, err := b.open(ctx, value(in.Bucket), objectKey(ctx, in.Key), value(in.Range), in.PartNumber,
		readConditions{in.IfMatch, in.IfNoneMatch, in.IfModifiedSince, in.IfUnmodifiedSince})
	if err != nil {
		return nil, err
	}
	r.showChecksum(ctx, in.ChecksumMode)
	o := r.obj
	return &s3.HeadObjectOutput{
		AcceptRanges:            ptr("bytes"),
		CacheControl:            optional(o.head.cacheControl),
		ContentDisposition:      optional(o.head.disposition),
		ContentEncoding:         optional(o.head.encoding),
		ContentLanguage:         optional(o.head.language),
		ContentLength:           &r.n,
		ContentRange:            r.rng,
		ContentType:             optional(o.head.contentType),
		ETag:                    &o.etag,
		ExpiresString:           optional(o.head.expires),
		LastModified:            &o.modified,
		Metadata:                o.meta,
		StorageClass:            o.shownClass(),
		TagCount:                tagCount(o),
		WebsiteRedirectLocation: optional(o.head.redirect),
	}, nil
}

// GetObject answers an object or a range of it.
func (b *Backend) GetObject(ctx context.Context, in *s3.GetObjectInput) (*s3.GetObjectOutput, error) {
	r, err := b.open(ctx, value(in.Bucket), objectKey(ctx, in.Key), value(in.Range), in.PartNumber,
		readConditions{in.IfMatch, in.IfNoneMatch, in.IfModifiedSince, in.IfUnmodifiedSince})
	if err != nil {
		return nil, err
	}
	o := r.obj
	if o.archived() {
		return nil, s3err.GetAPIError(s3err.ErrInvalidObjectState)
	}
	r.showChecksum(ctx, in.ChecksumMode)
	return &s3.GetObjectOutput{
		AcceptRanges:            ptr("bytes"),
		Body:                    o.body.slice(r.off, r.n).reader(),
		CacheControl:            optional(o.head.cacheControl),
		ContentDisposition:      optional(o.head.disposition),
		ContentEncoding:         optional(o.head.encoding),
		ContentLanguage:         optional(o.head.language),
		ContentLength:           &r.n,
		ContentRange:            r.rng,
		ContentType:             optional(o.head.contentType),
		ETag:                    &o.etag,
		ExpiresString:           optional(o.head.expires),
		LastModified:            &o.modified,
		Metadata:                o.meta,
		StorageClass:            o.shownClass(),
		TagCount:                tagCount(o),
		WebsiteRedirectLocation: optional(o.head.redirect),
	}, nil
}

// GetObjectAttributes answers the attributes but for the list of parts.
func (b *Backend) GetObjectAttributes(ctx context.Context, in *s3.GetObjectAttributesInput) (s3response.GetObjectAttributesResponse, error) {
	o, err := b.object(value(in.Bucket), objectKey(ctx, in.Key))
	if err != nil {
		return s3response.GetObjectAttributesResponse{}, err
	}
	etag := o.etag[1 : len(o.etag)-1] // S3 leaves the quotes out here
	return s3response.GetObjectAttributesResponse{
		ETag:         &etag,
		ObjectSize:   &o.size,
		StorageClass: o.class,
		LastModified: &o.modified,
	}, nil
}

func tagCount(o *object) *int32 {
	if len(o.tags) == 0 {
		return nil
	}
	return ptr(int32(len(o.tags)))
}
