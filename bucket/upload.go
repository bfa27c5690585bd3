package bucket

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// abortWait bounds the clean-up after a failed upload.
const abortWait = 10 * time.Second

// openUpload is a multipart upload of direct calls: the SDK's Uploader copies no
// parts, and wants to know all of the body.
type openUpload struct {
	b      *Bucket
	in     PutInput // with the headers, metadata and class that it was begun with
	client *uploadClient

	mu struct {
		sync.Mutex
		parts map[int32]sentPart
		total int64 // bytes of them
		ended bool  // completed or aborted
	}
}

type sentPart struct {
	etag *string
	size int64
}

var _ OpenUpload = (*openUpload)(nil)

// Begin starts an upload by parts; see API.
func (b *Bucket) Begin(ctx context.Context, in PutInput) (OpenUpload, error) {
	in.Body, in.Size, in.Parts, in.From = nil, 0, nil, Object{}
	in = b.described(in)
	if in.CommitID == "" {
		in.CommitID = newCommitID()
	}
	in.Metadata = withCommit(in.Metadata, in.CommitID)
	u, err := b.begin(ctx, in)
	if err != nil {
		return nil, err
	}
	return u, nil
}

// begin is Begin for an input that is complete.
func (b *Bucket) begin(ctx context.Context, in PutInput) (*openUpload, error) {
	sums := &partSums{kind: sumCRC}
	if len(in.Parts) > 0 {
		sums.kind = sumMD5
	}
	u := &openUpload{b: b, in: in, client: &uploadClient{b: b, sums: sums}}
	u.mu.parts = make(map[int32]sentPart)
	if _, err := u.client.CreateMultipartUpload(ctx, b.createRequest(in), withExpires(in.Headers.Expires)); err != nil {
		return nil, err
	}
	return u, nil
}

func (u *openUpload) ID() string { return u.client.uploadID }

func (u *openUpload) Send(ctx context.Context, number int, body io.ReaderAt, size int64) error {
	const op = "UploadPart"
	if err := u.check(op, number, size); err != nil {
		return err
	}
	src := &source{r: body}
	etag, err := u.sendPart(ctx, int32(number), io.NewSectionReader(src, 0, size), nil)
	if err = src.failed(u.in.Key, err); err != nil {
		return goneUpload(op, u.in.Key, err)
	}
	return u.note(op, number, sentPart{etag, size})
}

func (u *openUpload) CopyFrom(ctx context.Context, number int, from Object, off, n int64) error {
	const op = "UploadPartCopy"
	if err := u.check(op, number, n); err != nil {
		return err
	}
	etag, err := u.copyPart(ctx, int32(number), from, off, n)
	if err != nil {
		return goneUpload(op, u.in.Key, changedIf(Condition{ETag: from.ETag}, from.Key, err))
	}
	return u.note(op, number, sentPart{etag, n})
}

// check refuses what the store would refuse, before it is sent.
func (u *openUpload) check(op string, number int, size int64) error {
	limits := u.b.opts.Limits
	switch {
	case number < 1 || size < 0:
		return failAs(ErrInvalid, op, u.in.Key, "part %d of %d bytes", number, size)
	case number > limits.MaxParts:
		return failAs(ErrTooLarge, op, u.in.Key, "part %d; an upload has at most %d", number, limits.MaxParts)
	case size > limits.MaxPart:
		return failAs(ErrTooLarge, op, u.in.Key, "a part of %d bytes; the store takes at most %d", size, limits.MaxPart)
	}
	u.mu.Lock()
	total := u.mu.total - u.mu.parts[int32(number)].size + size
	u.mu.Unlock()
	if total > limits.MaxObject {
		return limits.tooLarge(op, u.in.Key, total)
	}
	return nil
}

// note keeps what Complete has to say of a part.
func (u *openUpload) note(op string, number int, p sentPart) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if p.etag == nil {
		return failAs(ErrServer, op, u.in.Key, "the answer names no ETag")
	}
	u.mu.total += p.size - u.mu.parts[int32(number)].size
	u.mu.parts[int32(number)] = p
	return nil
}

// sendPart takes the body's Content-MD5 where that is known already.
func (u *openUpload) sendPart(ctx context.Context, number int32, body io.Reader, md5 *string) (*string, error) {
	algorithm, key, sum := u.b.ssec()
	out, err := u.client.UploadPart(ctx, &s3.UploadPartInput{
		Bucket:               &u.b.opts.Bucket,
		Key:                  &u.in.Key,
		UploadId:             &u.client.uploadID,
		PartNumber:           &number,
		Body:                 body,
		ContentMD5:           md5,
		SSECustomerAlgorithm: algorithm,
		SSECustomerKey:       key,
		SSECustomerKeyMD5:    sum,
		RequestPayer:         u.b.payer(),
		ExpectedBucketOwner:  u.b.owner(),
	})
	if err != nil {
		return nil, err
	}
	return out.ETag, nil
}

