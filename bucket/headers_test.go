package bucket

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// Which of the options' headers each call carries, by the S3 API reference.
func TestHeadersOfEachCall(t *testing.T) {
	const (
		customer = "X-Amz-Server-Side-Encryption-Customer-Algorithm X-Amz-Server-Side-Encryption-Customer-Key X-Amz-Server-Side-Encryption-Customer-Key-Md5 "
		source   = "X-Amz-Copy-Source-Server-Side-Encryption-Customer-Algorithm X-Amz-Copy-Source-Server-Side-Encryption-Customer-Key X-Amz-Copy-Source-Server-Side-Encryption-Customer-Key-Md5 X-Amz-Source-Expected-Bucket-Owner "
		every    = "X-Amz-Request-Payer X-Amz-Expected-Bucket-Owner "
		create   = "X-Amz-Acl X-Amz-Storage-Class X-Amz-Server-Side-Encryption X-Amz-Server-Side-Encryption-Aws-Kms-Key-Id Expires "
	)
	want := map[string]string{
		"ListObjectsV2":           every,
		"HeadObject":              every + customer,
		"GetObject":               every + customer,
		"PutObject":               every + customer + create,
		"CreateMultipartUpload":   every + customer + create,
		"UploadPart":              every + customer,
		"CompleteMultipartUpload": every + customer + "If-None-Match",
		"CopyObject":              every + customer + create + source + "If-None-Match X-Amz-Copy-Source-If-Match",
		"UploadPartCopy":          every + customer + source + "X-Amz-Copy-Source-If-Match X-Amz-Copy-Source-Range",
		"GetObjectTagging":        every,
		"DeleteObject":            every + "If-Match",
		"DeleteObjects":           every,
	}
	never := map[string]string{
		"UploadPart":              create,
		"CompleteMultipartUpload": create,
	}
	f := newFake(t, answerAnything, func(o *Options) {
		o.SSE, o.SSEKMSKeyID, o.SSECKey = "aws:kms", "kms-key", bytes.Repeat([]byte{7}, 32)
		o.ACL, o.StorageClass, o.RequesterPays, o.ExpectedBucketOwner = "private", "STANDARD_IA", true, "123456789012"
		o.PartSize, o.CopyPartLimit = 5<<20, 5<<20
	})
	useEverything(t, f.Bucket)
	seen := map[string]bool{}
	for _, r := range f.all() {
		op := operation(r)
		seen[op] = true
		for _, name := range strings.Fields(want[op]) {
			if r.Header.Get(name) == "" {
				t.Errorf("%s lacks %s", op, name)
			}
		}
		for _, name := range strings.Fields(never[op]) {
			if r.Header.Get(name) != "" {
				t.Errorf("%s has %s", op, name)
			}
		}
	}
	for op := range want {
		if !seen[op] {
			t.Errorf("%s was not called", op)
		}
	}
}

func useEverything(t *testing.T, b *Bucket) {
	t.Helper()
	ctx := t.Context()
	large := bytes.NewReader(make([]byte, 6<<20))
	headers := Headers{Expires: "0"}
	in := textPut("k", "x", Condition{})
	in.Headers = headers
	from := Object{Key: "k", Size: 1, ETag: "e1", StorageClass: "STANDARD_IA"}
	largeFrom := from
	largeFrom.Size = 6 << 20
	_, err1 := b.List(ctx, ListInput{})
	_, err2 := b.Head(ctx, "k")
	_, err3 := b.Put(ctx, in)
	_, err4 := b.Put(ctx, PutInput{Key: "k", Body: large, Size: large.Size(), If: Condition{Absent: true}, Headers: headers})
	_, err5 := b.Copy(ctx, CopyInput{From: from, To: "to", Replace: true, Headers: headers, If: Condition{Absent: true}})
	_, err6 := b.Copy(ctx, CopyInput{From: largeFrom, To: "to", Replace: true, Headers: headers, If: Condition{Absent: true}})
	err7 := b.Delete(ctx, "k", "e1")
	errs := b.DeleteAll(ctx, []DeleteItem{{Key: "k"}})
	err8 := b.Fill(ctx, "k", "e1", 0, make([]byte, 1))
	for _, err := range []error{err1, err2, err3, err4, err5, err6, err7, err8} {
		if err != nil {
			t.Error(err)
		}
	}
	if len(errs) > 0 {
		t.Error(errs)
	}
}

