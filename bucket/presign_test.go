package bucket

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

func TestPresign(t *testing.T) {
	b := newTestBucket(t, "http://127.0.0.1:1", func(o *Options) {
		o.RequesterPays, o.ExpectedBucketOwner, o.SSE, o.ACL = true, "123456789012", "AES256", "private"
	})
	for _, key := range []string{"a b", "50%", "a&b=c", "#", "?", "quo\"t'e", "ü/日本", "a+b", "%20"} {
		before := time.Now().Truncate(time.Second)
		link, until, err := b.PresignGet(t.Context(), key, 90*time.Minute+500*time.Millisecond)
		if err != nil {
			t.Fatal(key, err)
		}
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(key, err)
		}
		q := u.Query()
		if u.Path != "/b/"+key || q.Get("X-Amz-SignedHeaders") != "host" || q.Get("X-Amz-Expires") != "5400" {
			t.Errorf("%q: %s", key, link)
		}
		if life := until.Sub(before); life < 90*time.Minute || life > 90*time.Minute+2*time.Second {
			t.Errorf("lives %v", life)
		}
		for _, c := range link {
			if c <= ' ' || c > '~' || strings.ContainsRune("\"'<>`", c) {
				t.Errorf("%q: %q would break when pasted", link, c)
			}
		}
	}
	if n := len(b.Counters()); n != 0 {
		t.Error("a request was sent")
	}
}

func TestPresignLifetimes(t *testing.T) {
	b := newTestBucket(t, "http://127.0.0.1:1")
	for _, d := range []time.Duration{-time.Hour, 0, 999 * time.Millisecond, MaxLifetime + 1} {
		if _, _, err := b.PresignGet(t.Context(), "k", d); !errors.Is(err, ErrInvalid) {
			t.Error(d, err)
		}
	}
	if _, _, err := b.PresignGet(t.Context(), "k", MaxLifetime); err != nil {
		t.Error(err)
	}
	anonymous := newTestBucket(t, "http://127.0.0.1:1", func(o *Options) { o.Anonymous = true })
	if _, _, err := anonymous.PresignGet(t.Context(), "k", time.Hour); !errors.Is(err, ErrNoCreds) {
		t.Error(err)
	}
	customer := newTestBucket(t, "http://127.0.0.1:1", func(o *Options) { o.SSECKey = make([]byte, 32) })
	if _, _, err := customer.PresignGet(t.Context(), "k", time.Hour); !errors.Is(err, ErrNotSupported) {
		t.Error(err)
	}
}

func TestPresignEndsWithTheCredentials(t *testing.T) {
	b := newTestBucket(t, "http://127.0.0.1:1")
	expires := time.Now().Add(10 * time.Minute)
	b.creds = aws.CredentialsProviderFunc(func(context.Context) (aws.Credentials, error) {
		return aws.Credentials{AccessKeyID: "k", SecretAccessKey: "s", SessionToken: "t", CanExpire: true, Expires: expires}, nil
	})
	_, until, err := b.PresignGet(t.Context(), "k", time.Hour)
	if err != nil || until.After(expires) || until.Before(expires.Add(-3*time.Second)) {
		t.Errorf("%v, credentials until %v, %v", until, expires, err)
	}
	expires = time.Now().Add(-time.Second)
	if _, _, err := b.PresignGet(t.Context(), "k", time.Hour); !errors.Is(err, ErrNoCreds) {
		t.Error(err)
	}
}
