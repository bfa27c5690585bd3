package bucket

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// maxSeconds, in the year 10,680, is beyond every date of a file, and well within
// what arithmetic on times can hold.
const maxSeconds = 1 << 38

// formatTime is seconds since 1970 with nine decimals, as s3fs and rclone read.
func formatTime(t time.Time) string {
	sec, nsec, sign := t.Unix(), int64(t.Nanosecond()), ""
	if sec < 0 {
		// Unix rounds down, a decimal's fraction counts away from zero.
		sign = "-"
		sec = -sec
		if nsec > 0 {
			sec, nsec = sec-1, 1e9-nsec
		}
	}
	return fmt.Sprintf("%s%d.%09d", sign, sec, nsec)
}

// formatNanos is the spelling of DataSync and Storage Gateway.
func formatNanos(t time.Time) string {
	sec, nsec := t.Unix(), int64(t.Nanosecond())
	if sec <= -1<<33 || sec >= 1<<33 {
		return fmt.Sprintf("%ds", sec) // beyond what nanoseconds count
	}
	return strconv.FormatInt(sec*1e9+nsec, 10) + "ns"
}

// parseTime reads seconds with or without a fraction, integers with a unit
// ("ns", "us", "ms", "s"), and RFC 3339.
func parseTime(s string) *time.Time {
	if strings.Contains(s, "T") {
		t, err := time.Parse(time.RFC3339Nano, s)
		if err != nil || tooFar(t.Unix()) {
			return nil
		}
		return &t
	}
	perSecond := int64(1)
	number := s
	for _, unit := range []struct {
		suffix    string
		perSecond int64
	}{{"ns", 1e9}, {"us", 1e6}, {"ms", 1e3}, {"s", 1}} {
		if rest, ok := strings.CutSuffix(s, unit.suffix); ok {
			number, perSecond = rest, unit.perSecond
			break
		}
	}
	if perSecond > 1 {
		n, err := strconv.ParseInt(number, 10, 64)
		if err != nil || tooFar(n/perSecond) {
			return nil
		}
		t := time.Unix(n/perSecond, n%perSecond*(1e9/perSecond))
		return &t
	}
	return parseSeconds(number)
}

func parseSeconds(s string) *time.Time {
	digits, negative := strings.CutPrefix(s, "-")
	whole, frac, _ := strings.Cut(digits, ".")
	sec, err := strconv.ParseUint(whole, 10, 63)
	if err != nil || tooFar(int64(sec)) {
		return nil
	}
	var nsec uint64
	if frac != "" {
		frac = (frac + "000000000")[:9]
		if nsec, err = strconv.ParseUint(frac, 10, 63); err != nil {
			return nil
		}
	}
	t := time.Unix(int64(sec), int64(nsec))
	if negative {
		t = time.Unix(-int64(sec), -int64(nsec))
	}
	return &t
}

func tooFar(sec int64) bool { return sec > maxSeconds || sec < -maxSeconds }
