package options

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// maxKey is the longest object key S3 takes, in bytes.
const maxKey = 1024

// Source is the part of a bucket that is mounted.
type Source struct {
	Bucket string
	Prefix string // "" or ending in "/"
}

// String is the source as users write it and as df and mount show it.
func (s Source) String() string {
	if s.Prefix == "" {
		return "s3://" + s.Bucket
	}
	return "s3://" + s.Bucket + "/" + strings.TrimSuffix(s.Prefix, "/")
}

// ParseSource reads s3://BUCKET[/PREFIX]. The prefix is taken literally: S3
// keys may hold any character, so nothing is percent-decoded.
func ParseSource(raw string) (Source, error) {
	rest, ok := strings.CutPrefix(raw, "s3://")
	if !ok {
		return Source{}, notASource(raw)
	}
	name, prefix, _ := strings.Cut(rest, "/")
	if name == "" {
		return Source{}, fmt.Errorf("%q names no bucket: write s3://BUCKET[/PREFIX]", raw)
	}
	if err := checkPrefix(prefix); err != nil {
		return Source{}, fmt.Errorf("%q: %w", raw, err)
	}
	if prefix != "" && !strings.HasSuffix(prefix, "/") {
		prefix += "/"
	}
	return Source{Bucket: name, Prefix: prefix}, nil
}

func notASource(raw string) error {
	switch {
	case strings.HasPrefix(raw, "http://"), strings.HasPrefix(raw, "https://"):
		return fmt.Errorf("%q is no bucket: write s3://BUCKET[/PREFIX] and give the server by --endpoint URL", raw)
	case raw != "" && !strings.ContainsAny(raw, ":") && !strings.HasPrefix(raw, "/"):
		return fmt.Errorf("%q is no bucket: write s3://%s", raw, raw)
	}
	return fmt.Errorf("%q is no bucket: write s3://BUCKET[/PREFIX]", raw)
}

func checkPrefix(prefix string) error {
	switch {
	case strings.HasPrefix(prefix, "/"):
		return errors.New("the prefix must not begin with a slash")
	case strings.ContainsRune(prefix, 0):
		return errors.New("the prefix holds a NUL character")
	case len(prefix) >= maxKey:
		return fmt.Errorf("the prefix is longer than a key may be (%d bytes)", maxKey)
	}
	return nil
}

// checkBucketName holds a name to the rules of S3's general purpose buckets.
// Other stores (Ceph's relaxed names, old us-east-1 buckets elsewhere) also
// allow capitals, underscores and up to 255 characters.
func checkBucketName(name string, aws bool) error {
	longest := 255
	if aws {
		longest = 63
	}
	if len(name) < 3 || len(name) > longest {
		return fmt.Errorf("bucket name %q must have 3 to %d characters", name, longest)
	}
	for _, r := range name {
		if !bucketRune(r, aws) {
			return fmt.Errorf("bucket name %q must not hold %q", name, r)
		}
	}
	if strings.Trim(name, ".-") != name {
		return fmt.Errorf("bucket name %q must begin and end with a letter or digit", name)
	}
	if strings.Contains(name, "..") {
		return fmt.Errorf("bucket name %q must not hold two dots in a row", name)
	}
	if _, err := netip.ParseAddr(name); err == nil {
		return fmt.Errorf("bucket name %q must not be an IP address", name)
	}
	return nil
}

func bucketRune(r rune, aws bool) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.', r == '-':
		return true
	case r >= 'A' && r <= 'Z', r == '_':
		return !aws
	}
	return false
}
