package bucket

import (
	"context"
	"crypto/md5" //nolint:gosec // SSE-C requires the key's MD5
	"encoding/base64"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// opt is nil for "", which leaves a header out.
func opt(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func (b *Bucket) payer() types.RequestPayer {
	if b.opts.RequesterPays {
		return types.RequestPayerRequester
	}
	return ""
}

func (b *Bucket) owner() *string { return opt(b.opts.ExpectedBucketOwner) }

// ssec are the three headers of a customer's key; all nil without one.
func (b *Bucket) ssec() (algorithm, key, sum *string) {
	if len(b.opts.SSECKey) == 0 {
		return nil, nil, nil
	}
	digest := md5.Sum(b.opts.SSECKey) //nolint:gosec // see the import
	return aws.String("AES256"),
		aws.String(base64.StdEncoding.EncodeToString(b.opts.SSECKey)),
		aws.String(base64.StdEncoding.EncodeToString(digest[:]))
}

// quote makes an ETag a header value; nil for "".
func quote(etag string) *string {
	if etag == "" {
		return nil
	}
	return aws.String(`"` + etag + `"`)
}

// unquote strips the quotes, and the weak mark that some proxies add.
func unquote(etag *string) string {
	return strings.Trim(strings.TrimPrefix(aws.ToString(etag), "W/"), `"`)
}

// headers are the values of If-Match and If-None-Match.
func (c Condition) headers() (ifMatch, ifNoneMatch *string) {
	if c.Absent {
		return nil, aws.String("*")
	}
	return quote(c.ETag), nil
}

func (c Condition) isSet() bool { return c.Absent || c.ETag != "" }

// withExpires sends the Expires header as it is stored. The SDK only takes a
// time, and would lose values such as "0" that are no date.
func withExpires(v string) func(*s3.Options) {
	return func(o *s3.Options) {
		if v == "" {
			return
		}
		o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
			return stack.Build.Add(expiresHeader(v), middleware.After)
		})
	}
}

type expiresHeader string

func (expiresHeader) ID() string { return "pailfsExpires" }

func (v expiresHeader) HandleBuild(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
	req, ok := in.Request.(*smithyhttp.Request)
	switch middleware.GetOperationName(ctx) {
	case "PutObject", "CreateMultipartUpload", "CopyObject": // not the parts
		if ok {
			req.Header.Set("Expires", string(v))
		}
	}
	return next.HandleBuild(ctx, in)
}

// serverTime is the Date of an answer, which is the LastModified of what it
// wrote to within a second; now where there is none.
func serverTime(md middleware.Metadata) time.Time {
	if resp, ok := awsmiddleware.GetRawResponse(md).(*smithyhttp.Response); ok && resp != nil {
		if at, err := http.ParseTime(resp.Header.Get("Date")); err == nil {
			return at
		}
	}
	return time.Now().UTC().Truncate(time.Second)
}

// lowerKeys copies metadata with the lower-case names that S3 stores.
func lowerKeys(meta map[string]string) map[string]string {
	out := make(map[string]string, len(meta))
	for k, v := range meta {
		out[strings.ToLower(k)] = v
	}
	return out
}
