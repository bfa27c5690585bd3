package fs

import (
	"context"
	"errors"
	"log/slog"
	"syscall"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/xattr"
)

// errnoTable is the only place where an error becomes an errno. The first
// match counts. What is not in it is EIO, never ENOSYS: the kernel takes ENOSYS
// as "this file system has no such operation" and stops asking.
var errnoTable = []struct {
	err   error
	errno syscall.Errno
}{
	{bucket.ErrChanged, syscall.ESTALE}, // before the next: a version can change by vanishing
	{bucket.ErrNotExist, syscall.ENOENT},
	{bucket.ErrNoBucket, syscall.EIO}, // ENOENT would speak of the file
	{bucket.ErrPermission, syscall.EACCES},
	{bucket.ErrNoCreds, syscall.EACCES},
	{bucket.ErrArchived, syscall.EPERM},
	{bucket.ErrTooLarge, syscall.EFBIG},
	{bucket.ErrInvalid, syscall.EIO}, // EINVAL would accuse the program: "cannot move into itself"
	{bucket.ErrQuota, syscall.EDQUOT},
	{bucket.ErrNotSupported, syscall.EOPNOTSUPP},
	{bucket.ErrThrottled, syscall.EIO},
	{bucket.ErrUnreachable, syscall.EIO},
	{bucket.ErrServer, syscall.EIO},
	{bucket.ErrRange, syscall.EIO},
	{xattr.ErrNoAttr, syscall.ENODATA},
	{xattr.ErrLifetime, syscall.EINVAL},
	{xattr.ErrReadOnly, syscall.EPERM},
	{context.Canceled, syscall.EINTR},
	{context.DeadlineExceeded, syscall.ETIMEDOUT},
}

// toErrno maps an error to what the program sees.
func toErrno(err error) syscall.Errno {
	if err == nil {
		return 0
	}
	for _, row := range errnoTable {
		if errors.Is(err, row.err) {
			return row.errno
		}
	}
	// Our own, or the local disk's. A socket's errno never gets here: it comes
	// inside an error of package bucket.
	var errno syscall.Errno
	if errors.As(err, &errno) && errno != syscall.ENOSYS {
		return errno
	}
	return syscall.EIO
}

// quiet says which outcomes are part of ordinary work and not worth a line.
func quiet(errno syscall.Errno) bool {
	switch errno {
	case 0, syscall.ENOENT, syscall.EEXIST, syscall.ENOTEMPTY, syscall.ENODATA, syscall.EINTR, syscall.EROFS,
		syscall.ENAMETOOLONG, syscall.EOPNOTSUPP:
		return true
	}
	return false
}

// fail turns an operation's error into its errno, and logs what the errno
// cannot say. It is called once, where the answer is made.
func (f *FS) fail(op, key string, err error) syscall.Errno {
	errno := toErrno(err)
	if errors.Is(err, bucket.ErrArchived) {
		f.tellArchived(op, key, err)
	} else if !quiet(errno) {
		f.log.Warn(op+" failed", "key", key, "errno", errno.Error(), "err", err)
	} else if err != nil && f.log.Enabled(context.Background(), slog.LevelDebug) {
		f.log.Debug(op, "key", key, "errno", errno.Error(), "err", err)
	}
	return errno
}
