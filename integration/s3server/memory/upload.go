package memory

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// upload is a multipart upload in progress, guarded by the backend's lock.
type upload struct {
	id, key   string
	initiated time.Time
	draft     object // all but body, size and ETag
	algo      types.ChecksumAlgorithm
	kind      types.ChecksumType
	parts     map[int32]*part
}

// part is immutable; an upload of the same number replaces it.
type part struct {
	number   int32
	body     body
	size     int64
	md5      []byte
	modified time.Time
	sum      checksum
}

func (p *part) etag() string { return quoteETag(p.md5) }

// CreateMultipartUpload begins an upload. All of the object's headers,
// metadata, tags and its class are given here, none with the parts.
func (b *Backend) CreateMultipartUpload(ctx context.Context, in s3response.CreateMultipartUploadInput) (s3response.InitiateMultipartUploadResult, error) {
	var out s3response.InitiateMultipartUploadResult
	key := objectKey(ctx, in.Key)
	if err := checkKey(key); err != nil {
		return out, err
	}
	draft, err := newObject(ctx, s3response.PutObjectInput{
		ContentType: in.ContentType, ContentEncoding: in.ContentEncoding, ContentDisposition: in.ContentDisposition,
		ContentLanguage: in.ContentLanguage, CacheControl: in.CacheControl, Expires: in.Expires,
		WebsiteRedirectLocation: in.WebsiteRedirectLocation, Metadata: in.Metadata, Tagging: in.Tagging,
	})
	if err != nil {
		return out, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	bk, err := b.writableLocked(value(in.Bucket))
	if err != nil {
		return out, err
	}
	b.mu.uploads++
	up := &upload{
		id: fmt.Sprintf("upload-%016d", b.mu.uploads), key: key, initiated: b.now(), draft: *draft,
		algo:  types.ChecksumAlgorithm(strings.Clone(string(in.ChecksumAlgorithm))),
		kind:  types.ChecksumType(strings.Clone(string(in.ChecksumType))),
		parts: make(map[int32]*part),
	}
	bk.uploads[up.id] = up
	return s3response.InitiateMultipartUploadResult{Bucket: clone(in.Bucket), Key: key, UploadId: up.id}, nil
}

// uploadLocked returns the upload of that ID if it is for that key.
func (b *Backend) uploadLocked(bucket, key, id string) (*bucket, *upload, error) {
	bk, err := b.writableLocked(bucket)
	if err != nil {
		return nil, nil, err
	}
	up, ok := bk.uploads[id]
	if !ok || up.key != key {
		return nil, nil, s3err.GetNoSuchUploadErr(strings.Clone(id))
	}
	return bk, up, nil
}

// partAlgorithm returns the checksum an upload wants of its parts.
func (b *Backend) partAlgorithm(bucket, key, id string) (types.ChecksumAlgorithm, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	_, up, err := b.uploadLocked(bucket, key, id)
	if err != nil {
		return "", err
	}
	return up.algo, nil
}

// addPart stores a part, unless the upload has ended meanwhile.
func (b *Backend) addPart(bucket, key, id string, p *part) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, up, err := b.uploadLocked(bucket, key, id)
	if err != nil {
		return err
	}
	if err := checkPartAlgorithm(up.algo, p.sum.algo); err != nil {
		return err
	}
	p.modified = b.now()
	up.parts[p.number] = p
	return nil
}

// UploadPart stores a part. An upload created without checksum algorithm
// takes parts with any checksum or none; one created with an algorithm gets it
// computed where a part comes without.
func (b *Backend) UploadPart(ctx context.Context, in *s3.UploadPartInput) (*s3.UploadPartOutput, error) {
	bucket, key, id := value(in.Bucket), objectKey(ctx, in.Key), value(in.UploadId)
	algo, err := b.partAlgorithm(bucket, key, id)
	if err != nil {
		return nil, err
	}
	data, md5sum, sum, err := readChecked(ctx, in.Body, value(in.ContentLength), algo)
	if err != nil {
		return nil, err
	}
	p := &part{number: value(in.PartNumber), body: data, size: data.size(), md5: md5sum, sum: sum}
	if err := b.addPart(bucket, key, id, p); err != nil {
		return nil, err
	}
	checksum{algo: sum.algo, value: sum.value}.announce(ctx)
	return &s3.UploadPartOutput{ETag: ptr(p.etag())}, nil
}

