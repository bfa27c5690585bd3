package bucket

import (
	"context"
	"errors"
	"io"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Put stores in.Body, which must not change meanwhile, under in.Key: by one PUT
// up to Options.PutLimit, else by a multipart upload that is aborted if it fails.
// With in.Parts it is an upload of these, some of which the store copies: a
// version of in.From that is gone is ErrChanged, and ErrNotSupported says that
// the store does not copy parts.
// Bodies are read in place, and again for each attempt, never buffered.
//
// A condition that does not hold is ErrChanged. A conditional write carries a
// commit id in its metadata (CommitKey), by which it is recognised when the
// answer was lost. More than 5 TiB is ErrTooLarge. An error of in.Body is wrapped
// as it is; a body that is shorter than in.Size is io.ErrUnexpectedEOF.
func (b *Bucket) Put(ctx context.Context, in PutInput) (Object, error) {
	switch {
	case in.Size < 0:
		return Object{}, failAs(ErrInvalid, "PutObject", in.Key, "size %d", in.Size)
	case in.Size > b.opts.Limits.MaxObject:
		return Object{}, b.opts.Limits.tooLarge("PutObject", in.Key, in.Size)
	}
	in = b.described(in)
	parts := in.Size > b.opts.PutLimit || len(in.Parts) > 0
	// Completing an upload twice is an error on some stores even without a
	// condition, so it needs the id too.
	if in.CommitID == "" && (in.If.isSet() || parts) {
		in.CommitID = newCommitID()
	}
	in.Metadata = withCommit(in.Metadata, in.CommitID)
	var mine func(Object) bool
	if in.CommitID != "" {
		mine = in.isOf
	}
	src := &source{r: in.Body}
	in.Body = src
	return b.commit(ctx, in.Key, func() (Object, stored, error) {
		s, err := b.putOnce(ctx, in, parts)
		if err = src.failed(in.Key, err); err != nil {
			return Object{}, s, changedIf(in.If, in.Key, err)
		}
		return in.object(s), s, nil
	}, mine)
}

// described is in with the headers and the class that are to be stored.
func (b *Bucket) described(in PutInput) PutInput {
	if in.Headers.ContentType == "" {
		in.Headers.ContentType = ContentType(in.Key)
	}
	if in.StorageClass == "" {
		in.StorageClass = b.opts.StorageClass
	} else {
		in.StorageClass = string(keptClass(in.StorageClass)) // of the version replaced: new content is not archived
	}
	return in
}

// isOf tells whether o is what in has stored.
func (in PutInput) isOf(o Object) bool {
	return o.Metadata[CommitKey] == in.CommitID && o.Size == in.Size
}

func (b *Bucket) putOnce(ctx context.Context, in PutInput, parts bool) (stored, error) {
	if len(in.Parts) > 0 {
		return b.assemble(ctx, in)
	}
	req := b.putRequest(in)
	expires := withExpires(in.Headers.Expires)
	if parts {
		s, err := b.upload(ctx, req, in.Size, expires)
		return s, fail(ctx, "upload", in.Key, err)
	}
	call := b.transfer(ctx)
	out, err := b.putObject(call, req, expires)
	if err != nil {
		return callFrom(call).outcome(), fail(ctx, "PutObject", in.Key, err)
	}
	return stored{
		etag:    unquote(out.ETag),
		version: deref(out.VersionId),
		at:      serverTime(out.ResultMetadata),
		sent:    true,
	}, nil
}

func (b *Bucket) putRequest(in PutInput) *s3.PutObjectInput {
	ifMatch, ifNoneMatch := in.If.headers()
	algorithm, key, sum := b.ssec()
	return &s3.PutObjectInput{
		Bucket:               &b.opts.Bucket,
		Key:                  &in.Key,
		Body:                 io.NewSectionReader(in.Body, 0, in.Size),
		IfMatch:              ifMatch,
		IfNoneMatch:          ifNoneMatch,
		ContentType:          opt(in.Headers.ContentType),
		ContentEncoding:      opt(in.Headers.ContentEncoding),
		ContentDisposition:   opt(in.Headers.ContentDisposition),
		ContentLanguage:      opt(in.Headers.ContentLanguage),
		CacheControl:         opt(in.Headers.CacheControl),
		Metadata:             in.Metadata,
		Tagging:              opt(in.Tagging),
		StorageClass:         types.StorageClass(in.StorageClass),
		ACL:                  types.ObjectCannedACL(b.opts.ACL),
		ServerSideEncryption: types.ServerSideEncryption(b.opts.SSE),
		SSEKMSKeyId:          opt(b.opts.SSEKMSKeyID),
		SSECustomerAlgorithm: algorithm,
		SSECustomerKey:       key,
		SSECustomerKeyMD5:    sum,
		RequestPayer:         b.payer(),
		ExpectedBucketOwner:  b.owner(),
	}
}

// object is what a HEAD of the new version would say.
func (in PutInput) object(s stored) Object {
	return Object{
		Key:          in.Key,
		Size:         in.Size,
		ETag:         s.etag,
		LastModified: s.at,
		StorageClass: classOf(in.StorageClass),
		VersionID:    s.version,
		Full:         true,
		Headers:      in.Headers,
		Metadata:     in.Metadata,
		TagCount:     countTags(in.Tagging),
	}
}

// countTags counts the tags of a URL-encoded set.
func countTags(set string) int {
	if set == "" {
		return 0
	}
	return strings.Count(set, "&") + 1
}

// changedIf is err as ErrChanged where "no such key" means that the version
// which If-Match names is gone.
func changedIf(c Condition, key string, err error) error {
	if c.ETag != "" && errors.Is(err, ErrNotExist) && !mustResend(err) {
		return &callError{op: "If-Match", key: key, class: ErrChanged, cause: errors.New(err.Error())}
	}
	return err
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}
