package bucket

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"syscall"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// callError is a failed call: what was tried on which key, the class of the
// failure, and what the store said.
type callError struct {
	op, key string
	class   error
	cause   error
}

func (e *callError) Error() string {
	s := e.op
	if e.key != "" {
		s += " " + strconv.Quote(e.key)
	}
	s += ": " + e.class.Error()
	if d := detail(e.cause); d != "" && d != e.class.Error() {
		s += " (" + d + ")"
	}
	return s
}

// Unwrap hides the cause where it holds a context error that is not the
// caller's: our own deadlines are ErrUnreachable and nothing else.
func (e *callError) Unwrap() []error {
	if errors.Is(e.cause, context.Canceled) || errors.Is(e.cause, context.DeadlineExceeded) {
		return []error{e.class}
	}
	return []error{e.class, e.cause}
}

// detail is what is worth reading in an SDK error.
func detail(err error) string {
	var api smithy.APIError
	if !errors.As(err, &api) {
		var send *smithyhttp.RequestSendError
		if errors.As(err, &send) {
			return send.Err.Error()
		}
		return err.Error()
	}
	s := api.ErrorCode()
	if m := api.ErrorMessage(); m != "" && m != s {
		s += ": " + m
	}
	var resp *smithyhttp.ResponseError
	if errors.As(err, &resp) {
		s = fmt.Sprintf("%d %s", resp.HTTPStatusCode(), s)
		if id := resp.Response.Header.Get("X-Amz-Request-Id"); id != "" {
			s += ", request " + id
		}
	}
	return s
}

// fail wraps err with its operation, key and class. ctx is the caller's: where
// that has ended, its error is the class.
func fail(ctx context.Context, op, key string, err error) error {
	if err == nil {
		return nil
	}
	if known := (*callError)(nil); errors.As(err, &known) {
		return err
	}
	class := ctx.Err()
	if class == nil {
		class = classify(err)
	}
	return &callError{op: op, key: key, class: class, cause: err}
}

// failAs wraps a failure whose class is known.
func failAs(class error, op, key, format string, args ...any) error {
	return &callError{op: op, key: key, class: class, cause: fmt.Errorf(format, args...)}
}

// classify finds the Err… value that err belongs to.
func classify(err error) error {
	for _, class := range []error{ErrNoCreds, ErrThrottled, ErrChanged, ErrRange, ErrInvalid} {
		if errors.Is(err, class) {
			return class
		}
	}
	var api smithy.APIError
	if errors.As(err, &api) {
		if class := classifyCode(api.ErrorCode()); class != nil {
			return class
		}
	}
	if status := statusOf(err); status >= 300 {
		return classifyStatus(status)
	}
	if isNetwork(err) {
		return ErrUnreachable
	}
	var bad *smithy.InvalidParamsError
	var build *smithy.SerializationError
	if errors.As(err, &bad) || errors.As(err, &build) {
		return ErrInvalid
	}
	return ErrServer
}

// classifyCode knows the codes that say more than their HTTP status, of S3
// ("List of error codes" in its API reference) and of other stores.
func classifyCode(code string) error {
	switch code {
	case "NoSuchBucket":
		return ErrNoBucket
	case "NoSuchKey", "NotFound", "NoSuchVersion", "NoSuchUpload":
		return ErrNotExist
	case "InvalidObjectState":
		return ErrArchived
	case "AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken",
		"AllAccessDisabled", "AccountProblem", "RequestTimeTooSkewed", "TokenRefreshRequired",
		"XAdminUserNotFound": // versitygw's InvalidAccessKeyId, which it sends as a 404
		return ErrPermission
	case "PreconditionFailed", "ConditionalRequestConflict", "OperationAborted":
		return ErrChanged
	case "InvalidRange":
		return ErrRange
	case "SlowDown", "SlowDownRead", "SlowDownWrite", "ServiceUnavailable", "Throttling", "ThrottlingException",
		"TooManyRequests", "TooManyRequestsException", "RequestLimitExceeded", "RequestThrottled",
		"BandwidthLimitExceeded":
		return ErrThrottled
	case "EntityTooLarge":
		return ErrTooLarge
	case "QuotaExceeded", "QuotaExceededException", "StorageQuotaExceeded", "InsufficientStorage",
		"InsufficientCapacity", "StorageFull", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded":
		return ErrQuota
	case "NotImplemented", "XNotImplemented", "MethodNotAllowed":
		return ErrNotSupported
	case "RequestTimeout":
		return ErrUnreachable // the store gave up on a stalled upload, with a 400
	case "InternalError":
		return ErrServer
	}
	return nil
}

func classifyStatus(status int) error {
	switch status {
	case http.StatusNotFound:
		return ErrNotExist
	case http.StatusUnauthorized, http.StatusForbidden:
		return ErrPermission
	case http.StatusPreconditionFailed:
		return ErrChanged
	case http.StatusRequestedRangeNotSatisfiable:
		return ErrRange
	case http.StatusServiceUnavailable, http.StatusTooManyRequests:
		return ErrThrottled
	case http.StatusRequestEntityTooLarge:
		return ErrTooLarge
	case http.StatusInsufficientStorage:
		return ErrQuota
	case http.StatusNotImplemented, http.StatusMethodNotAllowed:
		return ErrNotSupported
	case http.StatusRequestTimeout, http.StatusBadGateway, http.StatusGatewayTimeout:
		return ErrUnreachable
	}
	if status >= 500 {
		return ErrServer
	}
	return ErrInvalid
}

func statusOf(err error) int {
	var resp *smithyhttp.ResponseError
	if errors.As(err, &resp) && resp.Response != nil && resp.Response.Response != nil {
		return resp.HTTPStatusCode()
	}
	return 0
}

func codeOf(err error) string {
	var api smithy.APIError
	if errors.As(err, &api) {
		return api.ErrorCode()
	}
	return ""
}

// isNetwork is true for failures between us and the store.
func isNetwork(err error) bool {
	var send *smithyhttp.RequestSendError
	var netErr net.Error
	var errno syscall.Errno
	return errors.As(err, &send) || errors.As(err, &netErr) || errors.As(err, &errno) ||
		errors.Is(err, errStalled) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, io.EOF) ||
		errors.Is(err, net.ErrClosed) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// isDialError is true where no connection could be had at all.
func isDialError(err error) bool {
	var op *net.OpError
	var dns *net.DNSError
	return (errors.As(err, &op) && op.Op == "dial") || errors.As(err, &dns)
}

func isThrottled(err error) bool { return errors.Is(classify(err), ErrThrottled) }

// isTransient decides on another attempt: 5xx, 429, lost and stalled
// connections. A broken certificate or a context's end will not get better.
func isTransient(err error) bool {
	var cert *tls.CertificateVerificationError
	var authority x509.UnknownAuthorityError
	var record tls.RecordHeaderError
	var src *sourceError
	switch {
	case errors.As(err, &src):
		return false
	case errors.As(err, &cert), errors.As(err, &authority), errors.As(err, &record):
		return false
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		return false
	}
	switch classify(err) {
	case ErrThrottled, ErrUnreachable, ErrServer:
		return true
	}
	return isClockSkew(err)
}

// isClockSkew is the SDK's finding that the clock, which it then corrects, was
// the reason of a refusal. Its type is not exported.
func isClockSkew(err error) bool {
	var retryable interface{ RetryableError() bool }
	return errors.As(err, &retryable) && retryable.RetryableError()
}
