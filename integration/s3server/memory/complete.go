package memory

import (
	"context"
	"crypto/md5"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// CompleteMultipartUpload makes the object of the parts listed, if the
// conditions on the object it replaces hold. Whatever fails leaves the upload
// as it was. A second Complete answers NoSuchUpload.
func (b *Backend) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput) (s3response.CompleteMultipartUploadResult, string, error) {
	var out s3response.CompleteMultipartUploadResult
	b.mu.Lock()
	defer b.mu.Unlock()
	bk, up, err := b.uploadLocked(value(in.Bucket), objectKey(ctx, in.Key), value(in.UploadId))
	if err != nil {
		return out, "", err
	}
	parts, err := up.choose(in.MultipartUpload.Parts)
	if err != nil {
		return out, "", err
	}
	o, err := up.assemble(parts)
	if err != nil {
		return out, "", err
	}
	if err := checkComplete(ctx, in, o); err != nil {
		return out, "", err
	}
	cond := writeConditions{in.IfMatch, in.IfNoneMatch}
	if err := cond.check(bk.keys.get(up.key)); err != nil {
		return out, "", err
	}
	o.modified = b.now()
	bk.keys.put(up.key, o)
	delete(bk.uploads, up.id)
	out = s3response.CompleteMultipartUploadResult{Bucket: ptr(clone(in.Bucket)), Key: &up.key, ETag: &o.etag}
	showComplete(&out, o.sum)
	return out, "", nil
}

// choose returns the parts the client lists. S3's rules: ascending numbers,
// ETags (and checksums, if stated) as answered by UploadPart, and only the
// last part may be below 5 MiB.
func (up *upload) choose(listed []types.CompletedPart) ([]*part, error) {
	var parts []*part
	for i, l := range listed {
		if l.PartNumber == nil || l.ETag == nil {
			return nil, s3err.GetAPIError(s3err.ErrMalformedXML)
		}
		if i > 0 && *l.PartNumber <= *listed[i-1].PartNumber {
			return nil, s3err.GetAPIError(s3err.ErrInvalidPartOrder)
		}
	}
	for _, l := range listed {
		p, ok := up.parts[*l.PartNumber]
		if !ok || !backend.AreEtagsSame(*l.ETag, p.etag()) {
			return nil, s3err.GetInvalidPartErr(up.id, *l.PartNumber, *l.ETag)
		}
		if sum := claimed(l, p.sum.algo); sum != "" && sum != p.sum.value {
			return nil, s3err.GetInvalidPartErr(up.id, *l.PartNumber, *l.ETag)
		}
		parts = append(parts, p)
	}
	for _, p := range parts[:len(parts)-1] {
		if p.size < backend.MinPartSize {
			return nil, s3err.GetEntityTooSmallErr(p.size, backend.MinPartSize)
		}
	}
	return parts, nil
}

// assemble makes the object. Its ETag is the MD5 of the parts' MD5s and
// their number.
func (up *upload) assemble(parts []*part) (*object, error) {
	o := up.draft
	sums := md5.New()
	for _, p := range parts {
		sums.Write(p.md5)
		o.body = append(o.body, p.body...)
		o.size += p.size
	}
	o.etag = fmt.Sprintf(`"%x-%d"`, sums.Sum(nil), len(parts))
	var err error
	o.sum, err = combine(up.algo, up.kind, parts)
	return &o, err
}

// checkComplete compares the whole with what the client says it is.
func checkComplete(ctx context.Context, in *s3.CompleteMultipartUploadInput, o *object) error {
	if want := in.MpuObjectSize; want != nil && *want != o.size {
		return s3err.APIError{
			Code:           "InvalidRequest",
			Description:    "The provided 'x-amz-mp-object-size' header does not match what was computed.",
			HTTPStatusCode: 400,
		}
	}
	sent := sentChecksum(ctx)
	if sent.value != "" && sent.algo == o.sum.algo && sent.value != o.sum.value {
		return s3err.GetChecksumBadDigestErr(sent.algo)
	}
	return nil
}

func showComplete(out *s3response.CompleteMultipartUploadResult, sum checksum) {
	if sum.value == "" {
		return
	}
	out.ChecksumType = &sum.kind
	switch sum.algo {
	case types.ChecksumAlgorithmCrc32:
		out.ChecksumCRC32 = &sum.value
	case types.ChecksumAlgorithmCrc32c:
		out.ChecksumCRC32C = &sum.value
	case types.ChecksumAlgorithmCrc64nvme:
		out.ChecksumCRC64NVME = &sum.value
	case types.ChecksumAlgorithmSha1:
		out.ChecksumSHA1 = &sum.value
	case types.ChecksumAlgorithmSha256:
		out.ChecksumSHA256 = &sum.value
	}
}
