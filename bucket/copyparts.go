package bucket

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"golang.org/x/sync/errgroup"
)

// copyPart is the least size of the parts of a copy, in bytes. No byte of them
// passes through here: large parts only save requests.
const copyPart = 128 << 20

// copyByParts copies what is too large for CopyObject. UploadPartCopy takes the
// bytes and nothing else, so headers, metadata, tags and class are supplied again.
func (b *Bucket) copyByParts(ctx context.Context, in CopyInput) (Object, error) {
	if !in.From.Full && !in.Replace {
		from, err := b.Head(ctx, in.From.Key)
		if err != nil {
			return Object{}, err
		}
		if from.ETag != in.From.ETag || from.Size != in.From.Size {
			return Object{}, failAs(ErrChanged, "HeadObject", in.From.Key, "its ETag is %q, not %q", from.ETag, in.From.ETag)
		}
		in.From = from
	}
	if !in.Replace {
		in.Replace, in.Headers, in.Metadata = true, in.From.Headers, in.From.Metadata
	}
	tags, err := b.Tags(ctx, in.From.Key)
	if err != nil {
		return Object{}, err
	}
	id := newCommitID()
	in.Metadata = withCommit(in.Metadata, id)
	o, err := b.commit(ctx, in.To, func() (Object, stored, error) {
		s, err := b.copyPartsOnce(ctx, in, tags)
		if err != nil {
			return Object{}, s, err
		}
		return in.object(s), s, nil
	}, b.recogniser(ctx, in, id))
	if err != nil {
		return Object{}, changedIf(in.If, in.To, err)
	}
	return o, nil
}

// Tags is the URL-encoded tag set of key. Without the permission to read tags
// there are none, and the log says so once.
func (b *Bucket) Tags(ctx context.Context, key string) (string, error) {
	const op = "GetObjectTagging"
	short, cancel := b.short(ctx)
	defer cancel()
	out, err := b.s3().GetObjectTagging(short, &s3.GetObjectTaggingInput{
		Bucket:              &b.opts.Bucket,
		Key:                 &key,
		RequestPayer:        b.payer(),
		ExpectedBucketOwner: b.owner(),
	})
	switch err = fail(ctx, op, key, err); {
	case errors.Is(err, ErrPermission), errors.Is(err, ErrNotSupported):
		b.mu.Lock()
		first := !b.mu.tagsWarned
		b.mu.tagsWarned = true
		b.mu.Unlock()
		if first {
			b.log.Warn("edits and large copies go without tags, which may not be read", "err", err)
		}
		return "", nil
	case err != nil:
		return "", err
	}
	set := make([]string, 0, len(out.TagSet))
	for _, t := range out.TagSet {
		set = append(set, url.QueryEscape(aws.ToString(t.Key))+"="+url.QueryEscape(aws.ToString(t.Value)))
	}
	return strings.Join(set, "&"), nil
}

func (b *Bucket) copyPartsOnce(ctx context.Context, in CopyInput, tags string) (stored, error) {
	client := &uploadClient{b: b}
	created, err := client.CreateMultipartUpload(ctx, b.copyCreate(in, tags), withExpires(in.Headers.Expires))
	if err != nil {
		return stored{}, err
	}
	parts, err := b.copyParts(ctx, in, created.UploadId)
	if err != nil {
		b.abort(ctx, in.To, client.uploadID)
		return stored{}, err
	}
	ifMatch, ifNoneMatch := in.If.headers()
	algorithm, key, sum := b.ssec()
	out, err := client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket:               &b.opts.Bucket,
		Key:                  &in.To,
		UploadId:             created.UploadId,
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
		b.abort(ctx, in.To, client.uploadID)
		return client.commit.outcome(), err
	}
	return stored{etag: unquote(out.ETag), version: deref(out.VersionId), at: client.at, sent: true}, nil
}

func (b *Bucket) copyCreate(in CopyInput, tags string) *s3.CreateMultipartUploadInput {
	algorithm, key, sum := b.ssec()
	return &s3.CreateMultipartUploadInput{
		Bucket:               &b.opts.Bucket,
		Key:                  &in.To,
		ContentType:          opt(in.Headers.ContentType),
		ContentEncoding:      opt(in.Headers.ContentEncoding),
		ContentDisposition:   opt(in.Headers.ContentDisposition),
		ContentLanguage:      opt(in.Headers.ContentLanguage),
		CacheControl:         opt(in.Headers.CacheControl),
		Metadata:             in.Metadata,
		Tagging:              opt(tags),
		StorageClass:         keptClass(in.From.StorageClass),
		ACL:                  types.ObjectCannedACL(b.opts.ACL),
		ServerSideEncryption: types.ServerSideEncryption(b.opts.SSE),
		SSEKMSKeyId:          opt(b.opts.SSEKMSKeyID),
		SSECustomerAlgorithm: algorithm,
		SSECustomerKey:       key,
		SSECustomerKeyMD5:    sum,
		RequestPayer:         b.payer(),
		ExpectedBucketOwner:  b.owner(),
	}
}

// copyParts copies all parts, Options.InFlight at a time. Each carries the
// source's ETag, so that they cannot be of two versions.
func (b *Bucket) copyParts(ctx context.Context, in CopyInput, uploadID *string) ([]types.CompletedPart, error) {
	size := in.From.Size
	step := partSize(size, min(max(b.opts.PartSize, copyPart), b.opts.CopyPartLimit))
	parts := make([]types.CompletedPart, (size+step-1)/step)
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(b.opts.InFlight)
	for i := range parts {
		if inner.Err() != nil {
			break
		}
		group.Go(func() error {
			off := int64(i) * step
			etag, err := b.copyOnePart(inner, in, uploadID, int32(i+1), off, min(step, size-off))
			parts[i] = types.CompletedPart{PartNumber: aws.Int32(int32(i + 1)), ETag: etag}
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return parts, fail(ctx, "UploadPartCopy", in.To, ctx.Err())
}

func (b *Bucket) copyOnePart(ctx context.Context, in CopyInput, uploadID *string, number int32, off, n int64) (*string, error) {
	slow, cancel := b.slow(ctx)
	defer cancel()
	algorithm, key, sum := b.ssec()
	out, err := b.s3().UploadPartCopy(slow, &s3.UploadPartCopyInput{
		Bucket:                         &b.opts.Bucket,
		Key:                            &in.To,
		UploadId:                       uploadID,
		PartNumber:                     &number,
		CopySource:                     b.copySource(in.From.Key),
		CopySourceRange:                aws.String(fmt.Sprintf("bytes=%d-%d", off, off+n-1)),
		CopySourceIfMatch:              quote(in.From.ETag),
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
		return nil, fail(ctx, "UploadPartCopy", in.From.Key, err)
	case out.CopyPartResult == nil || out.CopyPartResult.ETag == nil:
		return nil, failAs(ErrServer, "UploadPartCopy", in.From.Key, "the answer names no ETag")
	}
	return out.CopyPartResult.ETag, nil
}
