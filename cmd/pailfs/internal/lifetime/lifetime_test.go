package lifetime

import (
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"90s": 90 * time.Second, "15m": 15 * time.Minute, "24h": Day, "7d": Max, "168h": Max,
		"1h30m": 90 * time.Minute, "1d12h": 36 * time.Hour, "1s": time.Second,
	} {
		if got, err := Parse(text); err != nil || got != want {
			t.Errorf("%s: %v, %v", text, got, err)
		}
	}
	for text, want := range map[string]string{
		"8d": "7 days", "168h1s": "7 days", "99999d": "7 days", "0": "zero", "0s": "zero", "0d": "zero",
		"-1h": "zero", "-1d": "zero", "500ms": "whole seconds", "": "not a duration", "1": "not a duration",
		"d": "not a duration", "1w": "not a duration", "1d-1h": "not a duration", "--1h": "not a duration",
		"9999999999h": "not a duration", "1h 30m": "not a duration",
	} {
		if d, err := Parse(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %q", text, d, err, want)
		}
	}
}

func TestFormat(t *testing.T) {
	for d, want := range map[time.Duration]string{
		Max: "7d", Day: "1d", 36 * time.Hour: "36h", 90 * time.Minute: "90m", 90 * time.Second: "90s", time.Second: "1s",
	} {
		if got := Format(d); got != want {
			t.Errorf("%v: %s, want %s", d, got, want)
		}
		if back, err := Parse(want); err != nil || back != d {
			t.Errorf("%s reads back as %v, %v", want, back, err)
		}
	}
}

func TestOfURL(t *testing.T) {
	const signed = "https://b.s3.amazonaws.com/a%20b?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Signature=ab"
	span, ok, err := OfURL(signed + "&X-Amz-Date=20260102T030405Z&X-Amz-Expires=900")
	if err != nil || !ok || span.Lasts != 15*time.Minute || !span.Until.Equal(time.Date(2026, 1, 2, 3, 19, 5, 0, time.UTC)) {
		t.Errorf("%+v, %v, %v", span, ok, err)
	}
	if _, ok, err := OfURL("https://b.s3.amazonaws.com/a"); ok || err != nil {
		t.Errorf("an unsigned URL: %v, %v", ok, err)
	}
	for _, q := range []string{"", "&X-Amz-Date=x&X-Amz-Expires=1", "&X-Amz-Date=20260102T030405Z&X-Amz-Expires=x"} {
		if _, _, err := OfURL(signed + q); err == nil {
			t.Errorf("%q was taken", q)
		}
	}
}

func TestHuman(t *testing.T) {
	for d, want := range map[time.Duration]string{
		Max: "7 d", Max - time.Second: "7 d", Max - time.Hour: "6 d 23 h", 899999 * time.Millisecond: "15 min", 61 * time.Second: "1 min 1 s",
		time.Hour + time.Second: "1 h", 400 * time.Millisecond: "0 s", -time.Hour: "the past",
	} {
		if got := Human(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
