package server_test

import (
	"bytes"
	"context"
	"crypto/md5"
	"fmt"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/pailfs/pailfs/integration/s3server/server"
)

const minPart = 5 << 20

// multipart is an upload under test.
type multipart struct {
	rig
	key string
	id  *string
}

func (r rig) create(t *testing.T, key string, change ...func(*s3.CreateMultipartUploadInput)) multipart {
	t.Helper()
	in := &s3.CreateMultipartUploadInput{Bucket: aws.String(bkt), Key: &key}
	for _, f := range change {
		f(in)
	}
	out, err := r.CreateMultipartUpload(context.Background(), in)
	if err != nil {
		t.Fatal(err)
	}
	return multipart{r, key, out.UploadId}
}

func (m multipart) part(t *testing.T, n int32, data []byte, algo types.ChecksumAlgorithm) types.CompletedPart {
	t.Helper()
	out, err := m.UploadPart(context.Background(), &s3.UploadPartInput{Bucket: aws.String(bkt), Key: &m.key,
		UploadId: m.id, PartNumber: &n, Body: bytes.NewReader(data), ChecksumAlgorithm: algo})
	if err != nil {
		t.Fatalf("part %d: %v", n, err)
	}
	return types.CompletedPart{PartNumber: &n, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32, ChecksumSHA256: out.ChecksumSHA256}
}

func (m multipart) complete(change func(*s3.CompleteMultipartUploadInput), parts ...types.CompletedPart) error {
	in := &s3.CompleteMultipartUploadInput{Bucket: aws.String(bkt), Key: &m.key, UploadId: m.id,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}}
	if change != nil {
		change(in)
	}
	_, err := m.CompleteMultipartUpload(context.Background(), in)
	return err
}

func TestMultipart(t *testing.T) {
	both(t, func(t *testing.T, r rig) {
		for _, algo := range []types.ChecksumAlgorithm{"CRC32", "SHA256"} {
			m := r.create(t, "big", func(in *s3.CreateMultipartUploadInput) {
				in.ChecksumAlgorithm = algo
				in.ContentType = aws.String("text/x")
				in.Metadata = map[string]string{"a": "1"}
			})
			one, two := bytes.Repeat([]byte("1"), minPart), []byte("tail")
			p2, p1 := m.part(t, 2, two, algo), m.part(t, 1, one, algo)
			if err := m.complete(nil, p1, p2); err != nil {
				t.Fatal(err)
			}
			if got := r.get(t, "big"); !bytes.Equal(got, append(bytes.Clone(one), two...)) {
				t.Errorf("%d bytes differ", len(got))
			}
			s1, s2 := md5.Sum(one), md5.Sum(two)
			want := fmt.Sprintf(`"%x-2"`, md5.Sum(append(s1[:], s2[:]...)))
			if h := r.head(t, "big"); *h.ETag != want || h.Metadata["a"] != "1" || *h.ContentType != "text/x" {
				t.Errorf("etag %s, want %s; %v %v", *h.ETag, want, h.Metadata, *h.ContentType)
			}
		}
	})
}

func TestMultipartRefusals(t *testing.T) {
	r := start(t, server.Options{})
	etag := r.put(t, "big", []byte("old"))
	m := r.create(t, "big")
	p1 := m.part(t, 1, make([]byte, minPart), "CRC32") // a checksum without one agreed on
	p2, p3 := m.part(t, 2, []byte("short"), ""), m.part(t, 3, []byte("end"), "")
	wrong := p2
	wrong.ETag = p1.ETag
	wantCode(t, "short middle", m.complete(nil, p1, p2, p3), "EntityTooSmall")
	wantCode(t, "wrong etag", m.complete(nil, p1, wrong), "InvalidPart")
	wantCode(t, "wrong order", m.complete(nil, p2, p1), "InvalidPartOrder")
	wantCode(t, "no such part", m.complete(nil, p1, types.CompletedPart{PartNumber: aws.Int32(9), ETag: p1.ETag}), "InvalidPart")
	wantStatus(t, "must be new", m.complete(func(in *s3.CompleteMultipartUploadInput) { in.IfNoneMatch = aws.String("*") }, p1, p2), 412)
	wantStatus(t, "other target", m.complete(func(in *s3.CompleteMultipartUploadInput) { in.IfMatch = p1.ETag }, p1, p2), 412)
	wantStatus(t, "same target", m.complete(func(in *s3.CompleteMultipartUploadInput) { in.IfMatch = &etag }, p1, p2), 200)
	wantCode(t, "completed before", m.complete(nil, p1, p2), "NoSuchUpload")
}

