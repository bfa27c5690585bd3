package lifetime

import (
	"fmt"
	"net/url"
	"strconv"
	"time"
)

// Span is the life of a presigned URL.
type Span struct {
	Lasts time.Duration // from its signing
	Until time.Time
}

// OfURL reads the span that a presigned URL carries in X-Amz-Date and
// X-Amz-Expires. ok is false for an unsigned URL, which does not end.
func OfURL(raw string) (span Span, ok bool, err error) {
	u, err := url.Parse(raw)
	if err != nil {
		return Span{}, false, fmt.Errorf("share link: %w", err)
	}
	q := u.Query()
	if !q.Has("X-Amz-Signature") {
		return Span{}, false, nil
	}
	signed, err := time.Parse("20060102T150405Z", q.Get("X-Amz-Date"))
	if err != nil {
		return Span{}, false, fmt.Errorf("share link: X-Amz-Date: %w", err)
	}
	seconds, err := strconv.ParseInt(q.Get("X-Amz-Expires"), 10, 32)
	if err != nil {
		return Span{}, false, fmt.Errorf("share link: X-Amz-Expires: %w", err)
	}
	lasts := time.Duration(seconds) * time.Second
	return Span{Lasts: lasts, Until: signed.Add(lasts)}, true, nil
}
