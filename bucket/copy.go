package bucket

import (
	"context"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Copy copies the version in.From within the bucket, on the store's side: by one
// CopyObject, or by parts above Options.CopyPartLimit. Headers, metadata, tags
// and storage class go along; with in.Replace the given headers and metadata
// take their place. A source or target that is not the expected version is
// ErrChanged. The Object is Full where the metadata of the copy is known.
//
// No tagging directive is sent: S3's default is to copy the tags, and some stores
// refuse the header.
func (b *Bucket) Copy(ctx context.Context, in CopyInput) (Object, error) {
	if in.From.Size > b.opts.Limits.MaxObject {
		return Object{}, b.opts.Limits.tooLarge("CopyObject", in.To, in.From.Size)
	}
	if in.Replace && in.Headers.ContentType == "" {
		in.Headers.ContentType = ContentType(in.To)
	}
	if in.From.Size > b.opts.CopyPartLimit {
		return b.copyByParts(ctx, in)
	}
	id := ""
	if in.Replace {
		if in.If.isSet() {
			id = newCommitID()
		}
		in.Metadata = withCommit(in.Metadata, id)
	}
	o, err := b.commit(ctx, in.To, func() (Object, stored, error) {
		return b.copyOnce(ctx, in)
	}, b.recogniser(ctx, in, id))
	if err != nil {
		return Object{}, changedIf(in.If, in.To, err)
	}
	return o, nil
}

// recogniser tells whether an object is the result of this copy. Without an id
// of its own a copy is known by its source's ETag or, as a copy of a multipart or
// KMS object does not keep that, by the commit id that came along from the source.
// Where that has none either, the copy is not recognised.
func (b *Bucket) recogniser(ctx context.Context, in CopyInput, id string) func(Object) bool {
	switch {
	case id != "":
		return func(o Object) bool { return o.Metadata[CommitKey] == id && o.Size == in.From.Size }
	case in.Replace || in.From.ETag == "" || in.To == in.From.Key:
		return nil
	}
	return func(o Object) bool {
		from := in.From
		if o.ETag != from.ETag {
			if !from.Full {
				from, _ = b.Head(ctx, in.From.Key) // where it fails there is no id
			}
			if id := from.Metadata[CommitKey]; id == "" || from.ETag != in.From.ETag {
				return false
			}
		}
		return o.Size == from.Size && o.ETag != in.If.ETag && (!from.Full || sameMetadata(o.Metadata, from.Metadata))
	}
}

func sameMetadata(a, b map[string]string) bool {
	if len(a) != len(b) {
		return false
	}
	for k, v := range a {
		if w, ok := b[k]; !ok || v != w {
			return false
		}
	}
	return true
}

func (b *Bucket) copyOnce(ctx context.Context, in CopyInput) (Object, stored, error) {
	const op = "CopyObject"
	slow, cancel := b.slow(ctx)
	defer cancel()
	req := b.copyRequest(in)
	expires := ""
	if in.Replace {
		in.replaceIn(req)
		expires = in.Headers.Expires
	}
	out, err := b.s3().CopyObject(slow, req, withExpires(expires))
	call := callFrom(slow)
	s := call.outcome()
	switch {
	case err != nil:
		err = fail(ctx, op, in.To, err)
		if !in.Replace && !s.repeated && errors.Is(err, ErrChanged) {
			// A plain refusal. Without an id an equal object of somebody else's
			// would be taken for ours.
			s.sent = false
		}
		return Object{}, s, err
	case out.CopyObjectResult == nil || out.CopyObjectResult.ETag == nil:
		return Object{}, s, failAs(ErrServer, op, in.To, "the answer names no ETag")
	}
	s.etag, s.version = unquote(out.CopyObjectResult.ETag), deref(out.VersionId)
	s.at = serverTime(out.ResultMetadata)
	if at := out.CopyObjectResult.LastModified; at != nil {
		s.at = *at
	}
	return in.object(s), s, nil
}

func (b *Bucket) copyRequest(in CopyInput) *s3.CopyObjectInput {
	ifMatch, ifNoneMatch := in.If.headers()
	algorithm, key, sum := b.ssec()
	return &s3.CopyObjectInput{
		Bucket:            &b.opts.Bucket,
		Key:               &in.To,
		CopySource:        b.copySource(in.From.Key),
		CopySourceIfMatch: quote(in.From.ETag),
		IfMatch:           ifMatch,
		IfNoneMatch:       ifNoneMatch,
		MetadataDirective: types.MetadataDirectiveCopy,
		// CopyObject stores in STANDARD unless told otherwise.
		StorageClass:                   keptClass(in.From.StorageClass),
		ACL:                            types.ObjectCannedACL(b.opts.ACL),
		ServerSideEncryption:           types.ServerSideEncryption(b.opts.SSE),
		SSEKMSKeyId:                    opt(b.opts.SSEKMSKeyID),
		SSECustomerAlgorithm:           algorithm,
		SSECustomerKey:                 key,
		SSECustomerKeyMD5:              sum,
		CopySourceSSECustomerAlgorithm: algorithm,
		CopySourceSSECustomerKey:       key,
		CopySourceSSECustomerKeyMD5:    sum,
		RequestPayer:                   b.payer(),
		ExpectedBucketOwner:            b.owner(),
		ExpectedSourceBucketOwner:      b.owner(),
	}
}

func (in CopyInput) replaceIn(req *s3.CopyObjectInput) {
	req.MetadataDirective = types.MetadataDirectiveReplace
	req.ContentType = opt(in.Headers.ContentType)
	req.ContentEncoding = opt(in.Headers.ContentEncoding)
	req.ContentDisposition = opt(in.Headers.ContentDisposition)
	req.ContentLanguage = opt(in.Headers.ContentLanguage)
	req.CacheControl = opt(in.Headers.CacheControl)
	req.Metadata = in.Metadata
}

// copySource is "bucket/key", percent-encoded: S3 decodes it like a URL.
func (b *Bucket) copySource(key string) *string {
	return aws.String(b.opts.Bucket + "/" + percentEncode(key))
}

// keptClass is the source's class for the copy. A restored copy of an archived
// object is not archived again by moving it.
func keptClass(class string) types.StorageClass {
	switch c := types.StorageClass(class); c {
	case types.StorageClassGlacier, types.StorageClassDeepArchive:
		return ""
	default:
		return c
	}
}

func (in CopyInput) object(s stored) Object {
	o := Object{
		Key:          in.To,
		Size:         in.From.Size,
		ETag:         s.etag,
		LastModified: s.at,
		StorageClass: string(keptClass(in.From.StorageClass)),
		VersionID:    s.version,
		Full:         in.From.Full,
		TagCount:     in.From.TagCount,
		Headers:      in.From.Headers,
		Metadata:     in.From.Metadata,
	}
	if in.Replace {
		o.Full, o.Headers, o.Metadata = true, in.Headers, in.Metadata
	}
	return o
}
