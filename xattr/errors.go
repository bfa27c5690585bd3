package xattr

import (
	"errors"
	"fmt"

	"github.com/pailfs/pailfs/bucket"
)

var (
	// ErrNoAttr says that the file has no attribute of that name (ENODATA).
	ErrNoAttr = errors.New("no such attribute")
	// ErrLifetime says that a link cannot be given that lifetime (EINVAL).
	ErrLifetime = errors.New("bad lifetime of a share link")
	// ErrReadOnly says that the attribute is a fact of S3 (EPERM).
	ErrReadOnly = errors.New("the attribute is read-only")
	// ErrPermission says that this user may not make links (EACCES). It wraps
	// bucket.ErrPermission.
	ErrPermission = fmt.Errorf("share links are for the mounting user and root: %w", bucket.ErrPermission)
)
