package xattr

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/pailfs/pailfs/bucket"
)

const (
	// Prefix begins every name of this package.
	Prefix = "user.s3."

	urlName     = "url"
	expiresName = "url.expires"
	urlDot      = "url."
)

// DefaultLifetime of a link where File.DefaultLifetime is 0.
const DefaultLifetime = time.Hour

// File is what this package needs to know of one file or directory.
type File struct {
	// Object is the version that the file shows. Without an ETag there is no
	// object (an implicit directory, a new file not yet stored): only bucket
	// and key exist then.
	Object bucket.Object
	Bucket string
	// NotFile says that this is a directory or a symlink: it has no url. A key
	// ending in "/" says so too.
	NotFile bool
	// MayLink says that the caller may make links.
	MayLink bool
	// DefaultLifetime of user.s3.url; 0 is the package's.
	DefaultLifetime time.Duration

	// Presign makes a link and says when it really ends. It sends no S3 request.
	Presign func(ctx context.Context, lifetime time.Duration) (url string, until time.Time, err error)
	// Full asks S3 for the object (HEAD), or gives what S3 has said just now. It is
	// called only for a fact that Object does not carry while Object.Full is
	// false, and for the state of an archived object.
	Full func(ctx context.Context) (bucket.Object, error)
	// Linker makes the size call and the value call of getxattr agree; nil
	// makes a new link at each call.
	Linker *Linker
}

// IsLink reports whether a name asks for a link, or for a link's end.
func IsLink(name string) bool {
	rest, ok := strings.CutPrefix(name, Prefix)
	return ok && (rest == urlName || strings.HasPrefix(rest, urlDot))
}

// fact reads one attribute from an object; known is false where only a HEAD
// can tell, and an empty value is an attribute that does not exist.
type fact struct {
	name string
	read func(f File, o bucket.Object) (value string, known bool)
	// changes says that the value can change while the version stays: where it is
	// not known, an earlier HEAD's word does not count.
	changes bool
}

// facts are in the order in which List names them.
func facts() []fact {
	return []fact{
		{name: "bucket", read: func(f File, _ bucket.Object) (string, bool) { return f.Bucket, true }},
		{name: "key", read: func(_ File, o bucket.Object) (string, bool) { return o.Key, true }},
		{name: "etag", read: func(_ File, o bucket.Object) (string, bool) { return o.ETag, true }},
		{name: "size", read: stored(func(o bucket.Object) (string, bool) { return strconv.FormatInt(o.Size, 10), true })},
		{name: "last-modified", read: stored(lastModified)},
		{name: "storage-class", read: stored(storageClass)},
		{name: "content-type", read: stored(func(o bucket.Object) (string, bool) { return o.Headers.ContentType, o.Full })},
		{name: "version-id", read: stored(func(o bucket.Object) (string, bool) { return o.VersionID, o.Full || o.VersionID != "" })},
		{name: "restore", read: stored(restoreState), changes: true},
	}
}

// stored limits a fact to files that have an object.
func stored(read func(o bucket.Object) (string, bool)) func(File, bucket.Object) (string, bool) {
	return func(_ File, o bucket.Object) (string, bool) {
		if o.ETag == "" {
			return "", true
		}
		return read(o)
	}
}

func lastModified(o bucket.Object) (string, bool) {
	if o.LastModified.IsZero() {
		return "", o.Full
	}
	return o.LastModified.UTC().Format(time.RFC3339), true
}

// storageClass spells out S3's default, which a HEAD leaves away.
func storageClass(o bucket.Object) (string, bool) {
	if o.StorageClass == "" {
		return "STANDARD", true
	}
	return o.StorageClass, true
}

// notRestored is user.s3.restore of an archived object that has no x-amz-restore.
const notRestored = "archived: not restored"

// restoreState is empty for what can always be read. A restore leaves the version
// as it is, so that only a HEAD knows the state of what may be archived.
func restoreState(o bucket.Object) (string, bool) {
	switch {
	case o.Restore != "":
		return o.Restore, false
	case o.ArchiveStatus != "":
		return notRestored + " (" + o.ArchiveStatus + ")", false
	case o.IsArchived():
		return notRestored, false
	}
	return "", !o.MayBeArchived()
}

// List names the facts that are known to exist, and content-type, which every
// object has. It sends no request and never names a url.
func List(f File) []string {
	var names []string
	for _, a := range facts() {
		value, known := a.read(f, f.Object)
		if value != "" || !known && a.name == "content-type" {
			names = append(names, Prefix+a.name)
		}
	}
	return names
}

// Get returns the value of one attribute. A name that is not of this package
// is ErrNoAttr, without a request. Errors of Full and Presign are wrapped.
func Get(ctx context.Context, f File, name string) ([]byte, error) {
	rest, ok := strings.CutPrefix(name, Prefix)
	if !ok {
		return nil, fmt.Errorf("%s: %w", name, ErrNoAttr)
	}
	var value string
	var err error
	switch {
	case rest == urlName || strings.HasPrefix(rest, urlDot):
		value, err = getLink(ctx, f, rest)
	default:
		value, err = getFact(ctx, f, rest)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return []byte(value), nil
}

// CheckSet says why the attribute cannot be set or removed: ErrReadOnly for
// names of this package, bucket.ErrNotSupported for all others.
func CheckSet(name string) error {
	if strings.HasPrefix(name, Prefix) {
		return fmt.Errorf("%s: %w", name, ErrReadOnly)
	}
	return fmt.Errorf("%s: extended attributes of the user: %w", name, bucket.ErrNotSupported)
}

func getFact(ctx context.Context, f File, name string) (string, error) {
	for _, a := range facts() {
		if a.name != name {
			continue
		}
		value, known := a.read(f, f.Object)
		if !known && (a.changes || !f.Object.Full) && f.Full != nil {
			full, err := f.Full(ctx)
			if err != nil {
				return "", err
			}
			value, _ = a.read(f, full)
		}
		if value == "" {
			return "", ErrNoAttr
		}
		return value, nil
	}
	return "", ErrNoAttr
}

// getLink answers url, url.LIFETIME and url.expires.
func getLink(ctx context.Context, f File, name string) (string, error) {
	if f.NotFile || f.Object.ETag == "" || strings.HasSuffix(f.Object.Key, "/") || f.Presign == nil {
		return "", ErrNoAttr
	}
	if !f.MayLink {
		return "", ErrPermission
	}
	lifetime, err := linkLifetime(f, name)
	if err != nil {
		return "", err
	}
	linker := f.Linker
	if linker == nil {
		linker = &Linker{}
	}
	k := linkKey{bucket: f.Bucket, key: f.Object.Key, etag: f.Object.ETag, lifetime: lifetime}
	made, err := linker.get(k, func() (string, time.Time, error) { return f.Presign(ctx, lifetime) })
	if err != nil {
		return "", fmt.Errorf("make a link: %w", err)
	}
	if name == expiresName {
		return made.until.UTC().Format(time.RFC3339), nil
	}
	return made.url, nil
}

func linkLifetime(f File, name string) (time.Duration, error) {
	if asked, ok := strings.CutPrefix(name, urlDot); ok && name != expiresName {
		return ParseLifetime(asked)
	}
	if f.DefaultLifetime != 0 {
		return f.DefaultLifetime, checkLifetime(f.DefaultLifetime)
	}
	return DefaultLifetime, nil
}
