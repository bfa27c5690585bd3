package xattr

import (
	"fmt"
	"strings"
	"time"
)

const (
	// MaxLifetime is the longest life of a presigned URL (AWS Signature
	// Version 4, X-Amz-Expires at most 604800).
	MaxLifetime = 7 * 24 * time.Hour
	// MinLifetime is the shortest: X-Amz-Expires counts whole seconds.
	MinLifetime = time.Second
)

// ParseLifetime reads the lifetime of a link: whole numbers with the units d,
// h, m and s, as in 90s, 15m, 24h, 7d or 1h30m. What is not such a number, and
// what is not within MinLifetime and MaxLifetime, wraps ErrLifetime.
func ParseLifetime(s string) (time.Duration, error) {
	if s == "" {
		return 0, fmt.Errorf("%w: empty", ErrLifetime)
	}
	var total time.Duration
	for rest := s; rest != ""; {
		i := strings.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
		if i <= 0 {
			return 0, fmt.Errorf("%w: %q is not of the form 90s, 15m, 24h, 7d or 1h30m", ErrLifetime, s)
		}
		part, err := lifetimePart(rest[:i], rest[i])
		if err != nil {
			return 0, fmt.Errorf("%w: %q: %w", ErrLifetime, s, err)
		}
		total += part
		rest = rest[i+1:]
	}
	return total, checkLifetime(total)
}

// lifetimePart is one number with its unit. What is over the limit is cut to
// just above it, so that a sum cannot overflow.
func lifetimePart(digits string, unit byte) (time.Duration, error) {
	units := map[byte]time.Duration{'d': 24 * time.Hour, 'h': time.Hour, 'm': time.Minute, 's': time.Second}
	u, ok := units[unit]
	if !ok {
		return 0, fmt.Errorf("unit %q is not d, h, m or s", unit)
	}
	var n time.Duration
	for _, d := range digits {
		n = min(n*10+time.Duration(d-'0'), MaxLifetime/u+1)
	}
	return n * u, nil
}

func checkLifetime(d time.Duration) error {
	switch {
	case d < MinLifetime:
		return fmt.Errorf("%w: %v is shorter than a second", ErrLifetime, d)
	case d > MaxLifetime:
		return fmt.Errorf("%w: a presigned URL lives for 7 days (168h) at most", ErrLifetime)
	}
	return nil
}