// copyPart carries the source's ETag, so that an object cannot be of two versions
// of it.
func (u *openUpload) copyPart(ctx context.Context, number int32, from Object, off, n int64) (*string, error) {
	b := u.b
	slow, cancel := b.slow(ctx)
	defer cancel()
	algorithm, key, sum := b.ssec()
	out, err := b.s3().UploadPartCopy(slow, &s3.UploadPartCopyInput{
		Bucket:                         &b.opts.Bucket,
		Key:                            &u.in.Key,
		UploadId:                       &u.client.uploadID,
		PartNumber:                     &number,
		CopySource:                     b.copySource(from.Key),
		CopySourceRange:                rangeHeader(off, n),
		CopySourceIfMatch:              quote(from.ETag),
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
	if err != nil || out.CopyPartResult == nil {
		return nil, fail(ctx, "UploadPartCopy", from.Key, err)
	}
	if crc, ok := crcFrom(out.CopyPartResult.ChecksumCRC32C); ok {
		u.client.sums.note(number, partSum{crc, n})
	}
	return out.CopyPartResult.ETag, nil
}

// Complete publishes the object; see OpenUpload. Without an answer it may have
// happened: the commit id tells.
func (u *openUpload) Complete(ctx context.Context, parts int, size int64) (Object, error) {
	in := u.in
	in.Size = size
	s, err := u.complete(ctx, parts, size)
	if err == nil {
		return in.object(s), nil
	}
	if found, ok := u.b.recognise(ctx, in.Key, s, err, in.isOf); ok {
		u.end()
		return found, nil
	}
	return Object{}, goneUpload("CompleteMultipartUpload", in.Key, changedIf(in.If, in.Key, err))
}

func (u *openUpload) complete(ctx context.Context, parts int, size int64) (stored, error) {
	b, key := u.b, u.in.Key
	list, total := u.list(parts)
	if parts < 1 || len(list) != parts || total != size {
		return stored{}, failAs(ErrInvalid, "CompleteMultipartUpload", key, "%d of %d parts with %d of %d bytes", len(list), parts, total, size)
	}
	ifMatch, ifNoneMatch := u.in.If.headers()
	algorithm, sseKey, sum := b.ssec()
	client := &uploadClient{b: b, sums: u.client.sums, uploadID: u.client.uploadID} // of this attempt
	out, err := client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{
		Bucket:               &b.opts.Bucket,
		Key:                  &key,
		UploadId:             &client.uploadID,
		MultipartUpload:      &types.CompletedMultipartUpload{Parts: list},
		IfMatch:              ifMatch,
		IfNoneMatch:          ifNoneMatch,
		SSECustomerAlgorithm: algorithm,
		SSECustomerKey:       sseKey,
		SSECustomerKeyMD5:    sum,
		RequestPayer:         b.payer(),
		ExpectedBucketOwner:  b.owner(),
	})
	if err != nil {
		return client.commit.outcome(), err
	}
	u.end()
	return stored{etag: unquote(out.ETag), version: deref(out.VersionId), at: client.at, sent: true}, nil
}

// list is the parts 1..n, as far as they were sent, and the sum of their sizes.
func (u *openUpload) list(n int) (list []types.CompletedPart, total int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for number := int32(1); int(number) <= n; number++ {
		p, ok := u.mu.parts[number]
		if !ok {
			break
		}
		list = append(list, types.CompletedPart{PartNumber: &number, ETag: p.etag})
		total += p.size
	}
	return list, total
}

// Abort gives up the upload; see OpenUpload. It runs after failures, of ctx as
// well, and its own failure changes nothing for the caller.
func (u *openUpload) Abort(ctx context.Context) {
	if !u.over() && u.b.abort(ctx, u.in.Key, u.client.uploadID) {
		u.end()
	}
}

func (u *openUpload) end() {
	u.client.ended()
	u.mu.Lock()
	defer u.mu.Unlock()
	u.mu.ended = true
}

func (u *openUpload) over() bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.mu.ended
}

// abort gives up an upload, and reports whether the store has it no more.
func (b *Bucket) abort(ctx context.Context, key, uploadID string) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(abortWait, b.opts.Deadline))
	defer cancel()
	err := b.AbortUpload(ctx, key, uploadID)
	if err == nil || errors.Is(err, ErrNotExist) {
		return true
	}
	b.log.Warn("the parts of a failed upload stay until the next mount, pailfs cleanup or a lifecycle rule removes them",
		"key", key, "upload", uploadID, "err", err)
	return false
}

// goneUpload is err as ErrUploadGone where the store has dropped the upload.
func goneUpload(op, key string, err error) error {
	if err == nil || !mustResend(err) {
		return err
	}
	return failAs(ErrUploadGone, op, key, "%s", detail(err))
}
