package bucket

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Head returns the object with Full set. A missing key is ErrNotExist; so is a
// missing bucket, since a HEAD has no body to tell them apart.
func (b *Bucket) Head(ctx context.Context, key string) (Object, error) {
	short, cancel := b.short(ctx)
	defer cancel()
	algorithm, sseKey, sum := b.ssec()
	out, err := b.s3().HeadObject(short, &s3.HeadObjectInput{
		Bucket:               &b.opts.Bucket,
		Key:                  &key,
		SSECustomerAlgorithm: algorithm,
		SSECustomerKey:       sseKey,
		SSECustomerKeyMD5:    sum,
		RequestPayer:         b.payer(),
		ExpectedBucketOwner:  b.owner(),
	})
	if err != nil {
		return Object{}, fail(ctx, "HeadObject", key, err)
	}
	return Object{
		Key:          key,
		Size:         aws.ToInt64(out.ContentLength),
		ETag:         unquote(out.ETag),
		LastModified: aws.ToTime(out.LastModified),
		StorageClass: classOf(string(out.StorageClass)),
		VersionID:    aws.ToString(out.VersionId),
		Full:         true,
		Headers: Headers{
			ContentType:        aws.ToString(out.ContentType),
			ContentEncoding:    aws.ToString(out.ContentEncoding),
			ContentDisposition: aws.ToString(out.ContentDisposition),
			ContentLanguage:    aws.ToString(out.ContentLanguage),
			CacheControl:       aws.ToString(out.CacheControl),
			Expires:            aws.ToString(out.ExpiresString),
		},
		Metadata: lowerKeys(out.Metadata),
		TagCount: int(aws.ToInt32(out.TagCount)),
		Restore:  aws.ToString(out.Restore),

		ArchiveStatus: string(out.ArchiveStatus),
	}, nil
}
