package memory

import (
	"strings"
	"time"

	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/s3err"
)

// readConditions are the conditions of GET and HEAD, or of a copy's source.
type readConditions struct {
	ifMatch, ifNoneMatch *string
	modSince, unmodSince *time.Time
}

// check evaluates the conditions in the order S3 documents: If-Match beats
// If-Unmodified-Since, If-None-Match beats If-Modified-Since. It returns 412
// for the first pair and 304 for the second.
func (c readConditions) check(o *object) error {
	switch {
	case c.ifMatch != nil:
		if !matches(*c.ifMatch, o.etag) {
			return s3err.GetPreconditionFailedErr(s3err.ConditionIfMatch)
		}
	case c.unmodSince != nil && o.modified.After(*c.unmodSince):
		return s3err.GetPreconditionFailedErr(s3err.ConditionIfUnmodifiedSince)
	}
	switch {
	case c.ifNoneMatch != nil:
		if matches(*c.ifNoneMatch, o.etag) {
			return s3err.GetAPIError(s3err.ErrNotModified)
		}
	case c.modSince != nil && !o.modified.After(*c.modSince):
		return s3err.GetAPIError(s3err.ErrNotModified)
	}
	return nil
}

// checkSource evaluates the conditions for a copy's source, where every
// failure is a 412.
func (c readConditions) checkSource(o *object) error {
	err := c.check(o)
	if err != nil {
		return s3err.GetPreconditionFailedErr("")
	}
	return nil
}

// matches tells whether a condition's list of ETags has the object's.
func matches(list, etag string) bool {
	for tag := range strings.SplitSeq(list, ",") {
		tag = strings.Trim(strings.TrimSpace(tag), `"`)
		if tag == "*" || tag == strings.Trim(etag, `"`) {
			return true
		}
	}
	return false
}

// writeConditions are the conditions on the object a write replaces.
type writeConditions struct {
	ifMatch, ifNoneMatch *string
}

// check is told the present object, nil if there is none. S3: If-None-Match
// takes only `*` and fails with 412 if there is an object; If-Match fails with
// 404 if there is none and with 412 if there is another.
func (c writeConditions) check(present *object) error {
	etag := ""
	if present != nil {
		etag = present.etag
	}
	return backend.EvaluateObjectPutPreconditions(etag, c.ifMatch, c.ifNoneMatch, present != nil)
}

// deleteConditions are those of DeleteObject and of a key in DeleteObjects.
type deleteConditions struct {
	ifMatch  *string
	modified *time.Time
	size     *int64
}

func (c deleteConditions) none() bool {
	return c.ifMatch == nil && c.modified == nil && c.size == nil
}

// check is told the present object, nil if there is none. A conditional
// delete of a missing key fails with 412, an unconditional one succeeds.
func (c deleteConditions) check(present *object) error {
	if c.none() {
		return nil
	}
	if present == nil {
		return s3err.GetPreconditionFailedErr(s3err.ConditionIfMatch)
	}
	if c.ifMatch != nil && !matches(*c.ifMatch, present.etag) {
		return s3err.GetPreconditionFailedErr(s3err.ConditionIfMatch)
	}
	return backend.EvaluateObjectDeletePreconditions(present.etag, present.modified, present.size,
		backend.ObjectDeletePreconditions{IfMatchLastModTime: c.modified, IfMatchSize: c.size})
}
