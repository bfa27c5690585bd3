package server_test

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/pailfs/pailfs/integration/s3server/server"
)

// oddKeys are keys which S3 or a work-alike keeps as they are and a file
// system would not.
func oddKeys() []string {
	return []string{
		"a", "a/b", "a//b", "a/", "a//", "/a", "/", "//", "../x", "./x", ".", "..", "x/../y", "x/../../y",
		"ctl\x01\x1f\x7f", "nl\nx", "cr\rx", "tab\tx", "sp ace", " lead", "trail ", "pl+us", "per%cent", "per%2Fcent",
		"q?m=1&n", "hash#x", "uml-ä-日本-😀", "quote\"'<>&", "back\\slash", "star*", "a:b;c,d@e$f!g~h(i)[j]{k}^l`m|n=o",
		"name?versionId=7", "Case", "case", strings.Repeat("l", 1024), strings.Repeat("d/", 500) + "x",
	}
}

func TestOddKeys(t *testing.T) {
	r := start(t, server.Options{})
	ctx := context.Background()
	for i, key := range oddKeys() {
		r.put(t, key, fmt.Appendf(nil, "body %d", i))
	}
	for i, key := range oddKeys() {
		want := fmt.Sprintf("body %d", i)
		if got := r.get(t, key); string(got) != want {
			t.Errorf("get %q: %q, want %q", key, got, want)
		}
		target := fmt.Sprintf("copy/%d", i)
		_, err := r.CopyObject(ctx, &s3.CopyObjectInput{Bucket: aws.String(bkt), Key: &target, CopySource: source(key)})
		if err != nil {
			t.Errorf("copy from %q: %v", key, err)
		} else if got := r.get(t, target); string(got) != want {
			t.Errorf("copy of %q: %q, want %q", key, got, want)
		}
		_, err = r.CopyObject(ctx, &s3.CopyObjectInput{Bucket: aws.String(bkt), Key: &key, CopySource: source(target)})
		wantStatus(t, fmt.Sprintf("copy to %q", key), err, 200)
		presigned(t, r, key, want)
	}
	wantKeys := oddKeys()
	for i := range oddKeys() {
		wantKeys = append(wantKeys, fmt.Sprintf("copy/%d", i))
	}
	slices.Sort(wantKeys)
	if got := r.listAll(t, 7); !slices.Equal(got, wantKeys) {
		t.Errorf("listed %q\nwant   %q", got, wantKeys)
	}
	for _, key := range oddKeys() {
		_, err := r.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: aws.String(bkt), Key: &key})
		wantStatus(t, fmt.Sprintf("delete %q", key), err, 200)
		_, err = r.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(bkt), Key: &key})
		wantStatus(t, fmt.Sprintf("deleted %q", key), err, 404)
	}
	long := strings.Repeat("l", 1025)
	_, err := r.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bkt), Key: &long})
	wantCode(t, "long key", err, "KeyTooLongError")
}

// source encodes a copy source the way S3 decodes it.
func source(key string) *string {
	return aws.String(bkt + "/" + strings.ReplaceAll(url.PathEscape(key), "+", "%2B"))
}

// listAll lists every key, in pages of max, through encoding-type=url.
func (r rig) listAll(t *testing.T, max int32) []string {
	t.Helper()
	var keys []string
	pages := s3.NewListObjectsV2Paginator(r, &s3.ListObjectsV2Input{
		Bucket: aws.String(bkt), MaxKeys: &max, EncodingType: "url"})
	for pages.HasMorePages() {
		page, err := pages.NextPage(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		if page.EncodingType != "url" {
			t.Fatal("encoding type is not echoed")
		}
		for _, o := range page.Contents {
			key, err := url.QueryUnescape(*o.Key)
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, key)
		}
	}
	return keys
}

// presigned gets a key by a signed URL and nothing else.
func presigned(t *testing.T, r rig, key, want string) {
	t.Helper()
	req, err := s3.NewPresignClient(r.Client).PresignGetObject(context.Background(),
		&s3.GetObjectInput{Bucket: aws.String(bkt), Key: &key}, s3.WithPresignExpires(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	if status, got := fetch(t, r, req.URL); status != 200 || got != want {
		t.Errorf("presigned get of %q: %d %q, want %q", key, status, got, want)
	}
}

func fetch(t *testing.T, r rig, link string) (int, string) {
	t.Helper()
	resp, err := r.http.Get(link)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(data)
}

func TestAuthentication(t *testing.T) {
	both(t, func(t *testing.T, r rig) {
		r.put(t, "k", []byte("secret"))
		in := &s3.GetObjectInput{Bucket: aws.String(bkt), Key: aws.String("k")}
		tests := []struct {
			name, access, secret, code string
		}{
			{"unknown key", "AKIANOBODY", r.srv.SecretKey, "InvalidAccessKeyId"},
			{"wrong secret", r.srv.AccessKey, "wrong", "SignatureDoesNotMatch"},
		}
		for _, tt := range tests {
			_, err := newClient(r.srv, r.http, tt.access, tt.secret).GetObject(context.Background(), in)
			wantCode(t, tt.name, err, tt.code)
			wantStatus(t, tt.name, err, http.StatusForbidden)
		}
		if status, body := fetch(t, r, r.srv.URL()+"/"+bkt+"/k"); status != 403 {
			t.Errorf("unsigned: %d %s", status, body)
		}
		sign := func(expires time.Duration) string {
			req, err := s3.NewPresignClient(r.Client).PresignGetObject(context.Background(), in, s3.WithPresignExpires(expires))
			if err != nil {
				t.Fatal(err)
			}
			return req.URL
		}
		link := sign(time.Minute)
		if status, body := fetch(t, r, link); status != 200 || body != "secret" {
			t.Errorf("presigned: %d %s", status, body)
		}
		if status, _ := fetch(t, r, strings.Replace(link, "/k?", "/other?", 1)); status != 403 {
			t.Errorf("presigned for another key: %d", status)
		}
		link = sign(time.Second)
		time.Sleep(2100 * time.Millisecond)
		if status, body := fetch(t, r, link); status != 403 || !strings.Contains(body, "expired") {
			t.Errorf("expired: %d %s", status, body)
		}
	})
}
