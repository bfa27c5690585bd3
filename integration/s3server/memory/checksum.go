package memory

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"
)

// checksum is the additional checksum of an object or part; at most one.
type checksum struct {
	algo  types.ChecksumAlgorithm
	kind  types.ChecksumType
	value string // base64, with "-N" for a composite of N parts
}

func hashType(algo types.ChecksumAlgorithm) utils.HashType {
	return utils.HashType(strings.ToLower(string(algo)))
}

// announce puts the checksum into the response's headers.
func (c checksum) announce(ctx context.Context) {
	if c.value == "" {
		return
	}
	answerHeader(ctx, "x-amz-checksum-"+strings.ToLower(string(c.algo)), c.value)
	answerHeader(ctx, "x-amz-checksum-type", string(c.kind))
}

// sentChecksum returns the checksum in the request's headers, if any. The
// front end has made sure that there is only one and that it is well formed.
func sentChecksum(ctx context.Context) checksum {
	for _, algo := range types.ChecksumAlgorithm("").Values() {
		sent := requestHeader(ctx, "X-Amz-Checksum-"+string(algo))
		if sent != "" {
			return checksum{algo: algo, kind: types.ChecksumTypeFullObject, value: sent}
		}
	}
	return checksum{}
}

// trailing is implemented by the front end's reader for aws-chunked bodies
// with a trailing checksum, which it verifies itself at the end.
type trailing interface {
	Algorithm() string
	Checksum() string
}

// readChecked reads a request body and verifies the checksum that came with
// it, if any. With wanted set, a body without checksum gets that one.
func readChecked(ctx context.Context, r io.Reader, announced int64, wanted types.ChecksumAlgorithm) (body, []byte, checksum, error) {
	if t, ok := r.(trailing); ok && t.Algorithm() != "" {
		b, md5sum, err := readBody(r, announced)
		if err != nil {
			return nil, nil, checksum{}, err
		}
		algo := types.ChecksumAlgorithm(strings.ToUpper(t.Algorithm()))
		return b, md5sum, checksum{algo, types.ChecksumTypeFullObject, strings.Clone(t.Checksum())}, nil
	}
	sum := sentChecksum(ctx)
	if sum.algo == "" {
		sum = checksum{algo: wanted, kind: types.ChecksumTypeFullObject}
	}
	if sum.algo == "" {
		b, md5sum, err := readBody(r, announced)
		return b, md5sum, checksum{}, err
	}
	hr, err := utils.NewHashReader(r, sum.value, hashType(sum.algo))
	if err != nil {
		return nil, nil, checksum{}, fmt.Errorf("checksum %s: %w", sum.algo, err)
	}
	b, md5sum, err := readBody(hr, announced)
	if err != nil {
		return nil, nil, checksum{}, err
	}
	sum.value = hr.Sum()
	return b, md5sum, sum, nil
}

// hashBody computes a checksum over a body at rest.
func hashBody(b body, algo types.ChecksumAlgorithm) (checksum, error) {
	hr, err := utils.NewHashReader(b.reader(), "", hashType(algo))
	if err != nil {
		return checksum{}, fmt.Errorf("checksum %s: %w", algo, err)
	}
	if _, err := io.Copy(io.Discard, hr); err != nil {
		return checksum{}, fmt.Errorf("checksum %s: %w", algo, err)
	}
	return checksum{algo, types.ChecksumTypeFullObject, hr.Sum()}, nil
}

// combine computes the checksum of a multipart object from its parts': the
// hash of hashes for COMPOSITE, the arithmetic combination of CRCs for
// FULL_OBJECT.
func combine(algo types.ChecksumAlgorithm, kind types.ChecksumType, parts []*part) (checksum, error) {
	if algo == "" {
		return checksum{}, nil
	}
	if kind == types.ChecksumTypeFullObject {
		return combineCRC(algo, parts)
	}
	all, err := utils.NewCompositeChecksumReader(hashType(algo))
	if err != nil {
		return checksum{}, fmt.Errorf("composite %s: %w", algo, err)
	}
	for _, p := range parts {
		if err := all.Process(p.sum.value); err != nil {
			return checksum{}, fmt.Errorf("composite %s, part %d: %w", algo, p.number, err)
		}
	}
	return checksum{algo, kind, fmt.Sprintf("%s-%d", all.Sum(), len(parts))}, nil
}

func combineCRC(algo types.ChecksumAlgorithm, parts []*part) (checksum, error) {
	sum := checksum{algo: algo, kind: types.ChecksumTypeFullObject}
	for i, p := range parts {
		if i == 0 {
			sum.value = p.sum.value
			continue
		}
		next, err := utils.AddCRCChecksum(algo, sum.value, p.sum.value, p.size)
		if err != nil {
			return checksum{}, fmt.Errorf("combine %s, part %d: %w", algo, p.number, err)
		}
		sum.value = next
	}
	return sum, nil
}

// claimed returns the checksum CompleteMultipartUpload states for a part.
func claimed(p types.CompletedPart, algo types.ChecksumAlgorithm) string {
	switch algo {
	case types.ChecksumAlgorithmCrc32:
		return value(p.ChecksumCRC32)
	case types.ChecksumAlgorithmCrc32c:
		return value(p.ChecksumCRC32C)
	case types.ChecksumAlgorithmCrc64nvme:
		return value(p.ChecksumCRC64NVME)
	case types.ChecksumAlgorithmSha1:
		return value(p.ChecksumSHA1)
	case types.ChecksumAlgorithmSha256:
		return value(p.ChecksumSHA256)
	default:
		return ""
	}
}

// checkPartAlgorithm refuses a part whose checksum is of another algorithm
// than the upload was created with. An upload created without one takes any.
func checkPartAlgorithm(created, sent types.ChecksumAlgorithm) error {
	if created == "" || sent == "" || created == sent {
		return nil
	}
	return s3err.APIError{
		Code: "InvalidRequest",
		Description: fmt.Sprintf("Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s",
			strings.ToLower(string(created)), strings.ToLower(string(sent))),
		HTTPStatusCode: 400,
	}
}