func TestMultipartListsAndAbort(t *testing.T) {
	both(t, func(t *testing.T, r rig) {
		ctx := context.Background()
		m := r.create(t, "dir/big")
		for n := int32(1); n <= 3; n++ {
			m.part(t, n, []byte("x"), "")
		}
		parts, err := r.ListParts(ctx, &s3.ListPartsInput{Bucket: aws.String(bkt), Key: &m.key, UploadId: m.id, MaxParts: aws.Int32(2)})
		if err != nil || len(parts.Parts) != 2 || !*parts.IsTruncated {
			t.Errorf("parts %v, %v", parts, err)
		}
		parts, err = r.ListParts(ctx, &s3.ListPartsInput{Bucket: aws.String(bkt), Key: &m.key, UploadId: m.id, PartNumberMarker: aws.String("2")})
		if err != nil || len(parts.Parts) != 1 || *parts.Parts[0].PartNumber != 3 {
			t.Errorf("parts %v, %v", parts, err)
		}
		list, err := r.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: aws.String(bkt), Prefix: aws.String("dir/")})
		if err != nil || len(list.Uploads) != 1 || *list.Uploads[0].UploadId != *m.id {
			t.Errorf("uploads %v, %v", list, err)
		}
		abort := func() error {
			_, err := r.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: aws.String(bkt), Key: &m.key, UploadId: m.id})
			return err
		}
		wantStatus(t, "abort", abort(), 200)
		wantCode(t, "abort again", abort(), "NoSuchUpload")
	})
}

func TestUploadPartCopy(t *testing.T) {
	r := start(t, server.Options{})
	src := make([]byte, minPart+10)
	copy(src[minPart:], "0123456789")
	etag := r.put(t, "src", src, withAttributes)
	m := r.create(t, "dst")
	part := func(n int32, change func(*s3.UploadPartCopyInput)) (types.CompletedPart, error) {
		in := &s3.UploadPartCopyInput{Bucket: aws.String(bkt), Key: &m.key, UploadId: m.id, PartNumber: &n, CopySource: source("src")}
		change(in)
		out, err := r.UploadPartCopy(context.Background(), in)
		if err != nil {
			return types.CompletedPart{}, err
		}
		return types.CompletedPart{PartNumber: &n, ETag: out.CopyPartResult.ETag}, nil
	}
	p1, err := part(1, func(in *s3.UploadPartCopyInput) { in.CopySourceIfMatch = &etag })
	wantStatus(t, "whole", err, 200)
	p2, err := part(2, func(in *s3.UploadPartCopyInput) {
		in.CopySourceRange = aws.String(fmt.Sprintf("bytes=%d-%d", minPart+2, minPart+4))
	})
	wantStatus(t, "range", err, 200)
	_, err = part(3, func(in *s3.UploadPartCopyInput) { in.CopySourceIfMatch = aws.String(`"x"`) })
	wantStatus(t, "source differs", err, 412)
	_, err = part(3, func(in *s3.UploadPartCopyInput) { in.CopySourceRange = aws.String("bytes=0-99999999") })
	wantCode(t, "range past the end", err, "InvalidArgument")
	if err := m.complete(nil, p1, p2); err != nil {
		t.Fatal(err)
	}
	if got := r.get(t, "dst"); !bytes.Equal(got, append(src, "234"...)) {
		t.Errorf("%d bytes differ", len(got))
	}
	if h := r.head(t, "dst"); len(h.Metadata) != 0 || h.StorageClass != "" || h.TagCount != nil {
		t.Errorf("carried over: %v %v %v", h.Metadata, h.StorageClass, h.TagCount)
	}
	wantStatus(t, "copy of a multipart object", r.copy(s3.CopyObjectInput{}, "dst", "plain"), 200)
	if h := r.head(t, "plain"); *h.ETag != fmt.Sprintf(`"%x"`, md5.Sum(r.get(t, "dst"))) {
		t.Errorf("etag of the copy %s", *h.ETag)
	}
}
