package bucket

import (
	"context"
	"io"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

// assemble makes the object of in.Parts, some of which, or all, are copied on the
// store's side. Where that fails the upload is aborted.
func (b *Bucket) assemble(ctx context.Context, in PutInput) (stored, error) {
	u, err := b.begin(ctx, in)
	if err != nil {
		return stored{}, err
	}
	var s stored
	if err = u.sendAll(ctx); err == nil {
		s, err = u.complete(ctx, len(in.Parts), in.Size)
	}
	if err != nil {
		// Also after a Complete without an answer: whichever comes first at
		// the store wins, and a look at the key then tells which.
		u.Abort(ctx)
	}
	return s, err
}

// sendAll brings all parts, Options.InFlight at a time.
func (u *openUpload) sendAll(ctx context.Context) error {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(u.b.opts.InFlight)
	for i, p := range u.in.Parts {
		if inner.Err() != nil {
			break
		}
		group.Go(func() error { return u.bring(inner, i+1, p) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return fail(ctx, "UploadPart", u.in.Key, ctx.Err())
}

// bring is Send or CopyFrom, but for the errors: commit tells by the store's own
// whether the parts are to be sent again.
func (u *openUpload) bring(ctx context.Context, number int, p Part) (err error) {
	var etag *string
	op := "UploadPart"
	if p.Copy {
		op = "UploadPartCopy"
		etag, err = u.copyPart(ctx, int32(number), u.in.From, p.Off, p.Len)
	} else {
		etag, err = u.sendPart(ctx, int32(number), io.NewSectionReader(u.in.Body, p.Off, p.Len))
	}
	if err != nil {
		return err
	}
	return u.note(op, number, sentPart{etag, p.Len})
}

// createRequest begins an upload with all that the object shall have beside its
// bytes: parts carry none of it.
func (b *Bucket) createRequest(in PutInput) *s3.CreateMultipartUploadInput {
	algorithm, sseKey, sum := b.ssec()
	return &s3.CreateMultipartUploadInput{
		Bucket:               &b.opts.Bucket,
		Key:                  aws.String(in.Key),
		ContentType:          opt(in.Headers.ContentType),
		ContentEncoding:      opt(in.Headers.ContentEncoding),
		ContentDisposition:   opt(in.Headers.ContentDisposition),
		ContentLanguage:      opt(in.Headers.ContentLanguage),
		CacheControl:         opt(in.Headers.CacheControl),
		Metadata:             in.Metadata,
		Tagging:              opt(in.Tagging),
		StorageClass:         types.StorageClass(in.StorageClass),
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
