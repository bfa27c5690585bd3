package bucket

import (
	"context"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// uploadClient gives each call of one upload, be it the Uploader's, its own bounds
// and its checksums, and keeps what the Uploader does not return. Only UploadPart
// runs concurrently.
type uploadClient struct {
	b        *Bucket
	sums     *partSums
	uploadID string
	at       time.Time
	commit   *call // of the call that publishes
	record   UploadRecord
}

func (c *uploadClient) PutObject(ctx context.Context, in *s3.PutObjectInput, opts ...func(*s3.Options)) (*s3.PutObjectOutput, error) {
	call := c.b.transfer(ctx)
	c.commit = callFrom(call)
	out, err := c.b.putObject(call, in, opts...)
	if err != nil {
		return nil, fail(ctx, "PutObject", *in.Key, err)
	}
	c.at = serverTime(out.ResultMetadata)
	return out, nil
}

// CreateMultipartUpload declares the checksum: S3 takes none of the parts of an
// upload that was begun without.
func (c *uploadClient) CreateMultipartUpload(ctx context.Context, in *s3.CreateMultipartUploadInput, opts ...func(*s3.Options)) (out *s3.CreateMultipartUploadOutput, err error) {
	var call *call // of the last of the two that there may be
	c.record = c.b.recordOf(*in.Key)
	err = c.withSums(func(sums bool) (err error) {
		short, cancel := c.b.short(ctx)
		defer cancel()
		call = callFrom(short)
		in.ChecksumAlgorithm, in.ChecksumType = "", ""
		if sums {
			in.ChecksumAlgorithm, in.ChecksumType = types.ChecksumAlgorithmCrc32c, types.ChecksumTypeFullObject
		}
		out, err = c.b.s3().CreateMultipartUpload(short, in, opts...)
		if err == nil && !sums && c.sums.kind == sumCRC {
			c.sums.kind = sumNone
		}
		return err
	})
	if err != nil {
		if !mayHaveBegun(call, err) {
			c.ended()
		}
		return nil, fail(ctx, "CreateMultipartUpload", *in.Key, err)
	}
	c.uploadID = aws.ToString(out.UploadId)
	c.record.Begun(c.uploadID)
	if call.attempts() > 1 {
		c.b.recordOf(*in.Key) // an attempt before may have begun another one, whose id nobody knows
	}
	return out, nil
}

// ended is called when the store has the upload no more.
func (c *uploadClient) ended() {
	if c.record != nil {
		c.record.Ended()
	}
}

// withSums is that of Bucket where this upload has such checksums.
func (c *uploadClient) withSums(send func(sums bool) error) error {
	if c.sums.kind != sumCRC {
		return send(false)
	}
	return c.b.withSums(&c.b.sums.uploads, send)
}

func (c *uploadClient) UploadPart(ctx context.Context, in *s3.UploadPartInput, opts ...func(*s3.Options)) (out *s3.UploadPartOutput, err error) {
	if c.sums.kind == sumMD5 && c.b.opts.Checksums != Never {
		if in.ContentMD5 == nil {
			if in.ContentMD5, err = md5Header(in.Body); err != nil {
				return nil, fail(ctx, "UploadPart", *in.Key, err)
			}
		}
		opts = append(opts[:len(opts):len(opts)], c.b.unsigned)
	}
	err = c.withSums(func(sums bool) error {
		in.ChecksumCRC32C = nil
		with := opts
		if err := rewind(in.Body); err != nil {
			return err
		}
		var sum partSum
		if sums {
			var err error
			if sum.crc, sum.size, err = crcOf(in.Body); err != nil {
				return err
			}
			in.ChecksumCRC32C = crcHeader(sum.crc)
			with = append(with[:len(with):len(with)], c.b.unsigned)
		}
		var err error
		out, err = c.b.s3().UploadPart(c.b.transfer(ctx), in, with...)
		if sums && err == nil {
			c.sums.note(*in.PartNumber, sum)
		}
		return err
	})
	return out, fail(ctx, "UploadPart", *in.Key, err)
}

// CompleteMultipartUpload has the store compare the checksum of the whole object.
func (c *uploadClient) CompleteMultipartUpload(ctx context.Context, in *s3.CompleteMultipartUploadInput, opts ...func(*s3.Options)) (out *s3.CompleteMultipartUploadOutput, err error) {
	call, cancel := c.b.slow(ctx)
	defer cancel()
	c.commit = callFrom(call)
	err = c.withSums(func(sums bool) error {
		in.ChecksumCRC32C, in.ChecksumType = nil, ""
		for i := range in.MultipartUpload.Parts {
			in.MultipartUpload.Parts[i].ChecksumCRC32C = nil
		}
		if sums {
			in.ChecksumCRC32C = c.sums.state(in.MultipartUpload.Parts)
		}
		if in.ChecksumCRC32C != nil {
			in.ChecksumType = types.ChecksumTypeFullObject
		}
		var err error
		out, err = c.b.s3().CompleteMultipartUpload(call, in, opts...)
		if err == nil && in.ChecksumCRC32C != nil {
			c.b.sums.uploads.learn(supportYes)
		}
		return err
	})
	if err != nil {
		return nil, fail(ctx, "CompleteMultipartUpload", *in.Key, err)
	}
	c.at = serverTime(out.ResultMetadata)
	return out, nil
}

// AbortMultipartUpload is required by the interface; LeavePartsOnError keeps the
// Uploader from calling it.
func (c *uploadClient) AbortMultipartUpload(ctx context.Context, in *s3.AbortMultipartUploadInput, opts ...func(*s3.Options)) (*s3.AbortMultipartUploadOutput, error) {
	short, cancel := c.b.short(ctx)
	defer cancel()
	out, err := c.b.s3().AbortMultipartUpload(short, in, opts...)
	return out, fail(ctx, "AbortMultipartUpload", *in.Key, err)
}
