// Package xattr turns the names of extended attributes into values: share
// links and the facts that S3 keeps of an object.
//
//	user.s3.url             a presigned GET with the mount's default lifetime
//	user.s3.url.LIFETIME    the same with another lifetime: 15m, 24h, 7d
//	user.s3.url.expires     RFC 3339: when a link made now really ends
//	user.s3.bucket          and key, etag, size, last-modified, storage-class,
//	                        content-type, version-id: read-only facts
//	user.s3.restore         of an archived object: x-amz-restore as S3 tells it, or
//	                        "archived: not restored"; others have none
//
// The url names are readable but never listed: cp -a and rsync -X copy what is
// listed, and would copy a live bearer link with it. No link is ever logged.
//
// Listing sends no request. Getting a link sends none either; getting a fact
// sends one only where the listing did not carry it, and for what changes while
// the version stays: whether an archived object is restored.
package xattr
