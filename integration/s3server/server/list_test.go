package server_test

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/pailfs/pailfs/integration/s3server/server"
)

func TestListV2(t *testing.T) {
	r := start(t, server.Options{})
	for _, key := range []string{"a", "a/1", "a/2", "b/", "b/x/1", "c"} {
		r.put(t, key, nil)
	}
	tests := []struct {
		name      string
		in        s3.ListObjectsV2Input
		keys      []string
		prefixes  []string
		truncated bool
	}{
		{"flat", s3.ListObjectsV2Input{}, []string{"a", "a/1", "a/2", "b/", "b/x/1", "c"}, nil, false},
		{"root", s3.ListObjectsV2Input{Delimiter: aws.String("/")}, []string{"a", "c"}, []string{"a/", "b/"}, false},
		{"marker object", s3.ListObjectsV2Input{Delimiter: aws.String("/"), Prefix: aws.String("b/")}, []string{"b/"}, []string{"b/x/"}, false},
		{"prefix ends a page", s3.ListObjectsV2Input{Delimiter: aws.String("/"), MaxKeys: aws.Int32(2)}, []string{"a"}, []string{"a/"}, true},
		{"exact page", s3.ListObjectsV2Input{Delimiter: aws.String("/"), MaxKeys: aws.Int32(4)}, []string{"a", "c"}, []string{"a/", "b/"}, false},
		{"nothing asked", s3.ListObjectsV2Input{MaxKeys: aws.Int32(0)}, nil, nil, false},
		{"start after", s3.ListObjectsV2Input{StartAfter: aws.String("a/1")}, []string{"a/2", "b/", "b/x/1", "c"}, nil, false},
		{"no such prefix", s3.ListObjectsV2Input{Prefix: aws.String("d")}, nil, nil, false},
		{"long delimiter", s3.ListObjectsV2Input{Delimiter: aws.String("/x/")}, []string{"a", "a/1", "a/2", "b/", "c"}, []string{"b/x/"}, false},
	}
	for _, tt := range tests {
		tt.in.Bucket = aws.String(bkt)
		out, err := r.ListObjectsV2(context.Background(), &tt.in)
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		var keys, prefixes []string
		for _, o := range out.Contents {
			keys = append(keys, *o.Key)
		}
		for _, p := range out.CommonPrefixes {
			prefixes = append(prefixes, *p.Prefix)
		}
		if !slices.Equal(keys, tt.keys) || !slices.Equal(prefixes, tt.prefixes) || *out.IsTruncated != tt.truncated ||
			int(*out.KeyCount) != len(keys)+len(prefixes) {
			t.Errorf("%s: keys %q, prefixes %q, truncated %v, count %d", tt.name, keys, prefixes, *out.IsTruncated, *out.KeyCount)
		}
	}
	_, err := r.ListObjectsV2(context.Background(), &s3.ListObjectsV2Input{Bucket: aws.String(bkt), ContinuationToken: aws.String("!")})
	wantCode(t, "bad token", err, "InvalidArgument")
	_, err = r.ListObjectsV2(context.Background(), &s3.ListObjectsV2Input{Bucket: aws.String("no-such-bucket")})
	wantCode(t, "no bucket", err, "NoSuchBucket")
}

func TestListPages(t *testing.T) {
	both(t, func(t *testing.T, r rig) {
		var want []string
		for i := range 25 {
			key := fmt.Sprintf("k%02d", i)
			r.put(t, key, nil)
			want = append(want, key)
		}
		ctx := context.Background()
		var got []string
		v2 := s3.NewListObjectsV2Paginator(r, &s3.ListObjectsV2Input{Bucket: aws.String(bkt), MaxKeys: aws.Int32(5)})
		for v2.HasMorePages() {
			page, err := v2.NextPage(ctx)
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range page.Contents {
				got = append(got, *o.Key)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("V2: %q", got)
		}
		got = nil
		for marker := ""; ; marker = got[len(got)-1] {
			page, err := r.ListObjects(ctx, &s3.ListObjectsInput{Bucket: aws.String(bkt), Marker: &marker, MaxKeys: aws.Int32(10)})
			if err != nil {
				t.Fatal(err)
			}
			for _, o := range page.Contents {
				got = append(got, *o.Key)
			}
			if !*page.IsTruncated {
				break
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("V1: %q", got)
		}
	})
}

func TestListV1Prefixes(t *testing.T) {
	r := start(t, server.Options{})
	for _, key := range []string{"a/1", "a/2", "b", "c/1"} {
		r.put(t, key, nil)
	}
	var got []string
	for marker := ""; ; {
		page, err := r.ListObjects(context.Background(), &s3.ListObjectsInput{
			Bucket: aws.String(bkt), Marker: &marker, Delimiter: aws.String("/"), MaxKeys: aws.Int32(1)})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range page.Contents {
			got = append(got, *o.Key)
		}
		for _, p := range page.CommonPrefixes {
			got = append(got, *p.Prefix)
		}
		if !*page.IsTruncated {
			break
		}
		marker = *page.NextMarker
	}
	if want := []string{"a/", "b", "c/"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestBuckets(t *testing.T) {
	both(t, func(t *testing.T, r rig) {
		ctx := context.Background()
		if _, err := r.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: aws.String("second")}); err != nil {
			t.Fatal(err)
		}
		list, err := r.ListBuckets(ctx, &s3.ListBucketsInput{})
		if err != nil || len(list.Buckets) != 2 || *list.Buckets[0].Name != "second" {
			t.Errorf("buckets %v, %v", list, err)
		}
		head, err := r.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String("second")})
		if err != nil || aws.ToString(head.BucketRegion) != "us-east-1" {
			t.Errorf("head: %v, %v", head, err)
		}
		if loc, err := r.GetBucketLocation(ctx, &s3.GetBucketLocationInput{Bucket: aws.String("second")}); err != nil || loc.LocationConstraint != "" {
			t.Errorf("location: %v, %v", loc, err)
		}
		_, err = r.HeadBucket(ctx, &s3.HeadBucketInput{Bucket: aws.String("third")})
		wantStatus(t, "missing bucket", err, 404)
		_, err = r.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: aws.String("second")})
		wantStatus(t, "delete", err, 200)
		if r.srv.Backend == server.Memory {
			v, err := r.GetBucketVersioning(ctx, &s3.GetBucketVersioningInput{Bucket: aws.String(bkt)})
			if err != nil || v.Status != "" {
				t.Errorf("versioning: %v, %v", v, err)
			}
		}
	})
}
