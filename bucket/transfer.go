package bucket

import (
	"context"
	"errors"
	"io"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager" //nolint:staticcheck // what this project's user asked for; its successor is transfermanager, and only this file would change
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"golang.org/x/sync/errgroup"
)

// Fill reads exactly len(p) bytes at off of the version etag into p, or fails as
// Stream does. On an error p's content is undefined.
func (b *Bucket) Fill(ctx context.Context, key, etag string, off int64, p []byte) error {
	return b.Stream(ctx, key, etag, off, int64(len(p)), &sliceSink{p})
}

// Stream hands the n bytes at off of the version etag to to.ReadFrom, in order
// and as they arrive; it calls it again with what follows when a transfer broke.
// It fails with ErrChanged where the key has another version now, with ErrRange
// where the object ends before. A transfer that breaks goes on from where it
// stopped, until nothing has come for Options.Deadline.
func (b *Bucket) Stream(ctx context.Context, key, etag string, off, n int64, to io.ReaderFrom) error {
	return b.fill(ctx, key, etag, off, n, func(*window) destination { return to })
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
			to := io.NewOffsetWriter(w, at)
			return b.fill(inner, key, etag, at, part, func(win *window) destination { return &writerSink{to, win} })
		})
	}
	if err := group.Wait(); err != nil {
		return err
	}
	return fail(ctx, "GetObject", key, ctx.Err())
}

// destination takes the bytes of a transfer from the stream that they come in.
type destination = io.ReaderFrom

// fill hands the n bytes at off to what to returns for each window.
func (b *Bucket) fill(ctx context.Context, key, etag string, off, n int64, to func(*window) destination) error {
	const op = "GetObject"
	if etag == "" {
		// Without If-Match a fill that goes on could mix two versions.
		return failAs(ErrInvalid, op, key, "a fill needs the version's ETag")
	}
	var done int64
	last := time.Now()
	for try := 1; done < n; try++ {
		win := &window{base: done, left: n - done}
		win.to = to(win)
		opened, err := b.fillOnce(ctx, key, etag, off+done, win, try-1)
		if win.wrote > 0 {
			done += win.wrote
			last, try = time.Now(), 0
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
func (b *Bucket) fillOnce(ctx context.Context, key, etag string, off int64, win *window, fruitless int) (opened bool, err error) {
	get := &downloadClient{b: b, fruitless: fruitless, in: GetInput{Key: key, ETag: etag, Off: off, Len: win.left}}
	d := manager.NewDownloader(get, func(d *manager.Downloader) {
		d.PartBodyMaxRetries = 0
		d.BufferProvider = win // no copy in between
	})
	_, err = d.Download(ctx, noWriter{}, b.getRequest(get.in, true))
	return get.opened, err
}

// downloadClient gives the Downloader checked bodies: of the right version, of
// the right range even when the store ignored that, and never silently short.
type downloadClient struct {
	b      *Bucket
	in     GetInput
	opened bool

	fruitless int // GETs just before
}

func (c *downloadClient) GetObject(ctx context.Context, _ *s3.GetObjectInput, _ ...func(*s3.Options)) (*s3.GetObjectOutput, error) {
	_, body, err := c.b.get(ctx, c.in, true, c.fruitless)
	if err != nil {
		return nil, err
	}
	c.opened = true
	return &s3.GetObjectOutput{Body: body, ETag: quote(c.in.ETag)}, nil
}

// window is the part of a fill that one request brings. The Downloader takes it
// for the buffer of its writes, and hands it the body.
type window struct {
	to     destination
	base   int64 // bytes that came before
	left   int64
	wrote  int64
	failed error // of what the bytes are written to, not of their stream
}

var _ manager.WriterReadFrom = (*window)(nil)

func (w *window) GetReadFrom(io.Writer) (manager.WriterReadFrom, func()) { return w, func() {} }

// ReadFrom takes the body. That ends after what was asked for, at the latest.
func (w *window) ReadFrom(body io.Reader) (int64, error) {
	n, err := w.to.ReadFrom(io.LimitReader(body, w.left))
	w.wrote += n
	w.left -= n
	return n, err
}

func (w *window) Write([]byte) (int, error) { return 0, errors.ErrUnsupported }

// noWriter is what the Downloader wants to write to; the window goes before.
type noWriter struct{}

func (noWriter) WriteAt([]byte, int64) (int, error) { return 0, errors.ErrUnsupported }

// sliceSink fills what is left of p.
type sliceSink struct{ p []byte }

func (s *sliceSink) ReadFrom(r io.Reader) (int64, error) {
	n, err := io.ReadFull(r, s.p)
	s.p = s.p[n:]
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, ErrUnreachable) {
		err = nil // as of an io.ReaderFrom: what is missing shows by the count
	}
	return int64(n), err
}

// writerSink writes a window's bytes at their offsets.
type writerSink struct {
	w   io.WriterAt
	win *window
}

func (s *writerSink) ReadFrom(r io.Reader) (int64, error) {
	out := &offsetWriter{w: s.w, off: s.win.base}
	n, err := io.Copy(out, r)
	s.win.failed = out.failed
	return n, err
}

type offsetWriter struct {
	w      io.WriterAt
	off    int64
	failed error
}

func (o *offsetWriter) Write(p []byte) (int, error) {
	n, err := o.w.WriteAt(p, o.off)
	o.off += int64(n)
	o.failed = err
	return n, err
}

var _ manager.UploadAPIClient = (*uploadClient)(nil)

// upload stores in by a multipart upload of the Uploader. in.Body must be an
// io.SectionReader: its parts are then read in place and not buffered. The
// conditions of in reach CompleteMultipartUpload. A failed upload is aborted.
func (b *Bucket) upload(ctx context.Context, in *s3.PutObjectInput, size int64, opts ...func(*s3.Options)) (stored, error) {
	client := &uploadClient{b: b, sums: &partSums{kind: sumCRC}}
	u := manager.NewUploader(client, func(u *manager.Uploader) {
		u.PartSize = max(b.opts.Limits.partSize(size, b.opts.PartSize), manager.MinUploadPartSize)
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
			if b.abort(ctx, *in.Key, client.uploadID) {
				client.ended()
			}
		}
		return client.commit.outcome(), err
	}
	client.ended()
	return stored{
		etag:    unquote(out.ETag),
		version: aws.ToString(out.VersionID),
		at:      client.at,
		sent:    true,
	}, nil
}
