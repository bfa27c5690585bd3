package lifetime

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Max is the longest life of a presigned URL (Signature Version 4).
const Max = 7 * 24 * time.Hour

// Day is the unit that time.ParseDuration lacks.
const Day = 24 * time.Hour

var errSyntax = errors.New("not a duration: write 90s, 15m, 24h or 7d")

// Parse reads a lifetime such as 90s, 15m, 1h30m, 24h, 7d or 1d12h: whole
// seconds, more than zero and at most Max.
func Parse(text string) (time.Duration, error) {
	d, err := parse(text)
	if err != nil {
		return 0, err
	}
	switch {
	case d <= 0:
		return 0, errors.New("a link must live longer than zero")
	case d > Max:
		return 0, errors.New("a link lives 7 days (168h) at most")
	case d%time.Second != 0:
		return 0, errors.New("a link lives whole seconds")
	}
	return d, nil
}

func parse(text string) (time.Duration, error) {
	m := regexp.MustCompile(`^([+-]?)(?:(\d{1,5})d)?(.*)$`).FindStringSubmatch(text)
	if m == nil || (m[2] == "" && m[3] == "") {
		return 0, errSyntax
	}
	var d time.Duration
	if m[2] != "" {
		days, err := strconv.Atoi(m[2])
		if err != nil {
			return 0, errSyntax
		}
		d = time.Duration(days) * Day
	}
	if rest := m[3]; rest != "" {
		if strings.HasPrefix(rest, "-") || strings.HasPrefix(rest, "+") {
			return 0, errSyntax
		}
		r, err := time.ParseDuration(rest)
		if err != nil {
			return 0, errSyntax
		}
		d += r
	}
	if m[1] == "-" {
		d = -d
	}
	return d, nil
}

// Format writes whole seconds in one unit, the largest that fits: the form the
// attribute user.s3.url.<lifetime> takes.
func Format(d time.Duration) string {
	for _, u := range []struct {
		unit time.Duration
		name string
	}{{Day, "d"}, {time.Hour, "h"}, {time.Minute, "m"}} {
		if d%u.unit == 0 {
			return fmt.Sprintf("%d%s", d/u.unit, u.name)
		}
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// Value is a lifetime as a flag.
type Value time.Duration

// String is the flag's text, "" where unset.
func (v *Value) String() string {
	if *v == 0 {
		return ""
	}
	return Format(time.Duration(*v))
}

// Type names the flag's value in the help text.
func (v *Value) Type() string { return "lifetime" }

// Set reads the flag's text.
func (v *Value) Set(text string) error {
	d, err := Parse(text)
	if err != nil {
		return err
	}
	*v = Value(d)
	return nil
}

// Human writes a span in its two largest units: 6 d 23 h.
func Human(d time.Duration) string {
	if d = d.Round(time.Second); d > time.Hour {
		d = d.Round(time.Minute)
	}
	if d < 0 {
		return "the past"
	}
	units := []struct {
		unit time.Duration
		name string
	}{{Day, "d"}, {time.Hour, "h"}, {time.Minute, "min"}, {time.Second, "s"}}
	for i, u := range units {
		if d < u.unit {
			continue
		}
		text := fmt.Sprintf("%d %s", d/u.unit, u.name)
		if i+1 < len(units) && d%u.unit >= units[i+1].unit {
			text += fmt.Sprintf(" %d %s", d%u.unit/units[i+1].unit, units[i+1].name)
		}
		return text
	}
	return "0 s"
}
