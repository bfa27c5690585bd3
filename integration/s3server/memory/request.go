package memory

import (
	"context"
	"net/url"
	"strings"

	"github.com/gofiber/fiber/v3"
	"github.com/valyala/fasthttp"
	"github.com/versity/versitygw/s3api/utils"
	"github.com/versity/versitygw/s3err"
)

// Keys of request-scoped values set by Middleware and noteCopySource.
type (
	trueKey    struct{}
	trueSource struct{}
)

// stashedPath is the name under which versitygw's signature check looks for
// the path the client signed, when the request's path has been rewritten.
const stashedPath = "original-uri-path"

// standIn is the harmless key which the front end sees instead of one it
// would refuse or route wrongly.
const standIn = "s3server-stand-in"

// Middleware goes in front of the S3 routes. Keys which the front end refuses
// (a `..` that climbs above the root) or takes for the bucket itself (only
// slashes) are handed past it: the path is replaced by a stand-in, the
// signature is still verified over the signed path, and the backend takes the
// true key from the context.
func Middleware() fiber.Handler {
	return func(c fiber.Ctx) error {
		path, err := url.PathUnescape(string(c.Request().URI().PathOriginal()))
		if err != nil {
			return c.Next()
		}
		bucket, key, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
		if key != "" && !frontEndTakes(key) {
			c.Locals(trueKey{}, key)
			c.Locals(stashedPath, path)
			c.Path("/" + bucket + "/" + standIn)
		}
		return c.Next()
	}
}

func frontEndTakes(key string) bool {
	return utils.IsObjectNameValid(key) && strings.Trim(key, "/") != ""
}

// objectKey returns the key a request names, as an own copy.
func objectKey(ctx context.Context, given *string) string {
	if key, ok := ctx.Value(trueKey{}).(string); ok {
		return key
	}
	return clone(given)
}

// noteCopySource hands a copy source the front end would refuse past its
// check. It runs in GetBucketAcl, the last backend call between signature
// verification (which covers the header) and that check.
func noteCopySource(ctx context.Context) {
	source := requestHeader(ctx, "X-Amz-Copy-Source")
	if source == "" {
		return
	}
	bucket, key, ok := splitSource(source)
	if !ok || frontEndTakes(key) {
		return
	}
	if rc, ok := ctx.(*fasthttp.RequestCtx); ok {
		rc.SetUserValue(trueSource{}, source)
		rc.Request.Header.Set("X-Amz-Copy-Source", bucket+"/"+standIn)
	}
}

// copySource returns bucket and key of the object a copy reads.
func copySource(ctx context.Context, given *string) (bucket, key string, err error) {
	source, ok := ctx.Value(trueSource{}).(string)
	if !ok {
		source = clone(given)
	}
	bucket, key, ok = splitSource(source)
	if !ok {
		return "", "", s3err.GetInvalidArgumentErr(s3err.InvalidArgCopySourceBucket, source)
	}
	return bucket, key, nil
}

// splitSource decodes x-amz-copy-source. S3 reads it as a form value: `+` is a
// space, so a plus sign has to arrive as %2B.
func splitSource(source string) (bucket, key string, ok bool) {
	source, _, _ = strings.Cut(source, "?versionId=")
	source, err := url.QueryUnescape(source)
	if err != nil {
		return "", "", false
	}
	return strings.Cut(strings.TrimPrefix(source, "/"), "/")
}

// requestHeader returns a copy of a request header the front end dropped.
func requestHeader(ctx context.Context, name string) string {
	rc, ok := ctx.(*fasthttp.RequestCtx)
	if !ok {
		return ""
	}
	return string(rc.Request.Header.Peek(name))
}

// requestETag is requestHeader for If-Match and If-None-Match: nil if absent,
// without quotes otherwise, as the front end passes them elsewhere.
func requestETag(ctx context.Context, name string) *string {
	tag := utils.TrimQuotes(requestHeader(ctx, name))
	return utils.GetStringPtr(tag)
}

func requestQuery(ctx context.Context, name string) string {
	rc, ok := ctx.(*fasthttp.RequestCtx)
	if !ok {
		return ""
	}
	return string(rc.QueryArgs().Peek(name))
}

func requestBody(ctx context.Context) []byte {
	rc, ok := ctx.(*fasthttp.RequestCtx)
	if !ok {
		return nil
	}
	return rc.Request.Body()
}

// answerHeader sets a response header which the front end has no field for.
func answerHeader(ctx context.Context, name, value string) {
	if rc, ok := ctx.(*fasthttp.RequestCtx); ok && value != "" {
		rc.Response.Header.Set(name, value)
	}
}

// clone copies a string out of the front end's buffers; nil is "".
func clone(s *string) string {
	if s == nil {
		return ""
	}
	return strings.Clone(*s)
}

func cloneMap(m map[string]string) map[string]string {
	out := make(map[string]string, len(m))
	for k, v := range m {
		out[strings.Clone(k)] = strings.Clone(v)
	}
	return out
}

// optional returns nil for the empty string, so that no header is sent.
func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func ptr[T any](v T) *T { return &v }

func value[T any](p *T) T {
	if p == nil {
		var zero T
		return zero
	}
	return *p
}
