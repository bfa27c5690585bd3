package server_test

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/pailfs/pailfs/integration/s3server/server"
)

// both runs a test on a server of each kind.
func both(t *testing.T, test func(t *testing.T, r rig)) {
	for _, kind := range []string{server.Memory, server.Posix} {
		t.Run(kind, func(t *testing.T) { test(t, start(t, server.Options{Backend: kind})) })
	}
}

func TestObjectRoundTrip(t *testing.T) {
	both(t, func(t *testing.T, r rig) {
		expires := time.Date(2031, 5, 6, 7, 8, 9, 0, time.UTC)
		data := []byte("hello, world")
		etag := r.put(t, "dir/one", data, func(in *s3.PutObjectInput) {
			in.ContentType = aws.String("text/plain")
			in.ContentEncoding = aws.String("gzip")
			in.ContentDisposition = aws.String("inline")
			in.ContentLanguage = aws.String("de")
			in.CacheControl = aws.String("no-cache")
			in.Expires = &expires
			in.Metadata = map[string]string{"mtime": "123.5", "odd": "a b%c"}
			in.Tagging = aws.String("k=v&x=y")
		})
		if got := r.get(t, "dir/one"); !bytes.Equal(got, data) {
			t.Errorf("body %q", got)
		}
		h := r.head(t, "dir/one")
		for what, pair := range map[string][2]string{
			"etag":        {aws.ToString(h.ETag), etag},
			"type":        {aws.ToString(h.ContentType), "text/plain"},
			"encoding":    {aws.ToString(h.ContentEncoding), "gzip"},
			"disposition": {aws.ToString(h.ContentDisposition), "inline"},
			"language":    {aws.ToString(h.ContentLanguage), "de"},
			"cache":       {aws.ToString(h.CacheControl), "no-cache"},
			"expires":     {aws.ToString(h.ExpiresString), "Tue, 06 May 2031 07:08:09 GMT"},
			"meta":        {h.Metadata["mtime"] + h.Metadata["odd"], "123.5a b%c"},
		} {
			if pair[0] != pair[1] {
				t.Errorf("%s: %q, want %q", what, pair[0], pair[1])
			}
		}
		if aws.ToInt64(h.ContentLength) != int64(len(data)) || aws.ToInt32(h.TagCount) != 2 {
			t.Errorf("length %v, tags %v", h.ContentLength, h.TagCount)
		}
	})
}

func TestReadConditionsAndRanges(t *testing.T) {
	both(t, func(t *testing.T, r rig) {
		etag := r.put(t, "k", []byte("0123456789"))
		past, modified := time.Now().Add(-time.Hour), *r.head(t, "k").LastModified
		tests := []struct {
			name   string
			in     s3.GetObjectInput
			status int
			body   string
		}{
			{"range", s3.GetObjectInput{Range: aws.String("bytes=2-4")}, 200, "234"},
			{"open range", s3.GetObjectInput{Range: aws.String("bytes=7-")}, 200, "789"},
			{"suffix", s3.GetObjectInput{Range: aws.String("bytes=-2")}, 200, "89"},
			{"past the end", s3.GetObjectInput{Range: aws.String("bytes=10-20")}, 416, ""},
			{"clipped", s3.GetObjectInput{Range: aws.String("bytes=8-100")}, 200, "89"},
			{"if-match", s3.GetObjectInput{IfMatch: &etag}, 200, "0123456789"},
			{"if-match fails", s3.GetObjectInput{IfMatch: aws.String(`"x"`)}, 412, ""},
			{"if-none-match", s3.GetObjectInput{IfNoneMatch: &etag}, 304, ""},
			{"if-none-match other", s3.GetObjectInput{IfNoneMatch: aws.String(`"x"`)}, 200, "0123456789"},
			{"modified since", s3.GetObjectInput{IfModifiedSince: &past}, 200, "0123456789"},
			{"not modified since", s3.GetObjectInput{IfModifiedSince: &modified}, 304, ""},
			{"unmodified since", s3.GetObjectInput{IfUnmodifiedSince: &past}, 412, ""},
		}
		for _, tt := range tests {
			if r.srv.Backend == server.Posix && tt.name == "not modified since" {
				continue // posix compares with a fraction of a second no header can show
			}
			tt.in.Bucket, tt.in.Key = aws.String(bkt), aws.String("k")
			out, err := r.GetObject(context.Background(), &tt.in)
			wantStatus(t, tt.name, err, tt.status)
			if err != nil {
				continue
			}
			got, err := io.ReadAll(out.Body)
			if err != nil || string(got) != tt.body {
				t.Errorf("%s: %q, %v", tt.name, got, err)
			}
			out.Body.Close()
		}
		_, err := r.HeadObject(context.Background(), &s3.HeadObjectInput{Bucket: aws.String(bkt), Key: aws.String("none")})
		wantStatus(t, "head of nothing", err, 404)
	})
}

