package fs

import (
	"context"
	"errors"
	"fmt"
	"net"
	"syscall"
	"testing"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/xattr"
)

func TestErrno(t *testing.T) {
	for _, c := range []struct {
		err  error
		want syscall.Errno
	}{
		{nil, 0},
		{errors.New("something else"), syscall.EIO},
		{syscall.ENOSYS, syscall.EIO}, // the kernel would stop asking
		{fmt.Errorf("%w: %w", bucket.ErrUnreachable, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), syscall.EIO},
		{fmt.Errorf("%w: %w", bucket.ErrNoCreds, syscall.ENOENT), syscall.EACCES},
		{fmt.Errorf("stage: %w", syscall.ENOSPC), syscall.ENOSPC},
		{fmt.Errorf("head k: %w", bucket.ErrNotExist), syscall.ENOENT},
		{bucket.ErrNoBucket, syscall.EIO},
		{bucket.ErrPermission, syscall.EACCES},
		{errors.Join(errors.New("x"), bucket.ErrChanged), syscall.ESTALE},
		{fmt.Errorf("fill: %w", gone(bucket.ErrNotExist)), syscall.ESTALE},
		{bucket.ErrTooLarge, syscall.EFBIG},
		{bucket.ErrQuota, syscall.EDQUOT},
		{bucket.ErrThrottled, syscall.EIO}, // never ENOENT
		{bucket.ErrUnreachable, syscall.EIO},
		{xattr.ErrNoAttr, syscall.ENODATA},
		{context.Canceled, syscall.EINTR},
		{context.DeadlineExceeded, syscall.ETIMEDOUT},
	} {
		if got := toErrno(c.err); got != c.want {
			t.Errorf("toErrno(%v) = %v, want %v", c.err, got, c.want)
		}
	}
}
