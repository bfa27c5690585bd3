package bucket

import (
	"context"
	"net/url"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// UploadLog is told of each multipart upload, so that one whose process dies can
// be found again. Its methods, and those of its records, are safe for concurrent
// use; none of them fails: an upload matters more than the note of it.
type UploadLog interface {
	// Begin is called before the store is asked for an upload of key.
	Begin(key string) UploadRecord
}

// UploadRecord is what an UploadLog knows of one upload.
type UploadRecord interface {
	// Begun says that the store calls the upload id. No part is sent before.
	Begun(id string)
	// Ended says that the store has no such upload any more, or never had.
	Ended()
}

// noRecord is a record that nobody wants.
type noRecord struct{}

func (noRecord) Begun(string) {}
func (noRecord) Ended()       {}

// recordOf begins the record of an upload.
func (b *Bucket) recordOf(key string) UploadRecord {
	if b.opts.Uploads == nil {
		return noRecord{}
	}
	return b.opts.Uploads.Begin(key)
}

// mayHaveBegun says whether a call that failed to begin an upload may have done
// so all the same: its answer, or that of an attempt before, may be lost.
func mayHaveBegun(c *call, err error) bool {
	status := statusOf(err)
	refused := status >= 400 && status < 500 && c.attempts() <= 1
	return c.sent.Load() && !refused
}

// Upload is a multipart upload that has begun and is neither completed nor
// aborted, whoever began it.
type Upload struct {
	Key, ID string
	Begun   time.Time // by the store's clock
}

// Uploads lists all open uploads of keys that begin with prefix.
func (b *Bucket) Uploads(ctx context.Context, prefix string) ([]Upload, error) {
	const op = "ListMultipartUploads"
	in := &s3.ListMultipartUploadsInput{
		Bucket: &b.opts.Bucket,
		Prefix: opt(prefix),
		// XML 1.0 cannot carry all the bytes that a key may hold.
		EncodingType:        types.EncodingTypeUrl,
		RequestPayer:        b.payer(),
		ExpectedBucketOwner: b.owner(),
	}
	var all []Upload
	for {
		out, err := b.uploadPage(ctx, in)
		if err != nil {
			return nil, fail(ctx, op, prefix, err)
		}
		key := func(s *string) (string, error) { return aws.ToString(s), nil }
		if out.EncodingType == types.EncodingTypeUrl { // see pageOf
			key = func(s *string) (string, error) { return url.QueryUnescape(aws.ToString(s)) }
		}
		for _, u := range out.Uploads {
			name, err := key(u.Key)
			if err != nil {
				return nil, fail(ctx, op, prefix, err)
			}
			all = append(all, Upload{name, aws.ToString(u.UploadId), aws.ToTime(u.Initiated)})
		}
		if !aws.ToBool(out.IsTruncated) {
			return all, nil
		}
		next, err := key(out.NextKeyMarker)
		if err != nil {
			return nil, fail(ctx, op, prefix, err)
		}
		id := aws.ToString(out.NextUploadIdMarker)
		if next == "" || next == aws.ToString(in.KeyMarker) && id == aws.ToString(in.UploadIdMarker) {
			return nil, failAs(ErrServer, op, prefix, "the listing is truncated, and does not say where to go on")
		}
		in.KeyMarker, in.UploadIdMarker = &next, opt(id)
	}
}

func (b *Bucket) uploadPage(ctx context.Context, in *s3.ListMultipartUploadsInput) (*s3.ListMultipartUploadsOutput, error) {
	short, cancel := b.short(ctx)
	defer cancel()
	return b.s3().ListMultipartUploads(short, in)
}

// AbortUpload gives up an upload with all its parts. ErrNotExist says that there
// is no such upload any more.
func (b *Bucket) AbortUpload(ctx context.Context, key, id string) error {
	short, cancel := b.short(ctx)
	defer cancel()
	_, err := b.s3().AbortMultipartUpload(short, &s3.AbortMultipartUploadInput{
		Bucket:              &b.opts.Bucket,
		Key:                 &key,
		UploadId:            &id,
		RequestPayer:        b.payer(),
		ExpectedBucketOwner: b.owner(),
	})
	return fail(ctx, "AbortMultipartUpload", key, err)
}
