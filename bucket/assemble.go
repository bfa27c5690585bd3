package bucket

import (
	"context"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

// assembly is a multipart upload of which some parts, or all, are copied on the
// store's side. Neither the SDK's Uploader nor CopyObject does that.
type assembly struct {
	b      *Bucket
	key    string
	cond   Condition
	from   Object // what is copied from
	parts  []Part
	body   io.ReaderAt // of the parts that are sent
	client uploadClient
}

// run makes an object of the parts. Where that fails the upload is aborted.
func (a *assembly) run(ctx context.Context, create *s3.CreateMultipartUploadInput, expires string) (stored, error) {
	a.client.b = a.b
	if _, err := a.client.CreateMultipartUpload(ctx, create, withExpires(expires)); err != nil {
		return stored{}, err
	}
	done, err := a.send(ctx)
	var s stored
	if err == nil {
		s, err = a.complete(ctx, done)
	}
	if err != nil {
		// Also after a Complete without an answer: whichever comes first at
		// the store wins, and a look at the key then tells which.
		a.b.abort(ctx, a.key, a.client.uploadID)
	}
	return s, err
}

// send brings all parts, Options.InFlight at a time. Those that are copied carry
// the source's ETag, so that they cannot be of two versions.
func (a *assembly) send(ctx context.Context) ([]types.CompletedPart, error) {
	done := make([]types.CompletedPart, len(a.parts))
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(a.b.opts.InFlight)
	for i, p := range a.parts {
		if inner.Err() != nil {
			break
		}
		group.Go(func() (err error) {
			number := int32(i + 1)
			var etag *string
			if p.Copy {
				etag, err = a.copyPart(inner, number, p)
			} else {
				etag, err = a.sendPart(inner, number, io.NewSectionReader(a.body, p.Off, p.Len))
			}
			done[i] = types.CompletedPart{PartNumber: &number, ETag: etag}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return done, fail(ctx, "UploadPart", a.key, ctx.Err())
}

func (a *assembly) sendPart(ctx context.Context, number int32, body io.Reader) (*string, error) {
	algorithm, key, sum := a.b.ssec()
	out, err := a.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket:               &a.b.opts.Bucket,
		Key:                  &a.key,
		UploadId:             &a.client.uploadID,
		PartNumber:           &number,
		Body:                 body,
		SSECustomerAlgorithm: algorithm,
		SSECustomerKey:       key,
		SSECustomerKeyMD5:    sum,
		RequestPayer:         a.b.payer(),
		ExpectedBucketOwner:  a.b.owner(),
	})
	if err != nil {
		return nil, err
	}
	return namedETag(out.ETag, "UploadPart", a.key)
}

func (a *assembly) copyPart(ctx context.Context, number int32, p Part) (*string, error) {
	b := a.b
	slow, cancel := b.slow(ctx)
	defer cancel()
	algorithm, key, sum := b.ssec()
	out, err := b.s3().UploadPartCopy(slow, &s3.UploadPartCopyInput{
		Bucket:                         &b.opts.Bucket,
		Key:                            &a.key,
		UploadId:                       &a.client.uploadID,
		PartNumber:                     &number,
		CopySource:                     b.copySource(a.from.Key),
		CopySourceRange:                rangeHeader(p.Off, p.Len),
		CopySourceIfMatch:              quote(a.from.ETag),
		SSECustomerAlgorithm:           algorithm,
		SSECustomerKey:                 key,
		SSECustomerKeyMD5:              sum,
		CopySourceSSECustomerAlgorithm: algorithm,
		CopySourceSSECustomerKey:       key,
		CopySourceSSECustomerKeyMD5:    sum,
		RequestPayer:                   b.payer(),
		ExpectedBucketOwner:            b.owner(),
		ExpectedSourceBucketOwner:      b.owner(),
	})
	switch {
	case err != nil:
		return nil, fail(ctx, "UploadPartCopy", a.from.Key, err)
	case out.CopyPartResult == nil:
		return namedETag(nil, "UploadPartCopy", a.from.Key)
	}
	return namedETag(out.CopyPartResult.ETag, "UploadPartCopy", a.from.Key)
}

func namedETag(etag *string, op, key string) (*string, error) {
	if etag == nil {
		return nil, failAs(ErrServer, op, key, "the answer names no ETag")
	}
	return etag, nil
}

func (a *assembly) complete(ctx context.Context, parts []types.CompletedPart) (stored, error) {
	b := a.b
	ifMatch, ifNoneMatch := a.cond.headers()
	algorithm, key, sum := b.ssec()
	out, err := a.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket:               &b.opts.Bucket,
		Key:                  &a.key,
		UploadId:             &a.client.uploadID,
		MultipartUpload:      &types.CompletedMultipartUpload{Parts: parts},
		IfMatch:              ifMatch,
		IfNoneMatch:          ifNoneMatch,
		SSECustomerAlgorithm: algorithm,
		SSECustomerKey:       key,
		SSECustomerKeyMD5:    sum,
		RequestPayer:         b.payer(),
		ExpectedBucketOwner:  b.owner(),
	})
	if err != nil {
		return a.client.commit.outcome(), err
	}
	return stored{etag: unquote(out.ETag), version: deref(out.VersionId), at: a.client.at, sent: true}, nil
}

// createRequest begins an upload with all that the object shall have beside its
// bytes: parts carry none of it.
func (b *Bucket) createRequest(key string, h Headers, metadata map[string]string, tags string, class types.StorageClass) *s3.CreateMultipartUploadInput {
	algorithm, sseKey, sum := b.ssec()
	return &s3.CreateMultipartUploadInput{
		Bucket:               &b.opts.Bucket,
		Key:                  aws.String(key),
		ContentType:          opt(h.ContentType),
		ContentEncoding:      opt(h.ContentEncoding),
		ContentDisposition:   opt(h.ContentDisposition),
		ContentLanguage:      opt(h.ContentLanguage),
		CacheControl:         opt(h.CacheControl),
		Metadata:             metadata,
		Tagging:              opt(tags),
		StorageClass:         class,
		ACL:                  types.ObjectCannedACL(b.opts.ACL),
		ServerSideEncryption: types.ServerSideEncryption(b.opts.SSE),
		SSEKMSKeyId:          opt(b.opts.SSEKMSKeyID),
		SSECustomerAlgorithm: algorithm,
		SSECustomerKey:       sseKey,
		SSECustomerKeyMD5:    sum,
		RequestPayer:         b.payer(),
		ExpectedBucketOwner:  b.owner(),
	}
}
