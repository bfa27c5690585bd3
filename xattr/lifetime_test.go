package xattr

import (
	"errors"
	"testing"
	"time"
)

// K15 B131: more than 7 days and nothing at all are refused.
func TestParseLifetime(t *testing.T) {
	for _, c := range []struct {
		in   string
		want time.Duration // 0: refused
	}{
		{"90s", 90 * time.Second}, {"1s", time.Second}, {"15m", 15 * time.Minute}, {"24h", 24 * time.Hour},
		{"7d", MaxLifetime}, {"168h", MaxLifetime}, {"604800s", MaxLifetime}, {"6d24h", MaxLifetime},
		{"1h30m", 90 * time.Minute}, {"1d2h3m4s", 26*time.Hour + 3*time.Minute + 4*time.Second}, {"0h5m", 5 * time.Minute},
		{"", 0}, {"0", 0}, {"0s", 0}, {"-5m", 0}, {"5", 0}, {"m", 0}, {"1.5h", 0}, {"500ms", 0}, {"5x", 0}, {"1h ", 0}, {"expires", 0},
		{"8d", 0}, {"200h", 0}, {"604801s", 0}, {"7d1s", 0}, {"99999999999999999999999999d", 0}, {"9223372036854775807s", 0},
		{"99999999999d99999999999d99999999999d", 0}, {"1٣s", 0},
	} {
		got, err := ParseLifetime(c.in)
		switch {
		case c.want == 0 && !errors.Is(err, ErrLifetime):
			t.Errorf("%q: got %v, %v; want ErrLifetime", c.in, got, err)
		case c.want != 0 && (err != nil || got != c.want):
			t.Errorf("%q: got %v, %v; want %v", c.in, got, err, c.want)
		}
	}
}
