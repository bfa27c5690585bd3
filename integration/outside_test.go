package integration

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// outside is the other S3 client: what it sees is the truth.
type outside struct {
	client *s3.Client
	bucket string
}

func newOutside(endpoint, bucket, key, secret string) *outside {
	return &outside{bucket: bucket, client: s3.New(s3.Options{
		BaseEndpoint: aws.String(endpoint), UsePathStyle: true, Region: testRegion,
		Credentials:                credentials.NewStaticCredentialsProvider(key, secret, ""),
		RequestChecksumCalculation: aws.RequestChecksumCalculationWhenRequired,
		ResponseChecksumValidation: aws.ResponseChecksumValidationWhenRequired,
	})}
}

const outsideTimeout = 2 * time.Minute

func within() (context.Context, context.CancelFunc) {
	return context.WithTimeout(context.Background(), outsideTimeout)
}

// putReader stores size bytes of body, unsigned so that they are read once.
func (o *outside) putReader(key string, body io.Reader, size int64) error {
	ctx, cancel := within()
	defer cancel()
	_, err := o.client.PutObject(ctx, &s3.PutObjectInput{Bucket: &o.bucket, Key: &key, Body: body, ContentLength: &size},
		s3.WithAPIOptions(v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware))
	return err
}

func (o *outside) put(t *testing.T, key, content string) {
	t.Helper()
	if err := o.putReader(key, strings.NewReader(content), int64(len(content))); err != nil {
		t.Fatalf("outside put %q: %v", key, err)
	}
}

func (o *outside) putFile(t *testing.T, key, file string) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	if err := o.putReader(key, f, st.Size()); err != nil {
		t.Fatalf("outside put %q: %v", key, err)
	}
}

// putMany stores each key with the content that content gives, 8 at a time.
func (o *outside) putMany(t *testing.T, keys []string, content func(i int) string) {
	t.Helper()
	if err := o.putAll(keys, content); err != nil {
		t.Fatal(err)
	}
}

func (o *outside) putAll(keys []string, content func(i int) string) error {
	next := make(chan int)
	errs := make([]error, 8)
	var wg sync.WaitGroup
	for w := range errs {
		wg.Go(func() {
			for i := range next {
				c := content(i)
				if err := o.putReader(keys[i], strings.NewReader(c), int64(len(c))); err != nil {
					errs[w] = fmt.Errorf("outside put %q: %w", keys[i], err)
				}
			}
		})
	}
	for i := range keys {
		next <- i
	}
	close(next)
	wg.Wait()
	return errors.Join(errs...)
}

func empty(int) string { return "" }

// open gives the body; the caller closes it.
func (o *outside) open(ctx context.Context, key string) (*s3.GetObjectOutput, error) {
	return o.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &o.bucket, Key: &key})
}

func (o *outside) get(t *testing.T, key string) string {
	t.Helper()
	ctx, cancel := within()
	defer cancel()
	out, err := o.open(ctx, key)
	if err != nil {
		t.Fatalf("outside get %q: %v", key, err)
	}
	defer out.Body.Close()
	var b bytes.Buffer
	if _, err := io.Copy(&b, out.Body); err != nil {
		t.Fatalf("outside get %q: %v", key, err)
	}
	return b.String()
}

// hash is the SHA-256 of an object and its size.
func (o *outside) hash(t *testing.T, key string) (string, int64) {
	t.Helper()
	ctx, cancel := within()
	defer cancel()
	out, err := o.open(ctx, key)
	if err != nil {
		t.Fatalf("outside get %q: %v", key, err)
	}
	defer out.Body.Close()
	return hashOf(t, out.Body)
}

func hashOf(t *testing.T, r io.Reader) (string, int64) {
	t.Helper()
	h := sha256.New()
	n, err := io.Copy(h, r)
	if err != nil {
		t.Fatal(err)
	}
	return hex.EncodeToString(h.Sum(nil)), n
}

// head is nil where the key does not exist.
func (o *outside) head(t *testing.T, key string) *s3.HeadObjectOutput {
	t.Helper()
	ctx, cancel := within()
	defer cancel()
	out, err := o.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &o.bucket, Key: &key})
	var missing *types.NotFound
	if errors.As(err, &missing) {
		return nil
	}
	if err != nil {
		t.Fatalf("outside head %q: %v", key, err)
	}
	return out
}

func (o *outside) exists(t *testing.T, key string) bool { t.Helper(); return o.head(t, key) != nil }

func (o *outside) rm(t *testing.T, key string) {
	t.Helper()
	ctx, cancel := within()
	defer cancel()
	if _, err := o.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &o.bucket, Key: &key}); err != nil {
		t.Fatalf("outside rm %q: %v", key, err)
	}
}

func (o *outside) ls(t *testing.T, prefix string) []string {
	t.Helper()
	keys, err := o.list(prefix)
	if err != nil {
		t.Fatalf("outside ls %q: %v", prefix, err)
	}
	return keys
}

func (o *outside) list(prefix string) ([]string, error) {
	ctx, cancel := within()
	defer cancel()
	var keys []string
	pages := s3.NewListObjectsV2Paginator(o.client, &s3.ListObjectsV2Input{Bucket: &o.bucket, Prefix: &prefix})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, object := range page.Contents {
			keys = append(keys, aws.ToString(object.Key))
		}
	}
	return keys, nil
}

// mpus are the keys of the open multipart uploads.
func (o *outside) mpus(t *testing.T) []string {
	t.Helper()
	keys, err := o.openUploads()
	if err != nil {
		t.Fatalf("outside list uploads: %v", err)
	}
	return keys
}

func (o *outside) openUploads() ([]string, error) {
	ctx, cancel := within()
	defer cancel()
	out, err := o.client.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &o.bucket})
	if err != nil {
		return nil, err
	}
	var keys []string
	for _, u := range out.Uploads {
		keys = append(keys, aws.ToString(u.Key))
	}
	return keys, nil
}

// wantKeys compares the bucket's keys below prefix with want, in any order.
func (o *outside) wantKeys(t *testing.T, prefix string, want ...string) {
	t.Helper()
	got := o.ls(t, prefix)
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("keys below %q: %q, want %q", prefix, got, want)
	}
}