func TestWriteConditions(t *testing.T) {
	both(t, func(t *testing.T, r rig) {
		etag := r.put(t, "k", []byte("v"))
		tests := []struct {
			name, key            string
			ifMatch, ifNoneMatch *string
			status               int
		}{
			{"create over", "k", nil, aws.String("*"), 412},
			{"create new", "new", nil, aws.String("*"), 200},
			{"replace same", "k", &etag, nil, 200},
			{"replace other", "k", aws.String(`"0123"`), nil, 412},
			{"replace missing", "missing", &etag, nil, 404},
		}
		for _, tt := range tests {
			_, err := r.PutObject(context.Background(), &s3.PutObjectInput{Bucket: aws.String(bkt), Key: &tt.key,
				Body: strings.NewReader("v"), IfMatch: tt.ifMatch, IfNoneMatch: tt.ifNoneMatch})
			wantStatus(t, tt.name, err, tt.status)
		}
	})
}

func TestChecksums(t *testing.T) {
	both(t, func(t *testing.T, r rig) {
		for _, algo := range []types.ChecksumAlgorithm{"CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"} {
			r.put(t, "sum", []byte("checked"), func(in *s3.PutObjectInput) { in.ChecksumAlgorithm = algo })
			if got := r.get(t, "sum"); string(got) != "checked" { // the client verifies
				t.Errorf("%s: %q", algo, got)
			}
		}
		_, err := r.PutObject(context.Background(), &s3.PutObjectInput{Bucket: aws.String(bkt), Key: aws.String("bad"),
			Body: strings.NewReader("checked"), ChecksumCRC32: aws.String("AAAAAA==")})
		wantCode(t, "wrong checksum", err, "BadDigest")
		_, err = r.HeadObject(context.Background(), &s3.HeadObjectInput{Bucket: aws.String(bkt), Key: aws.String("bad")})
		wantStatus(t, "refused object", err, 404)
	})
}

func TestDelete(t *testing.T) {
	r := start(t, server.Options{})
	ctx := context.Background()
	etag := r.put(t, "a", nil)
	del := func(key string, ifMatch *string) error {
		_, err := r.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(bkt), Key: &key, IfMatch: ifMatch})
		return err
	}
	wantStatus(t, "missing", del("none", nil), 200)
	wantStatus(t, "other version", del("a", aws.String(`"x"`)), 412)
	_, err := r.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: aws.String(bkt)})
	wantCode(t, "bucket in use", err, "BucketNotEmpty")
	wantStatus(t, "this version", del("a", &etag), 200)

	etag = r.put(t, "b", nil)
	r.put(t, "c", nil)
	out, err := r.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: aws.String(bkt), Delete: &types.Delete{
		Objects: []types.ObjectIdentifier{
			{Key: aws.String("b"), ETag: &etag}, {Key: aws.String("c"), ETag: aws.String(`"x"`)}, {Key: aws.String("none")},
		}}})
	if err != nil {
		t.Fatal(err)
	}
	if len(out.Deleted) != 2 || len(out.Errors) != 1 || aws.ToString(out.Errors[0].Code) != "PreconditionFailed" {
		t.Errorf("deleted %v, errors %v", out.Deleted, out.Errors)
	}
	out, err = r.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: aws.String(bkt), Delete: &types.Delete{
		Quiet: aws.Bool(true), Objects: []types.ObjectIdentifier{{Key: aws.String("c")}}}})
	if err != nil || len(out.Deleted) != 0 {
		t.Errorf("quiet: %v, %v", out, err)
	}
	_, err = r.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: aws.String(bkt)})
	wantStatus(t, "empty bucket", err, 200)
	wantCode(t, "gone bucket", del("a", nil), "NoSuchBucket")
}
