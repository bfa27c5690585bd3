package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func (s *store) copy(ctx context.Context, from, to string) error {
	src := s.source(from)
	_, err := s.client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: &s.bucket, Key: &to, CopySource: &src})
	return wrap("copy", from, err)
}

func (s *store) source(key string) string {
	return s.bucket + "/" + (&url.URL{Path: key}).EscapedPath()
}

// copyAll copies all objects below one prefix to another.
func (s *store) copyAll(ctx context.Context, from, to string) error {
	all, err := s.list(ctx, from)
	if err != nil {
		return err
	}
	return parallel(streams, len(all), func(i int) error {
		return s.copy(ctx, all[i].key, to+strings.TrimPrefix(all[i].key, from))
	})
}

// removeAll removes what is below prefix, a thousand a request.
func (s *store) removeAll(ctx context.Context, prefix string) error {
	all, err := s.listAll(ctx, prefix)
	if err != nil {
		return err
	}
	for len(all) > 0 {
		n := min(len(all), 1000)
		ids := make([]types.ObjectIdentifier, n)
		for i, e := range all[:n] {
			ids[i].Key = aws.String(e.key)
		}
		all = all[n:]
		in := &s3.DeleteObjectsInput{Bucket: &s.bucket, Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(true)}}
		if _, err := s.client.DeleteObjects(ctx, in); err != nil {
			return wrap("delete", prefix, err)
		}
	}
	return nil
}

// abortUploads ends the multipart uploads that a program left unfinished;
// their parts would fill the server's memory.
func (s *store) abortUploads(ctx context.Context) error {
	pages := s3.NewListMultipartUploadsPaginator(s.client, &s3.ListMultipartUploadsInput{Bucket: &s.bucket})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return wrap("list uploads of", s.bucket, err)
		}
		for _, u := range page.Uploads {
			in := &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: u.Key, UploadId: u.UploadId}
			if _, err := s.client.AbortMultipartUpload(ctx, in); err != nil {
				return wrap("abort upload of", aws.ToString(u.Key), err)
			}
		}
	}
	return nil
}

// upload stores a pattern in parallel parts. The parts are made as they are
// sent, and nothing is held in memory.
func (s *store) upload(ctx context.Context, key string, size int64, seed uint64) error {
	var pieces []piece
	for off := int64(0); off < size; off += partSize {
		n := min(partSize, size-off)
		pieces = append(pieces, piece{body: io.NewSectionReader(&pattern{size: size, seed: seed}, off, n)})
	}
	return s.assemble(ctx, key, pieces)
}

// piece is a part of a new object: new data, or a range of the object that is
// there.
type piece struct {
	off, n int64
	body   io.ReadSeeker
}

func bytesPiece(b []byte) piece { return piece{body: bytes.NewReader(b)} }

// patch makes a new version of key out of pieces. Old ranges are copied
// within the server.
func (s *store) patch(ctx context.Context, key string, pieces []piece) error {
	return s.assemble(ctx, key, splitCopies(pieces))
}

// assemble makes an object of pieces, each a part of a multipart upload.
func (s *store) assemble(ctx context.Context, key string, pieces []piece) error {
	up, err := s.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &s.bucket, Key: &key})
	if err != nil {
		return wrap("create upload of", key, err)
	}
	done := make([]types.CompletedPart, len(pieces))
	err = parallel(streams, len(pieces), func(i int) error {
		num := int32(i + 1)
		etag, err := s.part(ctx, key, up.UploadId, num, pieces[i])
		done[i] = types.CompletedPart{PartNumber: &num, ETag: etag}
		return err
	})
	if err != nil {
		return err // what is left of it goes with abortUploads
	}
	_, err = s.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &s.bucket, Key: &key,
		UploadId: up.UploadId, MultipartUpload: &types.CompletedMultipartUpload{Parts: done}})
	return wrap("complete upload of", key, err)
}

func (s *store) part(ctx context.Context, key string, id *string, num int32, p piece) (*string, error) {
	if p.body != nil {
		out, err := s.client.UploadPart(ctx, &s3.UploadPartInput{Bucket: &s.bucket, Key: &key, UploadId: id,
			PartNumber: &num, Body: p.body}, unsigned)
		if err != nil {
			return nil, wrap("upload part of", key, err)
		}
		return out.ETag, nil
	}
	out, err := s.client.UploadPartCopy(ctx, &s3.UploadPartCopyInput{Bucket: &s.bucket, Key: &key, UploadId: id,
		PartNumber: &num, CopySource: aws.String(s.source(key)), CopySourceRange: aws.String(byteRange(p.off, p.n))})
	if err != nil {
		return nil, wrap("copy part of", key, err)
	}
	if out.CopyPartResult == nil {
		return nil, fmt.Errorf("copy part of %s: the answer has no ETag", key)
	}
	return out.CopyPartResult.ETag, nil
}

// splitCopies cuts long copies, so that they run in parallel.
func splitCopies(pieces []piece) []piece {
	const most = 64 * mib
	var out []piece
	for _, p := range pieces {
		for p.body == nil && p.n > 2*most {
			out = append(out, piece{off: p.off, n: most})
			p.off, p.n = p.off+most, p.n-most
		}
		out = append(out, p)
	}
	return out
}