// operation names a request as S3 would.
func operation(r *http.Request) string {
	q := r.URL.Query()
	copies := r.Header.Get("X-Amz-Copy-Source") != ""
	switch {
	case q.Has("list-type"):
		return "ListObjectsV2"
	case q.Has("tagging"):
		return "GetObjectTagging"
	case q.Has("uploads"):
		return "CreateMultipartUpload"
	case q.Has("delete"):
		return "DeleteObjects"
	case q.Has("partNumber") && copies:
		return "UploadPartCopy"
	case q.Has("partNumber"):
		return "UploadPart"
	case q.Has("uploadId") && r.Method == http.MethodDelete:
		return "AbortMultipartUpload"
	case q.Has("uploadId"):
		return "CompleteMultipartUpload"
	case copies:
		return "CopyObject"
	}
	return map[string]string{"GET": "GetObject", "HEAD": "HeadObject", "PUT": "PutObject", "DELETE": "DeleteObject"}[r.Method]
}

// answerAnything says yes to every call.
func answerAnything(w http.ResponseWriter, r *http.Request) {
	drain(r)
	op := operation(r)
	inner := ""
	switch op {
	case "CreateMultipartUpload":
		inner = "<UploadId>u</UploadId>"
	case "CopyObject", "UploadPartCopy", "CompleteMultipartUpload":
		inner = "<ETag>&quot;e1&quot;</ETag>"
	case "GetObjectTagging":
		inner = "<TagSet><Tag><Key>a b</Key><Value>c&amp;d</Value></Tag></TagSet>"
	case "GetObject":
		serve(w, r, content)
		return
	case "HeadObject", "PutObject", "UploadPart":
		w.Header().Set("ETag", `"e1"`)
		return
	case "DeleteObject":
		w.WriteHeader(http.StatusNoContent)
		return
	}
	sendXML(w, "Result", inner)
}

func TestCopyBySupplyingAgain(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodHead {
			w.Header().Set("ETag", `"src"`)
			w.Header().Set("Content-Length", fmt.Sprint(12<<20))
			w.Header().Set("Content-Type", "image/png")
			w.Header().Set("X-Amz-Meta-Uid", "7")
			w.Header().Set("X-Amz-Storage-Class", "STANDARD_IA")
			return
		}
		answerAnything(w, r)
	}, func(o *Options) { o.CopyPartLimit, o.PartSize = 5<<20, 5<<20 })
	_, err := f.Copy(t.Context(), CopyInput{From: Object{Key: "a b+c%ü/?#", Size: 12 << 20, ETag: "src"}, To: "to"})
	if err != nil {
		t.Fatal(err)
	}
	ranges := 0
	for _, r := range f.all() {
		switch operation(r) {
		case "CreateMultipartUpload":
			h := r.Header
			if h.Get("X-Amz-Meta-Uid") != "7" || h.Get("Content-Type") != "image/png" || h.Get("X-Amz-Storage-Class") != "STANDARD_IA" || h.Get("X-Amz-Tagging") != "a+b=c%26d" {
				t.Errorf("%v", h)
			}
		case "UploadPartCopy":
			ranges++
			if got := r.Header.Get("X-Amz-Copy-Source"); got != "b/a%20b%2Bc%25%C3%BC/%3F%23" {
				t.Error(got)
			}
		}
	}
	if ranges != 3 {
		t.Errorf("%d parts", ranges)
	}
}
