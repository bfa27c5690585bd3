package bucket

import (
	"context"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// MaxLifetime is the longest life of a presigned URL: S3 refuses a larger
// X-Amz-Expires.
const MaxLifetime = 7 * 24 * time.Hour

// PresignGet returns a URL that reads the newest version of key for anyone who
// has it, and the time it ends: after lifetime (whole seconds, rounded down, at
// least one), or with the credentials that sign it if these end sooner. It sends
// no S3 request, and does not look whether the object exists.
//
// A lifetime that cannot be had is ErrInvalid; without credentials to sign with,
// or with ended ones, it is ErrNoCreds. Objects under a customer's key (SSE-C)
// cannot be shared by URL: ErrNotSupported.
func (b *Bucket) PresignGet(ctx context.Context, key string, lifetime time.Duration) (string, time.Time, error) {
	const op = "presign"
	switch {
	case lifetime < time.Second:
		return "", time.Time{}, failAs(ErrInvalid, op, key, "a link lives at least 1s, not %v", lifetime)
	case lifetime > MaxLifetime:
		return "", time.Time{}, failAs(ErrInvalid, op, key, "a link lives at most 7 days (168h), not %v", lifetime)
	case b.creds == nil:
		return "", time.Time{}, failAs(ErrNoCreds, op, key, "an anonymous mount has nothing to sign links with")
	case len(b.opts.SSECKey) > 0:
		return "", time.Time{}, failAs(ErrNotSupported, op, key, "whoever opens the link would need the SSE-C key")
	}
	creds, err := b.creds.Retrieve(ctx)
	if err != nil {
		return "", time.Time{}, fail(ctx, op, key, err)
	}
	if creds.CanExpire {
		lifetime = min(lifetime, time.Until(creds.Expires))
	}
	if lifetime < time.Second {
		return "", time.Time{}, failAs(ErrNoCreds, op, key, "the credentials have expired at %v", creds.Expires)
	}
	link, err := b.sign(ctx, key, lifetime.Truncate(time.Second), creds)
	if err != nil {
		return "", time.Time{}, fail(ctx, op, key, err)
	}
	until, err := linkEnd(link)
	if err != nil {
		return "", time.Time{}, fail(ctx, op, key, err)
	}
	return link, until, nil
}

// sign signs with exactly creds, whose end is known, and the host alone: a
// browser sends none of the other headers.
func (b *Bucket) sign(ctx context.Context, key string, lifetime time.Duration, creds aws.Credentials) (string, error) {
	static := aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) { return creds, nil })
	client := s3.NewPresignClient(b.s3(), s3.WithPresignClientFromClientOptions(func(o *s3.Options) {
		o.Credentials = static
	}))
	req, err := client.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: &b.opts.Bucket, Key: &key},
		s3.WithPresignExpires(lifetime))
	if err != nil {
		return "", err
	}
	return req.URL, nil
}

// linkEnd reads from a link when it ends, which is what the store will check.
func linkEnd(link string) (time.Time, error) {
	u, err := url.Parse(link)
	if err != nil {
		return time.Time{}, err
	}
	q := u.Query()
	at, err := time.Parse("20060102T150405Z", q.Get("X-Amz-Date"))
	if err != nil {
		return time.Time{}, fmt.Errorf("X-Amz-Date: %w", err)
	}
	seconds, err := strconv.Atoi(q.Get("X-Amz-Expires"))
	if err != nil {
		return time.Time{}, fmt.Errorf("X-Amz-Expires: %w", err)
	}
	return at.Add(time.Duration(seconds) * time.Second), nil
}
