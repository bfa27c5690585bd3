package bucket

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager" //nolint:staticcheck // what this project's user asked for; its successor is transfermanager, and only this file would change
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"
)

// Fill reads exactly len(p) bytes at off of the version etag into p, or fails:
// with ErrChanged where the key has another version now, with ErrRange where the
// object ends before. A transfer that breaks goes on from where it stopped, until
// nothing has come for Options.Deadline. On an error p's content is undefined.
func (b *Bucket) Fill(ctx context.Context, key, etag string, off int64, p []byte) error {
	return b.fill(ctx, key, etag, off, int64(len(p)), sliceAt(p))
}

// Download writes the bytes [off, off+n) of the version etag to w, each at its
// offset in the object, by ranged requests of Options.PartSize, of which
// Options.InFlight run at once. Its errors are those of Fill; parts may have been
// written when it fails.
func (b *Bucket) Download(ctx context.Context, key, etag string, off, n int64, w io.WriterAt) error {
	group, inner := errgroup.WithContext(ctx)
	group.SetLimit(b.opts.InFlight)
	for at := off; at < off+n && inner.Err() == nil; at += b.opts.PartSize {
		part := min(b.opts.PartSize, off+n-at)
		group.Go(func() error {
			return b.fill(inner, key, etag, at, part, io.NewOffsetWriter(w, at))
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return fail(ctx, "GetObject", key, ctx.Err())
}

// fill writes the n bytes at off to w, at 0.
func (b *Bucket) fill(ctx context.Context, key, etag string, off, n int64, w io.WriterAt) error {
	const op = "GetObject"
	if etag == "" {
		// Without If-Match a fill that goes on could mix two versions.
		return failAs(ErrInvalid, op, key, "a fill needs the version's ETag")
	}
	var done int64
	last := time.Now()
	for try := 1; done < n; try++ {
		win := &window{w: w, base: done, left: n - done}
		opened, err := b.fillOnce(ctx, key, etag, off+done, win)
		if win.wrote > 0 {
			done += win.wrote
			last, try = time.Now(), 1
		}
		if done == n {
			return nil
		}
		if err == nil {
			return failAs(ErrRange, op, key, "the object ends %d bytes early", n-done)
		}
		// A call that got no answer has used up its own time already.
		if !opened || win.failed != nil || !isTransient(err) || time.Since(last) > b.opts.Deadline {
			return fail(ctx, op, key, err)
		}
		if err := sleep(ctx, backoff(try, 0)); err != nil {
			return fail(ctx, op, key, err)
		}
	}
	return nil
}

// fillOnce is one ranged request of the Downloader. That retries a broken body
// from its start; PartBodyMaxRetries 0 leaves the going on to fill. opened says
// that there was a body.
func (b *Bucket) fillOnce(ctx context.Context, key, etag string, off int64, win *window) (opened bool, err error) {
	get := &downloadClient{b: b, in: GetInput{Key: key, ETag: etag, Off: off, Len: win.left}}
	d := manager.NewDownloader(get, func(d *manager.Downloader) { d.PartBodyMaxRetries = 0 })
	_, err = d.Download(ctx, win, b.getRequest(get.in, true))
	return get.opened, err
}

// downloadClient gives the Downloader checked bodies: of the right version, of
// the right range even when the store ignored that, and never silently short.
type downloadClient struct {
	b      *Bucket
	in     GetInput
	opened bool
}

func (c *downloadClient) GetObject(ctx context.Context, _ *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	_, body, err := c.b.get(ctx, c.in, true)
	if err != nil {
		return nil, err
	}
	c.opened = true
	return &s3.GetObjectOutput{Body: body, ETag: quote(c.in.ETag)}, nil
}

// window takes consecutive writes, and none beyond left.
type window struct {
	w      io.WriterAt
	base   int64
	left   int64
	wrote  int64
	failed error // of w
}

func (w *window) WriteAt(p []byte, off int64) (int, error) {
	if off != w.wrote || int64(len(p)) > w.left {
		return 0, fmt.Errorf("%w: %d bytes at %d of %d", io.ErrShortWrite, len(p), off, w.left)
	}
	n, err := w.w.WriteAt(p, w.base+off)
	w.wrote += int64(n)
	w.left -= int64(n)
	w.failed = err
	return n, err
}

// sliceAt is a WriterAt that never grows.
type sliceAt []byte

func (s sliceAt) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off > int64(len(s)) {
		return 0, io.ErrShortWrite
	}
	n := copy(s[off:], p)
	if n < len(p) {
		return n, io.ErrShortWrite
	}
	return n, nil
}

// upload stores in by a multipart upload of the Uploader. in.Body must be an
// io.SectionReader: its parts are then read in place and not buffered. The
// conditions of in reach CompleteMultipartUpload. A failed upload is aborted.
func (b *Bucket) upload(ctx context.Context, in *s3.PutObjectInput, size int64, opts ...func(*s3.Options)) (stored, error) {
	client := &uploadClient{b: b}
	u := manager.NewUploader(client, func(u *manager.Uploader) {
		u.PartSize = partSize(size, b.opts.PartSize)
		u.Concurrency = b.opts.InFlight
		u.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		// The Uploader would abort with a ctx that may have ended.
		u.LeavePartsOnError = true
		u.ClientOptions = opts
	})
	out, err := u.Upload(ctx, in)
	if err != nil {
		if client.uploadID != "" {
			// Also after a Complete without an answer: whichever comes first at
			// the store wins, and a look at the key then tells which.
			b.abort(ctx, *in.Key, client.uploadID)
		}
		return client.commit.outcome(), err
	}
	return stored{
		etag:    unquote(out.ETag),
		version: aws.ToString(out.VersionID),
		at:      client.at,
		sent:    true,
	}, nil
}

// uploadClient gives each call of the Uploader its own bounds, and keeps what
// the Uploader does not return. Only UploadPart runs concurrently.
type uploadClient struct {
	b        *Bucket
	uploadID string
	at       time.Time
	commit   *call // of the call that publishes
}

var _ manager.UploadAPIClient = (*uploadClient)(nil)

func (c *uploadClient) PutObject(ctx context.Context, in *s3.PutObjectInput, opts ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	call := c.b.transfer(ctx)
	c.commit = callFrom(call)
	out, err := c.b.s3().PutObject(call, in, opts...)
	if err != nil {
		return nil, fail(ctx, "PutObject", *in.Key, err)
	}
	c.at = serverTime(out.ResultMetadata)
	return out, nil
}

func (c *uploadClient) CreateMultipartUpload(ctx context.Context, in *s3.CreateMultipartUploadInput, opts ...func(*s3.Options)) (*s3.CreateMultipartUploadOutput, error) {
	short, cancel := c.b.short(ctx)
	defer cancel()
	out, err := c.b.s3().CreateMultipartUpload(short, in, opts...)
	if err != nil {
		return nil, fail(ctx, "CreateMultipartUpload", *in.Key, err)
	}
	c.uploadID = aws.ToString(out.UploadId)
	return out, nil
}

func (c *uploadClient) UploadPart(ctx context.Context, in *s3.UploadPartInput, opts ...func(*s3.Options)) (*s3.UploadPartOutput, error) {
	out, err := c.b.s3().UploadPart(c.b.transfer(ctx), in, opts...)
	return out, fail(ctx, "UploadPart", *in.Key, err)
}

func (c *uploadClient) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput, opts ...func(*s3.Options)) (*s3.CompleteMultipartUploadOutput, error) {
	call, cancel := c.b.slow(ctx)
	defer cancel()
	c.commit = callFrom(call)
	out, err := c.b.s3().CompleteMultipartUpload(call, in, opts...)
	if err != nil {
		return nil, fail(ctx, "CompleteMultipartUpload", *in.Key, err)
	}
	c.at = serverTime(out.ResultMetadata)
	return out, nil
}

// AbortMultipartUpload is required by the interface; LeavePartsOnError keeps the
// Uploader from calling it.
func (c *uploadClient) AbortMultipartUpload(ctx context.Context, in *s3.AbortMultipartUploadInput, opts ...func(*s3.Options)) (*s3.AbortMultipartUploadOutput, error) {
	short, cancel := c.b.short(ctx)
	defer cancel()
	out, err := c.b.s3().AbortMultipartUpload(short, in, opts...)
	return out, fail(ctx, "AbortMultipartUpload", *in.Key, err)
}
