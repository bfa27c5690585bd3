package bucket

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// Object is what S3 says of one version of one object.
type Object struct {
	Key          string
	Size         int64  // bytes, as stored
	ETag         string // without quotes; opaque, see Object.SameVersion
	LastModified time.Time
	StorageClass string // "" means STANDARD
	VersionID    string // "" where the bucket is not versioned

	// Full says that the fields below are known: they come with a HEAD, a GET
	// or our own PUT, never with a listing.
	Full bool
	// Headers that an edit must carry over to the next version.
	Headers Headers
	// Metadata holds x-amz-meta-* by lower-case name without that prefix.
	Metadata map[string]string
	// TagCount is the number of object tags, as far as the store says.
	TagCount int
	// Restore is the x-amz-restore header of an archived object.
	Restore string
	// ArchiveStatus is the archive tier that an object of INTELLIGENT_TIERING is
	// in; "" where it can be read. Only a HEAD tells it.
	ArchiveStatus string
}

// Headers are the stored HTTP headers of an object.
type Headers struct {
	ContentType        string
	ContentEncoding    string
	ContentDisposition string
	ContentLanguage    string
	CacheControl       string
	Expires            string
}

// SameVersion reports whether o and p are the same version of the same key.
func (o Object) SameVersion(p Object) bool {
	return o.Key == p.Key && o.ETag == p.ETag
}

// IsArchived reports whether the object has to be restored before it can be read,
// or had to be, as far as o knows: by its class, or by the tier that its class
// has moved it to.
func (o Object) IsArchived() bool {
	switch types.StorageClass(o.StorageClass) {
	case types.StorageClassGlacier, types.StorageClassDeepArchive:
		return true
	}
	return o.Restore != "" || o.ArchiveStatus != ""
}

// MayBeArchived reports whether IsArchived, or a HEAD could say so.
func (o Object) MayBeArchived() bool {
	return o.IsArchived() || types.StorageClass(o.StorageClass) == types.StorageClassIntelligentTiering
}

// Page is one page of a listing. It can be empty and still have a Next.
type Page struct {
	Objects  []Object
	Prefixes []string // common prefixes, each ending in the delimiter
	Next     string   // continuation token; "" on the last page
}

// Condition says which version a write or delete may replace.
// The zero value is unconditional.
type Condition struct {
	Absent bool   // If-None-Match: * (the key must not exist)
	ETag   string // If-Match (the key must have this version)
}
