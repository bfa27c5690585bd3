package options

import (
	"strings"
	"testing"
)

func TestParseSource(t *testing.T) {
	for raw, want := range map[string]Source{
		"s3://bucket":           {"bucket", ""},
		"s3://bucket/":          {"bucket", ""},
		"s3://bucket/a":         {"bucket", "a/"},
		"s3://bucket/a/b/":      {"bucket", "a/b/"},
		"s3://bucket/a b+%41é":  {"bucket", "a b+%41é/"},
		"s3://bucket/a//b":      {"bucket", "a//b/"},
		"s3://my.bucket-1/x?y#": {"my.bucket-1", "x?y#/"},
	} {
		got, err := ParseSource(raw)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", raw, got, err)
		}
	}
	for raw, want := range map[string]string{
		"bucket":              "s3://bucket",
		"bucket/a":            "s3://bucket/a",
		"":                    "s3://BUCKET",
		"s3://":               "names no bucket",
		"s3:///a":             "names no bucket",
		"s3://bucket//a":      "slash",
		"s3:bucket":           "s3://BUCKET",
		"https://host/bucket": "--endpoint",
		"/dev/sda1":           "s3://BUCKET",
		"s3://bucket/a\x00b":  "NUL",
		"s3://bucket/" + strings.Repeat("x", 1024): "longer",
	} {
		if _, err := ParseSource(raw); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", raw, err, want)
		}
	}
}

func TestSourceString(t *testing.T) {
	for _, s := range []string{"s3://bucket", "s3://bucket/a/b"} {
		src, err := ParseSource(s)
		if err != nil || src.String() != s {
			t.Errorf("%s became %s, %v", s, src, err)
		}
	}
}

func TestBucketNames(t *testing.T) {
	for _, c := range []struct {
		name       string
		aws, other bool
	}{
		{"abc", true, true},
		{"a.b-1", true, true},
		{"ab", false, false},
		{strings.Repeat("a", 63), true, true},
		{strings.Repeat("a", 64), false, true},
		{"Upper_Case", false, true},
		{"-abc", false, false},
		{"abc.", false, false},
		{"a..b", false, false},
		{"192.168.0.1", false, false},
		{"a b", false, false},
		{"büro", false, false},
	} {
		if got := checkBucketName(c.name, true) == nil; got != c.aws {
			t.Errorf("%q on AWS: %v", c.name, got)
		}
		if got := checkBucketName(c.name, false) == nil; got != c.other {
			t.Errorf("%q elsewhere: %v", c.name, got)
		}
	}
}
