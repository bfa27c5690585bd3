package bucket

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"syscall"
	"testing"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

func answer(status int, code string) error {
	var err error = errors.New("no code")
	if code != "" {
		err = &smithy.GenericAPIError{Code: code, Message: "test"}
	}
	resp := &http.Response{StatusCode: status, Header: http.Header{}}
	return &smithy.OperationError{Err: &smithyhttp.ResponseError{Response: &smithyhttp.Response{Response: resp}, Err: err}}
}

func sendFailure(err error) error {
	return &smithy.OperationError{Err: &smithyhttp.RequestSendError{Err: err}}
}

func TestClassify(t *testing.T) {
	refused := &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}
	for _, tc := range []struct {
		name      string
		err       error
		want      error
		transient bool
	}{
		{"no key", answer(404, "NoSuchKey"), ErrNotExist, false},
		{"head", answer(404, "NotFound"), ErrNotExist, false},
		{"bare 404", answer(404, ""), ErrNotExist, false},
		{"no bucket", answer(404, "NoSuchBucket"), ErrNoBucket, false},
		{"denied", answer(403, "AccessDenied"), ErrPermission, false},
		{"bare 403", answer(403, ""), ErrPermission, false},
		{"unknown key id as 404", answer(404, "InvalidAccessKeyId"), ErrPermission, false},
		{"versitygw", answer(404, "XAdminUserNotFound"), ErrPermission, false},
		{"archived", answer(403, "InvalidObjectState"), ErrArchived, false},
		{"412", answer(412, "PreconditionFailed"), ErrChanged, false},
		{"bare 412", answer(412, ""), ErrChanged, false},
		{"409", answer(409, "ConditionalRequestConflict"), ErrChanged, false},
		{"another 409", answer(409, "ObjectParentIsFile"), ErrInvalid, false},
		{"416", answer(416, "InvalidRange"), ErrRange, false},
		{"slow down", answer(503, "SlowDown"), ErrThrottled, true},
		{"bare 503", answer(503, ""), ErrThrottled, true},
		{"429", answer(429, ""), ErrThrottled, true},
		{"too large", answer(400, "EntityTooLarge"), ErrTooLarge, false},
		{"400", answer(400, "InvalidArgument"), ErrInvalid, false},
		{"500", answer(500, "InternalError"), ErrServer, true},
		{"502", answer(502, ""), ErrUnreachable, true},
		{"request timeout", answer(400, "RequestTimeout"), ErrUnreachable, true},
		{"501", answer(501, "NotImplemented"), ErrNotSupported, false},
		{"bare 501", answer(501, ""), ErrNotSupported, false},
		{"quota", answer(403, "QuotaExceeded"), ErrQuota, false},
		{"minio full", answer(507, "XMinioStorageFull"), ErrQuota, false},
		{"redirect", answer(301, "PermanentRedirect"), ErrInvalid, false},
		{"refused", sendFailure(refused), ErrUnreachable, true},
		{"reset", sendFailure(syscall.ECONNRESET), ErrUnreachable, true},
		{"closed", sendFailure(io.EOF), ErrUnreachable, true},
		{"cut", &smithy.DeserializationError{Err: io.ErrUnexpectedEOF}, ErrUnreachable, true},
		{"stalled", sendFailure(errStalled), ErrUnreachable, true},
		{"own deadline", &smithy.CanceledError{Err: context.DeadlineExceeded}, ErrUnreachable, false},
		{"bad answer", &smithy.DeserializationError{Err: errors.New("XML")}, ErrServer, true},
		{"no credentials", &smithy.OperationError{Err: errors.Join(ErrNoCreds, refused)}, ErrNoCreds, false},
	} {
		t.Run(tc.name, func(t *testing.T) {
			if got := classify(tc.err); got != tc.want {
				t.Errorf("class %v, want %v", got, tc.want)
			}
			if got := isTransient(tc.err); got != tc.transient {
				t.Errorf("transient %v", got)
			}
			err := fail(t.Context(), "Op", "key", tc.err)
			if !errors.Is(err, tc.want) || errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("wrapped as %v", err)
			}
		})
	}
}

func TestFailOfEndedContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := fail(ctx, "Op", "key", sendFailure(io.EOF))
	if !errors.Is(err, context.Canceled) || errors.Is(err, ErrUnreachable) {
		t.Error(err)
	}
	if again := fail(t.Context(), "Outer", "", err); again != err {
		t.Error("wrapped twice:", again)
	}
}
