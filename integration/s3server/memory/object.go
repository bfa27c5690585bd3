package memory

import (
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/s3err"
)

// maxKey is S3's limit for a key, in bytes of UTF-8.
const maxKey = 1024

// headers are the system headers S3 stores with an object.
type headers struct {
	contentType, encoding, disposition, language, cacheControl, expires, redirect string
}

// object is one version of an object. It is immutable once it is in a bucket.
type object struct {
	body     body
	size     int64
	etag     string // with its quotes
	modified time.Time
	head     headers
	meta     map[string]string
	tags     map[string]string
	class    types.StorageClass
	sum      checksum
}

// setBody gives the object its bytes and the ETag of a simple upload.
func (o *object) setBody(b body, md5sum []byte) {
	o.body, o.size, o.etag = b, b.size(), quoteETag(md5sum)
}

func quoteETag(sum []byte) string {
	return `"` + hex.EncodeToString(sum) + `"`
}

// isMultipart tells whether the ETag is one of a multipart upload.
func (o *object) isMultipart() bool {
	return strings.Contains(o.etag, "-")
}

// archived objects cannot be read before a restore.
func (o *object) archived() bool {
	return o.class == types.StorageClassGlacier || o.class == types.StorageClassDeepArchive
}

// shownClass is the class for a HEAD or GET answer: S3 leaves STANDARD out.
func (o *object) shownClass() types.StorageClass {
	if o.class == types.StorageClassStandard {
		return ""
	}
	return o.class
}

// systemHeaders builds headers from a request. aws-chunked describes the
// transfer, not the object: S3 does not store it.
func systemHeaders(typ, encoding, disposition, language, cacheControl, expires, redirect *string) headers {
	kept := slices.DeleteFunc(strings.Split(clone(encoding), ","), func(s string) bool {
		return strings.TrimSpace(s) == "aws-chunked"
	})
	return headers{
		contentType:  clone(typ),
		encoding:     strings.TrimSpace(strings.Join(kept, ",")),
		disposition:  clone(disposition),
		language:     clone(language),
		cacheControl: clone(cacheControl),
		expires:      clone(expires),
		redirect:     clone(redirect),
	}
}

// storageClass parses x-amz-storage-class; absent means STANDARD.
func storageClass(header string) (types.StorageClass, error) {
	if header == "" {
		return types.StorageClassStandard, nil
	}
	class := types.StorageClass(header)
	if !slices.Contains(class.Values(), class) {
		return "", s3err.APIError{
			Code:           "InvalidStorageClass",
			Description:    "The storage class you specified is not valid",
			HTTPStatusCode: 400,
		}
	}
	return class, nil
}

func checkKey(key string) error {
	if len(key) > maxKey {
		return s3err.GetKeyTooLongErr(int64(len(key)), maxKey)
	}
	return nil
}
