package bucket

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Get opens a range of an object, of the version in.ETag if that is set. The
// Object has Full set, and Size is that of the whole object. The body ends after
// in.Len bytes or at the object's end, and fails with io.ErrUnexpectedEOF where
// the store sends less than it promised. It is not re-opened when it breaks.
//
// A version that is gone is ErrChanged, an offset past the end ErrRange; but the
// whole of an empty object is an empty body. Len 0 reads nothing and is a Head.
func (b *Bucket) Get(ctx context.Context, in GetInput) (Object, io.ReadCloser, error) {
	if in.Off < 0 {
		return Object{}, nil, failAs(ErrRange, "GetObject", in.Key, "offset %d", in.Off)
	}
	if in.Len == 0 {
		return b.getNothing(ctx, in)
	}
	o, body, err := b.get(ctx, in, true, 0)
	if in.Off == 0 && errors.Is(err, ErrRange) {
		// No range of an empty object can be satisfied: ask for all of it.
		return b.get(ctx, in, false, 0)
	}
	return o, body, err
}

// getNothing answers a read of no bytes.
func (b *Bucket) getNothing(ctx context.Context, in GetInput) (Object, io.ReadCloser, error) {
	o, err := b.Head(ctx, in.Key)
	switch {
	case err != nil:
		return Object{}, nil, err
	case in.ETag != "" && o.ETag != in.ETag:
		return Object{}, nil, failAs(ErrChanged, "HeadObject", in.Key, "its ETag is %q, not %q", o.ETag, in.ETag)
	case in.Off > o.Size:
		return Object{}, nil, failAs(ErrRange, "HeadObject", in.Key, "offset %d of %d", in.Off, o.Size)
	}
	return o, io.NopCloser(strings.NewReader("")), nil
}

// get sends one GET, with a Range header if ranged is set. The body is limited
// to what in asks for either way. So many GETs just before it brought nothing.
func (b *Bucket) get(ctx context.Context, in GetInput, ranged bool, fruitless int) (Object, io.ReadCloser, error) {
	out, err := b.s3().GetObject(b.reading(ctx, fruitless), b.getRequest(in, ranged))
	if err != nil {
		return Object{}, nil, fail(ctx, "GetObject", in.Key, err)
	}
	o, first, n, err := checkAnswer(in, out)
	if err == nil {
		// A store that ignores Range sends all: skip to what was asked.
		_, err = io.CopyN(io.Discard, out.Body, in.Off-first)
	}
	if err != nil {
		out.Body.Close()
		return Object{}, nil, fail(ctx, "GetObject", in.Key, err)
	}
	return o, &body{ctx: ctx, key: in.Key, src: out.Body, left: n}, nil
}

func (b *Bucket) getRequest(in GetInput, ranged bool) *s3.GetObjectInput {
	algorithm, sseKey, sum := b.ssec()
	req := &s3.GetObjectInput{
		Bucket:               &b.opts.Bucket,
		Key:                  &in.Key,
		IfMatch:              quote(in.ETag),
		SSECustomerAlgorithm: algorithm,
		SSECustomerKey:       sseKey,
		SSECustomerKeyMD5:    sum,
		RequestPayer:         b.payer(),
		ExpectedBucketOwner:  b.owner(),
	}
	if ranged {
		req.Range = rangeHeader(in.Off, in.Len)
	}
	return req
}

// rangeHeader is nil for all of the object.
func rangeHeader(off, n int64) *string {
	switch {
	case n >= 0 && off+n > off:
		return aws.String(fmt.Sprintf("bytes=%d-%d", off, off+n-1))
	case off > 0:
		return aws.String(fmt.Sprintf("bytes=%d-", off))
	}
	return nil
}

// checkAnswer makes sure that out is of the version asked for and holds the
// range asked for. It returns the offset of the body's first byte, and the
// number of bytes from in.Off on that it has to give.
func checkAnswer(in GetInput, out *s3.GetObjectOutput) (o Object, first, n int64, err error) {
	o = gotten(in.Key, out)
	if in.ETag != "" && o.ETag != in.ETag {
		return o, 0, 0, fmt.Errorf("%w: its ETag is %q, not %q", ErrChanged, o.ETag, in.ETag)
	}
	length := aws.ToInt64(out.ContentLength)
	if out.ContentRange == nil {
		if out.ContentLength == nil || length < 0 {
			return o, 0, 0, errors.New("the answer names no length")
		}
		o.Size = length
	} else if first, length, o.Size, err = parseContentRange(*out.ContentRange); err != nil {
		return o, 0, 0, err
	}
	if in.Off > 0 && in.Off >= o.Size {
		return o, 0, 0, fmt.Errorf("%w: offset %d of %d", ErrRange, in.Off, o.Size)
	}
	n = o.Size - in.Off
	if in.Len > 0 {
		n = min(n, in.Len)
	}
	if first > in.Off || first+length < in.Off+n {
		return o, 0, 0, fmt.Errorf("the answer holds bytes %d+%d, not %d+%d", first, length, in.Off, n)
	}
	return o, first, n, nil
}

// parseContentRange reads "bytes FIRST-LAST/SIZE".
func parseContentRange(s string) (first, length, size int64, err error) {
	span, total, ok := strings.Cut(strings.TrimPrefix(s, "bytes "), "/")
	from, to, ok2 := strings.Cut(span, "-")
	first, err1 := strconv.ParseInt(from, 10, 64)
	last, err2 := strconv.ParseInt(to, 10, 64)
	size, err3 := strconv.ParseInt(total, 10, 64)
	if !ok || !ok2 || err1 != nil || err2 != nil || err3 != nil || first < 0 || last < first || size <= last {
		return 0, 0, 0, fmt.Errorf("the answer's Content-Range is %q", s)
	}
	return first, last - first + 1, size, nil
}

func gotten(key string, out *s3.GetObjectOutput) Object {
	return Object{
		Key:          key,
		ETag:         unquote(out.ETag),
		LastModified: aws.ToTime(out.LastModified),
		StorageClass: classOf(string(out.StorageClass)),
		VersionID:    aws.ToString(out.VersionId),
		Full:         true,
		Headers: Headers{
			ContentType:        aws.ToString(out.ContentType),
			ContentEncoding:    aws.ToString(out.ContentEncoding),
			ContentDisposition: aws.ToString(out.ContentDisposition),
			ContentLanguage:    aws.ToString(out.ContentLanguage),
			CacheControl:       aws.ToString(out.CacheControl),
			Expires:            aws.ToString(out.ExpiresString),
		},
		Metadata: lowerKeys(out.Metadata),
		TagCount: int(aws.ToInt32(out.TagCount)),
		Restore:  aws.ToString(out.Restore),
	}
}

// body gives exactly left bytes, or an error.
type body struct {
	ctx  context.Context //nolint:containedctx // of the Get that the body belongs to
	key  string
	src  io.ReadCloser
	left int64
}

func (r *body) Read(p []byte) (int, error) {
	if r.left == 0 {
		return 0, io.EOF
	}
	if int64(len(p)) > r.left {
		p = p[:r.left]
	}
	n, err := r.src.Read(p)
	r.left -= int64(n)
	switch {
	case r.left == 0:
		err = nil // the next Read says EOF; what follows was not asked for
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("GetObject %q: %d bytes short: %w: %w", r.key, r.left, ErrUnreachable, io.ErrUnexpectedEOF)
	case err != nil:
		err = fail(r.ctx, "GetObject", r.key, err)
	}
	return n, err
}

func (r *body) Close() error { return r.src.Close() }
