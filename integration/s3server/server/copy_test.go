package server_test

import (
	"context"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/pailfs/pailfs/integration/s3server/server"
)

func (r rig) copy(in s3.CopyObjectInput, from, to string) error {
	in.Bucket, in.Key, in.CopySource = aws.String(bkt), &to, source(from)
	_, err := r.CopyObject(context.Background(), &in)
	return err
}

func withAttributes(in *s3.PutObjectInput) {
	in.ContentType = aws.String("text/plain")
	in.Metadata = map[string]string{"a": "1"}
	in.Tagging = aws.String("t=1")
	in.StorageClass = types.StorageClassStandardIa
}

func TestCopyConditions(t *testing.T) {
	r := start(t, server.Options{})
	etag := r.put(t, "from", []byte("v1"))
	present := r.put(t, "to", []byte("v2"))
	other := aws.String(`"x"`)
	tests := []struct {
		name, to string
		in       s3.CopyObjectInput
		status   int
	}{
		{"source matches", "new1", s3.CopyObjectInput{CopySourceIfMatch: &etag}, 200},
		{"source differs", "new2", s3.CopyObjectInput{CopySourceIfMatch: other}, 412},
		{"source unchanged", "new2", s3.CopyObjectInput{CopySourceIfNoneMatch: &etag}, 412},
		{"target must be new", "to", s3.CopyObjectInput{IfNoneMatch: aws.String("*")}, 412},
		{"target is new", "new3", s3.CopyObjectInput{IfNoneMatch: aws.String("*")}, 200},
		{"target differs", "to", s3.CopyObjectInput{IfMatch: other}, 412},
		{"target missing", "new4", s3.CopyObjectInput{IfMatch: &etag}, 404},
		{"target matches", "to", s3.CopyObjectInput{IfMatch: &present}, 200},
		{"no source", "new5", s3.CopyObjectInput{}, 404},
	}
	for _, tt := range tests {
		from := "from"
		if tt.name == "no source" {
			from = "nothing"
		}
		wantStatus(t, tt.name, r.copy(tt.in, from, tt.to), tt.status)
	}
	if got := r.get(t, "to"); string(got) != "v1" {
		t.Errorf("target: %q", got)
	}
}

func TestCopyAttributes(t *testing.T) {
	r := start(t, server.Options{})
	r.put(t, "from", []byte("v"), withAttributes)
	if err := r.copy(s3.CopyObjectInput{}, "from", "kept"); err != nil {
		t.Fatal(err)
	}
	h := r.head(t, "kept")
	if h.Metadata["a"] != "1" || aws.ToString(h.ContentType) != "text/plain" || aws.ToInt32(h.TagCount) != 1 || h.StorageClass != "" {
		t.Errorf("kept: %v %v %v %v", h.Metadata, *h.ContentType, h.TagCount, h.StorageClass)
	}
	if err := r.copy(s3.CopyObjectInput{MetadataDirective: "REPLACE", TaggingDirective: "REPLACE", Tagging: aws.String("x=1&y=2"),
		Metadata: map[string]string{"b": "2"}, StorageClass: "GLACIER_IR"}, "from", "replaced"); err != nil {
		t.Fatal(err)
	}
	h = r.head(t, "replaced")
	if len(h.Metadata) != 1 || h.Metadata["b"] != "2" || aws.ToInt32(h.TagCount) != 2 || h.StorageClass != "GLACIER_IR" {
		t.Errorf("replaced: %v %v %v", h.Metadata, h.TagCount, h.StorageClass)
	}
}

func TestCopyOntoItself(t *testing.T) {
	r := start(t, server.Options{})
	r.put(t, "k", []byte("v"), withAttributes)
	wantCode(t, "nothing changed", r.copy(s3.CopyObjectInput{}, "k", "k"), "InvalidRequest")
	wantStatus(t, "class", r.copy(s3.CopyObjectInput{StorageClass: "ONEZONE_IA"}, "k", "k"), 200)
	if h := r.head(t, "k"); h.StorageClass != "ONEZONE_IA" || h.Metadata["a"] != "1" {
		t.Errorf("class change: %v %v", h.StorageClass, h.Metadata)
	}
	wantStatus(t, "metadata", r.copy(s3.CopyObjectInput{MetadataDirective: "REPLACE", Metadata: map[string]string{"n": "1"}}, "k", "k"), 200)
	if h := r.head(t, "k"); h.Metadata["n"] != "1" || string(r.get(t, "k")) != "v" {
		t.Errorf("metadata change: %v", h.Metadata)
	}
}

func TestStorageClass(t *testing.T) {
	r := start(t, server.Options{})
	ctx := context.Background()
	r.put(t, "cold", []byte("v"), func(in *s3.PutObjectInput) { in.StorageClass = "GLACIER" })
	_, err := r.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String(bkt), Key: aws.String("cold")})
	wantCode(t, "archived", err, "InvalidObjectState")
	if h := r.head(t, "cold"); h.StorageClass != "GLACIER" {
		t.Errorf("class %q", h.StorageClass)
	}
	list, err := r.ListObjectsV2(ctx, &s3.ListObjectsV2Input{Bucket: aws.String(bkt)})
	if err != nil || list.Contents[0].StorageClass != "GLACIER" {
		t.Errorf("listed %v, %v", list, err)
	}
	_, err = r.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bkt), Key: aws.String("x"), StorageClass: "LUKEWARM"})
	wantCode(t, "no such class", err, "InvalidStorageClass")
}

func TestTagging(t *testing.T) {
	both(t, func(t *testing.T, r rig) {
		ctx := context.Background()
		r.put(t, "k", []byte("v"), func(in *s3.PutObjectInput) { in.Tagging = aws.String("a=1") })
		before := r.head(t, "k")
		get := func() []types.Tag {
			out, err := r.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: aws.String(bkt), Key: aws.String("k")})
			if err != nil {
				t.Fatal(err)
			}
			return out.TagSet
		}
		if tags := get(); len(tags) != 1 || *tags[0].Key != "a" {
			t.Errorf("tags %v", tags)
		}
		_, err := r.PutObjectTagging(ctx, &s3.PutObjectTaggingInput{Bucket: aws.String(bkt), Key: aws.String("k"),
			Tagging: &types.Tagging{TagSet: []types.Tag{{Key: aws.String("b"), Value: aws.String("2")}}}})
		wantStatus(t, "put tags", err, 200)
		if tags := get(); len(tags) != 1 || *tags[0].Value != "2" {
			t.Errorf("tags %v", tags)
		}
		_, err = r.DeleteObjectTagging(ctx, &s3.DeleteObjectTaggingInput{Bucket: aws.String(bkt), Key: aws.String("k")})
		wantStatus(t, "delete tags", err, 200)
		if after := r.head(t, "k"); *after.ETag != *before.ETag || len(get()) != 0 {
			t.Error("tagging changed the object")
		}
	})
}
