package bucket

import "errors"

// Classes of failure. Every error of this package wraps one of them, or the
// caller's context error, or the error of the caller's own reader or writer.
var (
	ErrNotExist     = errors.New("no such object")
	ErrNoBucket     = errors.New("no such bucket")
	ErrPermission   = errors.New("access denied")
	ErrChanged      = errors.New("the object has changed")           // 412, 409, 404 under If-Match
	ErrUploadGone   = errors.New("the store has dropped the upload") // its parts must be sent again
	ErrArchived     = errors.New("the object is archived and must be restored first")
	ErrThrottled    = errors.New("the store asks to slow down")
	ErrTooLarge     = errors.New("too large for the store")
	ErrInvalid      = errors.New("the store refuses the request as invalid")
	ErrUnreachable  = errors.New("the store cannot be reached")
	ErrServer       = errors.New("the store failed")
	ErrNoCreds      = errors.New("no credentials")
	ErrRange        = errors.New("range beyond the end of the object")
	ErrQuota        = errors.New("the store's quota is used up")
	ErrNotSupported = errors.New("the store does not offer this")
)
