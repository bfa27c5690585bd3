package bucket

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	checkWait       = 10 * time.Second // of Check as a whole
	checkCredential = 8 * time.Second  // of its look for credentials
)

// Check proves with one cheap request that there are credentials, and that the
// bucket is there and may be listed below prefix. Where the bucket turns out to
// be in another region, that region is used from then on. It ends within 10 s.
//
// Its errors are ErrNoCreds, ErrUnreachable, ErrNoBucket, ErrPermission and the
// like, each in one line that says what to do.
func (b *Bucket) Check(ctx context.Context, prefix string) error {
	short, cancel := context.WithTimeout(ctx, min(checkWait, b.opts.Deadline))
	defer cancel()
	if err := b.checkCredentials(ctx, short); err != nil {
		return err
	}
	err := b.probe(short, prefix)
	for hops := 0; err != nil && hops < 2 && b.follow(err); hops++ {
		err = b.probe(short, prefix)
	}
	if err == nil {
		return nil
	}
	return b.explain(fail(ctx, "check bucket", b.opts.Bucket, err))
}

func (b *Bucket) probe(ctx context.Context, prefix string) error {
	ctx, cancel := b.short(ctx)
	defer cancel()
	_, err := b.s3().ListObjectsV2(ctx, &s3.ListObjectsV2Input{
		Bucket:              &b.opts.Bucket,
		Prefix:              aws.String(prefix),
		MaxKeys:             aws.Int32(1),
		RequestPayer:        b.payer(),
		ExpectedBucketOwner: b.owner(),
	})
	return err
}

func (b *Bucket) checkCredentials(ctx, short context.Context) error {
	if b.creds == nil {
		return nil
	}
	short, cancel := context.WithTimeout(short, checkCredential)
	defer cancel()
	_, err := b.creds.Retrieve(short)
	if err == nil {
		return nil
	}
	return b.explain(fail(ctx, "check bucket", b.opts.Bucket, err))
}

// follow turns to the region that err names, if it names another one.
func (b *Bucket) follow(err error) bool {
	var resp *smithyhttp.ResponseError
	if !errors.As(err, &resp) || resp.Response == nil {
		return false
	}
	region := resp.Response.Header.Get(regionHeader)
	was := b.Region()
	if region == "" || region == was {
		return false
	}
	b.log.Info("the bucket is in another region", "bucket", b.opts.Bucket, "region", region, "configured", was)
	b.setRegion(region)
	return true
}

// explain adds what the user can do about a failed Check.
func (b *Bucket) explain(err error) error {
	where := "AWS S3"
	if b.opts.Endpoint != "" {
		where = b.opts.Endpoint
	}
	var advice string
	switch {
	case errors.Is(err, ErrNoCreds):
		advice = "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a profile, sign in with `aws sso login`, or mount anonymously"
	case errors.Is(err, ErrUnreachable):
		advice = "check the network, the proxy settings and the endpoint " + where
	case errors.Is(err, ErrNoBucket):
		advice = "check the bucket's name and the endpoint " + where
	case errors.Is(err, ErrPermission):
		advice = "check the keys and that they allow s3:ListBucket and s3:GetObject"
	case errors.Is(err, ErrInvalid):
		advice = "check the region (" + b.Region() + "), path-style addressing and the endpoint " + where
	default:
		return err
	}
	return fmt.Errorf("%w: %s", err, advice)
}
