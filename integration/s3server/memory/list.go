package memory

import (
	"context"
	"encoding/base64"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// encoder writes keys for an answer: as they are, or URL-encoded if the
// request had encoding-type=url. Without it a control character cannot be
// written in XML 1.0 and arrives as U+FFFD.
type encoder struct{ typ types.EncodingType }

func newEncoder(ctx context.Context) (encoder, error) {
	typ := types.EncodingType(requestQuery(ctx, "encoding-type"))
	if typ != "" && typ != types.EncodingTypeUrl {
		return encoder{}, s3err.APIError{
			Code:           "InvalidArgument",
			Description:    "Invalid Encoding Method specified in Request",
			HTTPStatusCode: 400,
		}
	}
	return encoder{typ}, nil
}

// key encodes as S3 does: a space is `+`, slashes and asterisks stay.
func (e encoder) key(key string) string {
	if e.typ == "" {
		return key
	}
	return strings.NewReplacer("%2F", "/", "%2A", "*").Replace(url.QueryEscape(key))
}

func (e encoder) optional(key string) *string { return optional(e.key(key)) }

// page looks up a page of keys.
func (b *Backend) page(bucket string, q listQuery) (listPage, error) {
	b.mu.RLock()
	defer b.mu.RUnlock()
	bk, err := b.bucketLocked(bucket)
	if err != nil {
		return listPage{}, err
	}
	return bk.keys.list(q), nil
}

// ListObjectsV2 lists by start-after or continuation token, which names the
// last key or common prefix of the page before and beats start-after.
func (b *Backend) ListObjectsV2(ctx context.Context, in *s3.ListObjectsV2Input) (s3response.ListObjectsV2Result, error) {
	var out s3response.ListObjectsV2Result
	enc, err := newEncoder(ctx)
	if err != nil {
		return out, err
	}
	q := listQuery{prefix: value(in.Prefix), delimiter: value(in.Delimiter),
		after: value(in.StartAfter), max: int(value(in.MaxKeys))}
	if token := value(in.ContinuationToken); token != "" {
		if q.after, err = decodeToken(token); err != nil {
			return out, err
		}
	}
	page, err := b.page(value(in.Bucket), q)
	if err != nil {
		return out, err
	}
	out = s3response.ListObjectsV2Result{
		Name: in.Bucket, Prefix: ptr(enc.key(q.prefix)), Delimiter: enc.optional(q.delimiter),
		StartAfter: enc.optional(value(in.StartAfter)), ContinuationToken: optional(value(in.ContinuationToken)),
		MaxKeys: in.MaxKeys, KeyCount: ptr(int32(page.count())), IsTruncated: &page.truncated,
		Contents: b.contents(page, enc, value(in.FetchOwner)), CommonPrefixes: commonPrefixes(page, enc),
		EncodingType: enc.typ,
	}
	if page.truncated {
		out.NextContinuationToken = ptr(encodeToken(page.last))
	}
	return out, nil
}

// ListObjects lists by marker. S3 sends NextMarker only with a delimiter;
// without one the last key serves.
func (b *Backend) ListObjects(ctx context.Context, in *s3.ListObjectsInput) (s3response.ListObjectsResult, error) {
	var out s3response.ListObjectsResult
	enc, err := newEncoder(ctx)
	if err != nil {
		return out, err
	}
	q := listQuery{prefix: value(in.Prefix), delimiter: value(in.Delimiter),
		after: value(in.Marker), max: int(value(in.MaxKeys))}
	page, err := b.page(value(in.Bucket), q)
	if err != nil {
		return out, err
	}
	out = s3response.ListObjectsResult{
		Name: in.Bucket, Prefix: ptr(enc.key(q.prefix)), Marker: ptr(enc.key(q.after)),
		Delimiter: enc.optional(q.delimiter), MaxKeys: in.MaxKeys, IsTruncated: &page.truncated,
		Contents: b.contents(page, enc, true), CommonPrefixes: commonPrefixes(page, enc),
		EncodingType: enc.typ,
	}
	if page.truncated && q.delimiter != "" {
		out.NextMarker = enc.optional(page.last)
	}
	return out, nil
}

func (b *Backend) contents(page listPage, enc encoder, withOwner bool) []s3response.Object {
	out := make([]s3response.Object, 0, len(page.objects))
	for _, l := range page.objects {
		entry := s3response.Object{
			Key: ptr(enc.key(l.key)), ETag: &l.obj.etag, Size: &l.obj.size,
			LastModified: &l.obj.modified, StorageClass: types.ObjectStorageClass(l.obj.class),
		}
		if l.obj.sum.algo != "" {
			entry.ChecksumAlgorithm = []types.ChecksumAlgorithm{l.obj.sum.algo}
			entry.ChecksumType = l.obj.sum.kind
		}
		if withOwner {
			entry.Owner = &types.Owner{ID: &b.opts.Owner}
		}
		out = append(out, entry)
	}
	return out
}

func commonPrefixes(page listPage, enc encoder) []types.CommonPrefix {
	out := make([]types.CommonPrefix, 0, len(page.prefixes))
	for _, p := range page.prefixes {
		out = append(out, types.CommonPrefix{Prefix: ptr(enc.key(p))})
	}
	return out
}

func encodeToken(last string) string { return base64.URLEncoding.EncodeToString([]byte(last)) }

func decodeToken(token string) (string, error) {
	last, err := base64.URLEncoding.DecodeString(token)
	if err != nil {
		return "", s3err.APIError{
			Code:           "InvalidArgument",
			Description:    "The continuation token provided is incorrect",
			HTTPStatusCode: 400,
		}
	}
	return string(last), nil
}
