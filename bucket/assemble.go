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
// store's side. What is sent is made ready while the upload is begun and the others
// are copied. Where that fails the upload is aborted.
func (b *Bucket) assemble(ctx context.Context, in PutInput) (stored, error) {
	inner, cancel := context.WithCancel(ctx)
	r := b.prepare(inner, in)
	defer r.group.Wait() //nolint:errcheck // each part's failure is in its entry
	defer cancel()
	u, err := b.begin(ctx, in)
	if err != nil {
		return stored{}, err
	}
	var s stored
	if err = u.sendAll(ctx, r); err == nil {
		s, err = u.complete(ctx, len(in.Parts), in.Size)
	}
	if err != nil {
		// Also after a Complete without an answer: whichever comes first at
		// the store wins, and a look at the key then tells which.
		u.Abort(ctx)
	}
	return s, err
}

// readying makes the parts ready that are to be sent.
type readying struct {
	group errgroup.Group
	parts []readyPart // of the index of the part
}

type readyPart struct {
	done chan struct{} // closed when the others are set; nil for a part that is copied
	md5  *string
	err  error
}

// prepare fills and sums the parts that are to be sent, Options.InFlight at a time.
func (b *Bucket) prepare(ctx context.Context, in PutInput) *readying {
	r := &readying{parts: make([]readyPart, len(in.Parts))}
	for i, p := range in.Parts {
		if !p.Copy {
			r.parts[i].done = make(chan struct{})
		}
	}
	var inner errgroup.Group
	inner.SetLimit(b.opts.InFlight)
	r.group.Go(func() error {
		for i, p := range in.Parts {
			if ready := &r.parts[i]; !p.Copy {
				inner.Go(func() error {
					defer close(ready.done)
					ready.md5, ready.err = b.readyPart(ctx, in, p)
					return nil
				})
			}
		}
		return inner.Wait()
	})
	return r
}

func (b *Bucket) readyPart(ctx context.Context, in PutInput, p Part) (*string, error) {
	if in.Fill != nil {
		if err := in.Fill(ctx, p.Off, p.Len); err != nil {
			return nil, err
		}
	}
	if err := ctx.Err(); err != nil || b.opts.Checksums == Never {
		return nil, err
	}
	return md5Header(io.NewSectionReader(in.Body, p.Off, p.Len))
}

// sendAll brings all parts, Options.InFlight at a time.
func (u *openUpload) sendAll(ctx context.Context, r *readying) error {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(u.b.opts.InFlight)
	// The store copies while what is sent is made ready.
	for _, copied := range []bool{true, false} {
		for i, p := range u.in.Parts {
			if inner.Err() != nil {
				break
			}
			if p.Copy == copied {
				group.Go(func() error { return u.bring(inner, i+1, p, &r.parts[i]) })
			}
		}
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return fail(ctx, "UploadPart", u.in.Key, ctx.Err())
}

// bring is Send or CopyFrom, but for the errors: commit tells by the store's own
// whether the parts are to be sent again.
func (u *openUpload) bring(ctx context.Context, number int, p Part, ready *readyPart) (err error) {
	var etag *string
	op := "UploadPart"
	if p.Copy {
		op = "UploadPartCopy"
		etag, err = u.copyPart(ctx, int32(number), u.in.From, p.Off, p.Len)
	} else {
		select {
		case <-ready.done:
		case <-ctx.Done():
			return fail(ctx, op, u.in.Key, ctx.Err())
		}
		if ready.err != nil {
			return ready.err
		}
		etag, err = u.sendPart(ctx, int32(number), io.NewSectionReader(u.in.Body, p.Off, p.Len), ready.md5)
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
