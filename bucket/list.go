package bucket

import (
	"context"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// List returns one page of the keys below a prefix, in byte order. A page can
// be empty and still have a Next. Objects of a listing are not Full.
func (b *Bucket) List(ctx context.Context, in ListInput) (Page, error) {
	const op = "ListObjectsV2"
	short, cancel := b.short(ctx)
	defer cancel()
	req := &s3.ListObjectsV2Input{
		Bucket:            &b.opts.Bucket,
		Prefix:            opt(in.Prefix),
		Delimiter:         opt(in.Delimiter),
		ContinuationToken: opt(in.Token),
		StartAfter:        opt(in.StartAfter),
		// XML 1.0 cannot carry all the bytes that a key may hold.
		EncodingType:        types.EncodingTypeUrl,
		RequestPayer:        b.payer(),
		ExpectedBucketOwner: b.owner(),
	}
	if in.MaxKeys > 0 {
		req.MaxKeys = aws.Int32(int32(min(in.MaxKeys, 1000)))
	}
	out, err := b.s3().ListObjectsV2(short, req)
	if err != nil {
		return Page{}, fail(ctx, op, in.Prefix, err)
	}
	page, err := pageOf(out)
	if err != nil {
		return Page{}, fail(ctx, op, in.Prefix, err)
	}
	if aws.ToBool(out.IsTruncated) && page.Next == "" {
		// Taken for the last page it would make existing files vanish.
		return Page{}, failAs(ErrServer, op, in.Prefix, "the listing is truncated, but has no token to go on with")
	}
	return page, nil
}

func pageOf(out *s3.ListObjectsV2Output) (Page, error) {
	// Some stores ignore encoding-type: only an answer that echoes it is encoded.
	decode := func(s *string) (string, error) { return aws.ToString(s), nil }
	if out.EncodingType == types.EncodingTypeUrl {
		// QueryUnescape, since S3 writes a space as "+" and a plus as "%2B".
		decode = func(s *string) (string, error) { return url.QueryUnescape(aws.ToString(s)) }
	}
	var page Page
	if n := len(out.Contents); n > 0 {
		page.Objects = make([]Object, 0, n)
	}
	for i := range out.Contents {
		key, err := decode(out.Contents[i].Key)
		if err != nil {
			return Page{}, err
		}
		page.Objects = append(page.Objects, listed(key, &out.Contents[i]))
	}
	for i := range out.CommonPrefixes {
		prefix, err := decode(out.CommonPrefixes[i].Prefix)
		if err != nil {
			return Page{}, err
		}
		page.Prefixes = append(page.Prefixes, prefix)
	}
	if aws.ToBool(out.IsTruncated) {
		page.Next = aws.ToString(out.NextContinuationToken)
	}
	return page, nil
}

func listed(key string, o *types.Object) Object {
	return Object{
		Key:          key,
		Size:         aws.ToInt64(o.Size),
		ETag:         unquote(o.ETag),
		LastModified: aws.ToTime(o.LastModified),
		StorageClass: classOf(string(o.StorageClass)),
	}
}

// classOf gives the default class one spelling: a listing says STANDARD where a
// HEAD says nothing.
func classOf(class string) string {
	if class == string(types.StorageClassStandard) {
		return ""
	}
	return class
}

// ListAll calls f with every page of in, from in.Token on. It stops at the first
// error, its own or f's. A store that hands out a token twice would be listed
// forever: that is ErrServer.
func ListAll(ctx context.Context, api API, in ListInput, f func(Page) error) error {
	seen := make(map[string]bool)
	for {
		page, err := api.List(ctx, in)
		if err != nil {
			return err
		}
		if err := f(page); err != nil {
			return err
		}
		if page.Next == "" {
			return nil
		}
		if page.Next == in.Token || seen[page.Next] {
			return failAs(ErrServer, "ListObjectsV2", in.Prefix, "the store repeats a continuation token")
		}
		seen[page.Next] = true
		in.Token = page.Next
	}
}
