package bucket

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// abortWait bounds the clean-up after a failed upload.
const abortWait = 10 * time.Second

// partSize is the size of the parts of an object of size bytes: base, or as much
// more, in whole MiB, as it takes for 10,000 parts to suffice.
func partSize(size, base int64) int64 {
	const mib = 1 << 20
	base = max(base, minPart)
	if size <= base*maxParts {
		return base
	}
	least := (size + maxParts - 1) / maxParts
	return (least + mib - 1) / mib * mib
}

// abort gives up an upload, so that its parts cost nothing. It runs after
// failures, of ctx as well, and its own failure changes nothing for the caller.
func (b *Bucket) abort(ctx context.Context, key, uploadID string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), min(abortWait, b.opts.Deadline))
	defer cancel()
	short, cancelShort := b.short(ctx)
	defer cancelShort()
	_, err := b.s3().AbortMultipartUpload(short, &s3.AbortMultipartUploadInput{
		Bucket:              &b.opts.Bucket,
		Key:                 &key,
		UploadId:            &uploadID,
		RequestPayer:        b.payer(),
		ExpectedBucketOwner: b.owner(),
	})
	if err != nil && classify(err) != ErrNotExist {
		b.log.Warn("the parts of a failed upload stay until a lifecycle rule removes them",
			"key", key, "upload", uploadID, "err", fail(ctx, "AbortMultipartUpload", key, err))
	}
}
