package bucket

import (
	"context"
	"errors"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// copyPart is the least size of the parts of a copy, in bytes. No byte of them
// passes through here: large parts only save requests.
const copyPart = 128 << 20

// copyByParts copies what is too large for CopyObject. UploadPartCopy takes the
// bytes and nothing else, so headers, metadata, tags and class are supplied again.
func (b *Bucket) copyByParts(ctx context.Context, in CopyInput) (Object, error) {
	if !in.From.Full && !in.Replace {
		from, err := b.Head(ctx, in.From.Key)
		if err != nil {
			return Object{}, err
		}
		if from.ETag != in.From.ETag || from.Size != in.From.Size {
			return Object{}, failAs(ErrChanged, "HeadObject", in.From.Key, "its ETag is %q, not %q", from.ETag, in.From.ETag)
		}
		in.From = from
	}
	if !in.Replace {
		in.Replace, in.Headers, in.Metadata = true, in.From.Headers, in.From.Metadata
	}
	tags, err := b.Tags(ctx, in.From.Key)
	if err != nil {
		return Object{}, err
	}
	id := newCommitID()
	in.Metadata = withCommit(in.Metadata, id)
	o, err := b.commit(ctx, in.To, func() (Object, stored, error) {
		s, err := b.copyPartsOnce(ctx, in, tags)
		if err != nil {
			return Object{}, s, err
		}
		return in.object(s), s, nil
	}, b.recogniser(ctx, in, id))
	if err != nil {
		return Object{}, changedIf(in.If, in.To, err)
	}
	return o, nil
}

// Tags is the URL-encoded tag set of key. Without the permission to read tags
// there are none, and the log says so once.
func (b *Bucket) Tags(ctx context.Context, key string) (string, error) {
	const op = "GetObjectTagging"
	short, cancel := b.short(ctx)
	defer cancel()
	out, err := b.s3().GetObjectTagging(short, &s3.GetObjectTaggingInput{
		Bucket:              &b.opts.Bucket,
		Key:                 &key,
		RequestPayer:        b.payer(),
		ExpectedBucketOwner: b.owner(),
	})
	switch err = fail(ctx, op, key, err); {
	case errors.Is(err, ErrPermission), errors.Is(err, ErrNotSupported):
		b.mu.Lock()
		first := !b.mu.tagsWarned
		b.mu.tagsWarned = true
		b.mu.Unlock()
		if first {
			b.log.Warn("edits and large copies go without tags, which may not be read", "err", err)
		}
		return "", nil
	case err != nil:
		return "", err
	}
	set := make([]string, 0, len(out.TagSet))
	for _, t := range out.TagSet {
		set = append(set, url.QueryEscape(aws.ToString(t.Key))+"="+url.QueryEscape(aws.ToString(t.Value)))
	}
	return strings.Join(set, "&"), nil
}

func (b *Bucket) copyPartsOnce(ctx context.Context, in CopyInput, tags string) (stored, error) {
	return b.assemble(ctx, PutInput{
		Key: in.To, Size: in.From.Size, If: in.If, Headers: in.Headers, Metadata: in.Metadata, Tagging: tags,
		StorageClass: string(keptClass(in.From.StorageClass)), Parts: b.copies(0, in.From.Size), From: in.From,
	})
}
