package server_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/pailfs/pailfs/integration/s3server/server"
)

// quick is far above what a page takes and far below a scan of all keys.
const quick = 2 * time.Second

func TestSyntheticListing(t *testing.T) {
	r := start(t, server.Options{Synthetic: 10_000_000})
	slash := aws.String("/")
	tests := []struct {
		name  string
		in    s3.ListObjectsV2Input
		count int32
		first string
	}{
		{"start", s3.ListObjectsV2Input{}, 1000, "d0000/f0000000"},
		{"middle", s3.ListObjectsV2Input{StartAfter: aws.String("d4500/f4500499")}, 1000, "d4500/f4500500"},
		{"end", s3.ListObjectsV2Input{StartAfter: aws.String("flat/f0999899")}, 100, "flat/f0999900"},
		{"root", s3.ListObjectsV2Input{Delimiter: slash}, 1000, "d0000/"},
		{"root, last page", s3.ListObjectsV2Input{Delimiter: slash, StartAfter: aws.String("d8990/")}, 10, "d8991/"},
		{"a directory", s3.ListObjectsV2Input{Delimiter: slash, Prefix: aws.String("d8999/")}, 1000, "d8999/f8999000"},
		{"flat", s3.ListObjectsV2Input{Delimiter: slash, Prefix: aws.String("flat/")}, 1000, "flat/f0000000"},
	}
	for _, tt := range tests {
		tt.in.Bucket = aws.String(server.SyntheticBucket)
		begun := time.Now()
		out, err := r.ListObjectsV2(context.Background(), &tt.in)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		if took := time.Since(begun); took > quick {
			t.Errorf("%s: took %v", tt.name, took)
		}
		first := ""
		if len(out.Contents) > 0 {
			first = *out.Contents[0].Key
		} else if len(out.CommonPrefixes) > 0 {
			first = *out.CommonPrefixes[0].Prefix
		}
		if *out.KeyCount != tt.count || first != tt.first {
			t.Errorf("%s: %d from %q, want %d from %q", tt.name, *out.KeyCount, first, tt.count, tt.first)
		}
	}
}

func TestSyntheticObjects(t *testing.T) {
	for _, writable := range []bool{false, true} {
		r := start(t, server.Options{Synthetic: 5000, SyntheticWritable: writable})
		ctx, name, key := context.Background(), aws.String(server.SyntheticBucket), aws.String("d0003/f0003141")
		list, err := r.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: name, Prefix: key})
		if err != nil || len(list.Contents) != 1 {
			t.Fatal(list, err)
		}
		out, err := r.GetObject(ctx, &s3.GetObjectInput{Bucket: name, Key: key})
		if err != nil {
			t.Fatal(err)
		}
		data, err := io.ReadAll(out.Body)
		out.Body.Close()
		o := list.Contents[0]
		if err != nil || int64(len(data)) != *o.Size || *out.ETag != *o.ETag || !out.LastModified.Equal(*o.LastModified) {
			t.Errorf("listed %v, got %d bytes, %v", o, len(data), err)
		}
		status := 403
		if writable {
			status = 200
		}
		_, err = r.PutObject(ctx, &s3.PutObjectInput{Bucket: name, Key: key})
		wantStatus(t, "put", err, status)
		_, err = r.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: name, Key: key})
		wantStatus(t, "delete", err, status)
		_, err = r.HeadObject(ctx, &s3.HeadObjectInput{Bucket: name, Key: key})
		if gone := err != nil; gone != writable {
			t.Errorf("writable %v: head says %v", writable, err)
		}
		r.http.CloseIdleConnections()
		if err := r.srv.Close(); err != nil { // before the next one
			t.Fatal(err)
		}
	}
}