// UploadPartCopy makes a part of a range of an object. Nothing but bytes is
// taken over: the object's metadata was fixed by CreateMultipartUpload.
func (b *Backend) UploadPartCopy(ctx context.Context, in *s3.UploadPartCopyInput) (s3response.CopyPartResult, error) {
	var out s3response.CopyPartResult
	bucket, key, id := value(in.Bucket), objectKey(ctx, in.Key), value(in.UploadId)
	algo, err := b.partAlgorithm(bucket, key, id)
	if err != nil {
		return out, err
	}
	srcBucket, srcKey, err := copySource(ctx, in.CopySource)
	if err != nil {
		return out, err
	}
	src, err := b.source(srcBucket, srcKey, readConditions{
		in.CopySourceIfMatch, in.CopySourceIfNoneMatch, in.CopySourceIfModifiedSince, in.CopySourceIfUnmodifiedSince})
	if err != nil {
		return out, err
	}
	off, n, err := backend.ParseCopySourceRange(src.size, value(in.CopySourceRange))
	if err != nil {
		return out, err
	}
	if n > maxCopy {
		return out, s3err.GetEntityTooLargeErr(n, maxCopy)
	}
	p := &part{number: value(in.PartNumber), body: src.body.slice(off, n), size: n}
	p.md5 = p.body.md5()
	if algo != "" {
		if p.sum, err = hashBody(p.body, algo); err != nil {
			return out, err
		}
	}
	if err := b.addPart(bucket, key, id, p); err != nil {
		return out, err
	}
	return s3response.CopyPartResult{ETag: ptr(p.etag()), LastModified: p.modified}, nil
}

// AbortMultipartUpload forgets an upload and its parts.
func (b *Backend) AbortMultipartUpload(ctx context.Context, in *s3.AbortMultipartUploadInput) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	bk, up, err := b.uploadLocked(value(in.Bucket), objectKey(ctx, in.Key), value(in.UploadId))
	if err != nil {
		return err
	}
	if t := in.IfMatchInitiatedTime; t != nil && !t.Equal(up.initiated) {
		return s3err.GetPreconditionFailedErr(s3err.ConditionIfMatchInitiatedTime)
	}
	delete(bk.uploads, up.id)
	return nil
}

// ListParts lists the parts by number after the marker.
func (b *Backend) ListParts(ctx context.Context, in *s3.ListPartsInput) (s3response.ListPartsResult, error) {
	enc, err := newEncoder(ctx)
	if err != nil {
		return s3response.ListPartsResult{}, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	_, up, err := b.uploadLocked(value(in.Bucket), objectKey(ctx, in.Key), value(in.UploadId))
	if err != nil {
		return s3response.ListPartsResult{}, err
	}
	marker, _ := strconv.Atoi(value(in.PartNumberMarker)) // the front end has checked it
	out := s3response.ListPartsResult{
		Bucket: clone(in.Bucket), Key: enc.key(up.key), UploadID: up.id, StorageClass: up.draft.class,
		Initiator: s3response.Initiator{ID: b.opts.Owner}, Owner: s3response.Owner{ID: b.opts.Owner},
		ChecksumAlgorithm: up.algo, ChecksumType: up.kind,
		PartNumberMarker: marker, MaxParts: int(value(in.MaxParts)),
	}
	for _, number := range slices.Sorted(maps.Keys(up.parts)) {
		if int(number) <= marker {
			continue
		}
		if len(out.Parts) == out.MaxParts {
			out.IsTruncated = true
			break
		}
		out.Parts = append(out.Parts, showPart(up.parts[number]))
		out.NextPartNumberMarker = int(number)
	}
	return out, nil
}

func showPart(p *part) s3response.Part {
	shown := s3response.Part{PartNumber: int(p.number), LastModified: p.modified, ETag: p.etag(), Size: p.size}
	sum := optional(p.sum.value)
	switch p.sum.algo {
	case types.ChecksumAlgorithmCrc32:
		shown.ChecksumCRC32 = sum
	case types.ChecksumAlgorithmCrc32c:
		shown.ChecksumCRC32C = sum
	case types.ChecksumAlgorithmCrc64nvme:
		shown.ChecksumCRC64NVME = sum
	case types.ChecksumAlgorithmSha1:
		shown.ChecksumSHA1 = sum
	case types.ChecksumAlgorithmSha256:
		shown.ChecksumSHA256 = sum
	}
	return shown
}
