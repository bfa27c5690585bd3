package lab

import (
	"net/url"
	"strings"
)

// classify names the S3 operation of a path-style request and the key it is
// about: decoded, and for a listing the prefix. target is the raw request
// target; nothing in it is cleaned, since ".." and "//" are parts of keys.
func classify(method, target string, copySource bool) (op, key string) {
	if !strings.HasPrefix(target, "/") { // absolute form: http://host/bucket/key
		_, target, _ = strings.Cut(target, "://")
		_, target, _ = strings.Cut(target, "/")
		target = "/" + target
	}
	path, query, _ := strings.Cut(target, "?")
	bucket, key, _ := strings.Cut(strings.TrimPrefix(path, "/"), "/")
	params := parseQuery(query)
	if key != "" {
		if plain, err := url.PathUnescape(key); err == nil {
			key = plain
		}
		return objectOp(method, params, copySource), key
	}
	op = bucketOp(method, bucket, params)
	if strings.HasPrefix(op, "List") {
		key = params["prefix"]
	}
	return op, key
}

// parameters are the decoded query, the last of each name.
type parameters map[string]string

func (p parameters) has(name string) bool {
	_, ok := p[name]
	return ok
}

// first returns the first of names that is present, or "".
func (p parameters) first(names ...string) string {
	for _, n := range names {
		if p.has(n) {
			return n
		}
	}
	return ""
}

// parseQuery takes what url.ParseQuery would refuse (";", bad escapes) as is.
func parseQuery(query string) parameters {
	if query == "" {
		return nil
	}
	p := parameters{}
	for pair := range strings.SplitSeq(query, "&") {
		name, value, _ := strings.Cut(pair, "=")
		p[unescape(name)] = unescape(value)
	}
	return p
}

func unescape(s string) string {
	if plain, err := url.QueryUnescape(s); err == nil {
		return plain
	}
	return s
}

func objectOp(method string, p parameters, copySource bool) string {
	if sub := p.first("tagging", "acl", "attributes", "retention", "legal-hold", "torrent"); sub != "" {
		return method + ":object-" + sub
	}
	upload := p.has("uploadId")
	switch {
	case method == "GET" && upload:
		return "ListParts"
	case method == "GET":
		return "GetObject"
	case method == "HEAD":
		return "HeadObject"
	case method == "PUT" && upload && copySource:
		return "UploadPartCopy"
	case method == "PUT" && upload:
		return "UploadPart"
	case method == "PUT" && copySource:
		return "CopyObject"
	case method == "PUT":
		return "PutObject"
	case method == "POST" && p.has("uploads"):
		return "CreateMultipartUpload"
	case method == "POST" && upload:
		return "CompleteMultipartUpload"
	case method == "POST" && p.has("restore"):
		return "RestoreObject"
	case method == "DELETE" && upload:
		return "AbortMultipartUpload"
	case method == "DELETE":
		return "DeleteObject"
	}
	return method + ":object"
}

func bucketOp(method, bucket string, p parameters) string {
	if bucket == "" {
		if method == "GET" {
			return "ListBuckets"
		}
		return method + ":service"
	}
	if sub := p.first("location", "versioning", "acl", "policy", "tagging", "lifecycle", "encryption",
		"object-lock", "cors", "ownershipControls", "publicAccessBlock"); sub != "" {
		return method + ":bucket-" + sub
	}
	switch {
	case method == "GET" && p.has("uploads"):
		return "ListMultipartUploads"
	case method == "GET" && p.has("versions"):
		return "ListObjectVersions"
	case method == "GET" && p["list-type"] == "2":
		return "ListObjectsV2"
	case method == "GET":
		return "ListObjects"
	case method == "HEAD":
		return "HeadBucket"
	case method == "PUT":
		return "CreateBucket"
	case method == "DELETE":
		return "DeleteBucket"
	case method == "POST" && p.has("delete"):
		return "DeleteObjects"
	}
	return method + ":bucket"
}
