package bucket

import (
	"log/slog"
	"time"
)

// Options says which bucket to speak to and how. Only Bucket is required.
type Options struct {
	Bucket    string
	Endpoint  string // URL of the S3 endpoint; "" is AWS
	Region    string // "" is what the environment says, else us-east-1; a redirect is followed
	Profile   string // profile of the shared AWS configuration
	PathStyle bool   // address as ENDPOINT/BUCKET/KEY
	Anonymous bool   // do not sign requests

	StorageClass        string // of what is written; "" is the bucket's default
	SSE                 string // AES256, aws:kms or aws:kms:dsse
	SSEKMSKeyID         string
	SSECKey             []byte // 32 bytes, a customer key for every read and write
	ACL                 string // canned ACL of what is written
	RequesterPays       bool
	ExpectedBucketOwner string // account id that must own the bucket

	// Checksums is Auto, Always or Never: whether what is sent carries a CRC32C
	// that the store checks. "" is Auto: until the store refuses them.
	Checksums string

	// Deadline bounds each metadata operation with all its retries, and each
	// wait for progress of a transfer; 0 is 60 s.
	Deadline time.Duration
	// PartSize of multipart uploads in bytes; 0 is 8 MiB, the least is S3's
	// 5 MiB. It grows so that 10,000 parts suffice.
	PartSize int64
	// PutLimit is the largest object stored by one PUT; 0 is PartSize.
	PutLimit int64
	// CopyPartLimit is the largest object that CopyObject takes; above it the
	// copy goes by parts. 0 is S3's 5 GiB.
	CopyPartLimit int64
	// Limits lowers what S3 allows; the zero value is that.
	Limits Limits
	// InFlight bounds the requests of one transfer; 0 is 16.
	InFlight int
	// Uploads is told of each multipart upload; nil is nobody.
	Uploads UploadLog

	Logger *slog.Logger // nil discards
}
