package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	streams  = 16      // of the direct client
	partSize = 8 * mib // of its transfers
	bufSize  = mib     // of one read
)

// account is how to reach the bucket.
type account struct {
	Endpoint string `json:"endpoint"`
	Bucket   string `json:"bucket"`
	Region   string `json:"region"`
	Access   string `json:"access"`
	Secret   string `json:"secret"`
}

// store is a direct S3 client.
type store struct {
	client *s3.Client
	bucket string
}

func newStore(a account) *store {
	transport := &http.Transport{
		MaxIdleConnsPerHost: 128, MaxConnsPerHost: 128, DisableCompression: true,
		ReadBufferSize: 256 << 10, WriteBufferSize: 256 << 10,
	}
	return &store{bucket: a.Bucket, client: s3.New(s3.Options{
		BaseEndpoint: aws.String(a.Endpoint), Region: a.Region, UsePathStyle: true,
		Credentials:                credentials.NewStaticCredentialsProvider(a.Access, a.Secret, ""),
		HTTPClient:                 &http.Client{Transport: transport},
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})}
}

// unsigned leaves the payload out of the signature. Over plain HTTP the SDK
// would hash it first, and the limit would be that of SHA-256.
func unsigned(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
}

// put stores body in one request.
func (s *store) put(ctx context.Context, key string, body io.ReadSeeker) error {
	_, err := s.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &s.bucket, Key: &key, Body: body}, unsigned)
	return wrap("put", key, err)
}

func (s *store) putBytes(ctx context.Context, key string, data []byte) error {
	return s.put(ctx, key, bytes.NewReader(data))
}

// get reads n bytes from off on; n == 0 reads all.
func (s *store) get(ctx context.Context, key string, off, n int64) (io.ReadCloser, error) {
	in := &s3.GetObjectInput{Bucket: &s.bucket, Key: &key}
	if n > 0 {
		in.Range = aws.String(byteRange(off, n))
	}
	out, err := s.client.GetObject(ctx, in)
	if err != nil {
		return nil, wrap("get", key, err)
	}
	return out.Body, nil
}

func byteRange(off, n int64) string { return fmt.Sprintf("bytes=%d-%d", off, off+n-1) }

// read fills b from off on.
func (s *store) read(ctx context.Context, key string, off int64, b []byte) error {
	body, err := s.get(ctx, key, off, int64(len(b)))
	if err != nil {
		return err
	}
	defer body.Close()
	_, err = io.ReadFull(body, b)
	return wrap("read", key, err)
}

// checker is stamped or exact.
type checker func(b []byte, off int64, seed uint64) error

// span is a range of an object with the content of object seed.
type span struct {
	key    string
	off, n int64
	seed   uint64
}

// readSpan reads a span by parallel ranges and checks its content.
func (s *store) readSpan(ctx context.Context, p span, workers int, check checker) error {
	parts := int((p.n + partSize - 1) / partSize)
	free := make(chan []byte, workers)
	for range workers {
		free <- make([]byte, bufSize)
	}
	return parallel(workers, parts, func(i int) error {
		b := <-free
		defer func() { free <- b }()
		off := int64(i) * partSize
		return s.readPart(ctx, span{p.key, p.off + off, min(partSize, p.n-off), p.seed}, b, check)
	})
}

func (s *store) readPart(ctx context.Context, p span, b []byte, check checker) error {
	body, err := s.get(ctx, p.key, p.off, p.n)
	if err != nil {
		return err
	}
	defer body.Close()
	for got := int64(0); got < p.n; {
		m, err := io.ReadFull(body, b[:min(int64(len(b)), p.n-got)])
		if err != nil {
			return wrap("read", p.key, err)
		}
		if err := check(b[:m], p.off+got, p.seed); err != nil {
			return wrap("read", p.key, err)
		}
		got += int64(m)
	}
	return nil
}

// sameBytes tells whether the object has want at off.
func (s *store) sameBytes(ctx context.Context, key string, off int64, want []byte) error {
	got := make([]byte, len(want))
	if err := s.read(ctx, key, off, got); err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("%w in %s at offset %d", errBadData, key, off)
	}
	return nil
}

// sizeIs tells what is wrong with the object's size.
func (s *store) sizeIs(ctx context.Context, key string, want int64) error {
	out, err := s.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &key})
	if err != nil {
		return wrap("head", key, err)
	}
	if got := aws.ToInt64(out.ContentLength); got != want {
		return fmt.Errorf("%s has %d bytes, want %d", key, got, want)
	}
	return nil
}

// entry is one object of a listing.
type entry struct {
	key  string
	size int64
}

// list returns the objects below prefix without directory markers.
func (s *store) list(ctx context.Context, prefix string) ([]entry, error) {
	all, err := s.listAll(ctx, prefix)
	files := all[:0]
	for _, e := range all {
		if !strings.HasSuffix(e.key, "/") {
			files = append(files, e)
		}
	}
	return files, err
}

func (s *store) listAll(ctx context.Context, prefix string) ([]entry, error) {
	var out []entry
	pages := s3.NewListObjectsV2Paginator(s.client, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return out, wrap("list", prefix, err)
		}
		for _, o := range page.Contents {
			out = append(out, entry{aws.ToString(o.Key), aws.ToInt64(o.Size)})
		}
	}
	return out, nil
}

// countIs tells whether there are n objects below prefix.
func (s *store) countIs(ctx context.Context, prefix string, n int) error {
	got, err := s.list(ctx, prefix)
	if err == nil && len(got) != n {
		err = fmt.Errorf("%d objects below %s, want %d", len(got), prefix, n)
	}
	return err
}

func wrap(what, key string, err error) error {
	if err == nil {
		return nil
	}
	if errors.Is(err, io.ErrUnexpectedEOF) {
		err = fmt.Errorf("too short: %w", err)
	}
	return fmt.Errorf("%s %s: %w", what, key, err)
}
