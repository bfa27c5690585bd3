package bucket

import (
	"maps"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// MaxMetadata is the most that S3 takes of user metadata: the bytes of all names
// and values together.
const MaxMetadata = 2048

// Names of file attributes in x-amz-meta-*. The first group is written; what s3fs
// and rclone read of it has the names and formats they use.
const (
	metaMode    = "mode" // st_mode, decimal (s3fs, geesefs) or octal (rclone)
	metaUID     = "uid"  // decimal
	metaGID     = "gid"
	metaMtime   = "mtime" // seconds with fraction (s3fs, rclone, geesefs) or RFC 3339 (rclone -M)
	metaAtime   = "atime"
	metaRdev    = "rdev"           // decimal, or hexadecimal (rclone)
	metaSymlink = "pailfs-symlink" // target, percent-encoded
	metaAttrs   = "pailfs-attrs"   // "1" on a prefix whose objects carry attributes

	// AWS DataSync, Storage Gateway and FSx.
	metaFilePermissions = "file-permissions" // octal
	metaFileOwner       = "file-owner"       // decimal
	metaFileGroup       = "file-group"
	metaFileMtime       = "file-mtime" // "1528992631512000000ns"
	metaFileAtime       = "file-atime"

	metaGeeseSymlink = "--symlink-target" // geesefs; the target as it is or escaped
)

// File type bits of st_mode, as in inode(7).
const (
	modeTypes = 0o170000
	modeAll   = 0o177777
)

// Attributes are a file's attributes as they are kept in an object's metadata.
// What is nil is not recorded.
type Attributes struct {
	Mode *uint32 // st_mode: type and permission bits. A file type of 0 is not recorded
	UID  *uint32
	GID  *uint32

	Mtime *time.Time
	Atime *time.Time

	// Symlink is the target. Symlinks of s3fs have it in the object's body: then
	// it is nil while Mode says S_IFLNK.
	Symlink *string
	Rdev    *uint32

	// AttrsMarker on a directory's object says that objects below it carry
	// attributes which a listing does not show.
	AttrsMarker bool
}

// DecodeAttributes reads the attributes that pailfs, s3fs, rclone, geesefs, AWS
// DataSync or Storage Gateway wrote, in this order of preference. Names are
// lower-case, without "x-amz-meta-". Malformed values count as not recorded.
func DecodeAttributes(meta map[string]string) Attributes {
	return Attributes{
		Mode:        first(parseMode(meta[metaMode]), parseUint(meta[metaFilePermissions], 8, modeAll)),
		UID:         first(parseID(meta[metaUID]), parseID(meta[metaFileOwner])),
		GID:         first(parseID(meta[metaGID]), parseID(meta[metaFileGroup])),
		Mtime:       first(parseTime(meta[metaMtime]), parseTime(meta[metaFileMtime])),
		Atime:       first(parseTime(meta[metaAtime]), parseTime(meta[metaFileAtime])),
		Symlink:     first(parseTarget(meta[metaSymlink]), parseTarget(meta[metaGeeseSymlink])),
		Rdev:        first(parseID(meta[metaRdev]), parseUint(meta[metaRdev], 16, 1<<32-1)),
		AttrsMarker: meta[metaAttrs] == "1",
	}
}

// Encode returns a copy of meta that records exactly a, in the spelling that
// pailfs, s3fs and rclone read; DecodeAttributes gives a back. Spellings of other
// programs are kept up to date where they are present, and what is no attribute
// is left alone. Whether the result fits, MetadataSize tells.
func (a Attributes) Encode(meta map[string]string) map[string]string {
	out := maps.Clone(meta)
	if out == nil {
		out = make(map[string]string)
	}
	set := func(v *string, name string) {
		if v == nil {
			delete(out, name)
			return
		}
		out[name] = *v
	}
	also := func(v *string, name string) {
		if _, ok := out[name]; ok {
			set(v, name)
		}
	}
	set(format(a.Mode, decimal), metaMode)
	also(format(a.Mode, octal), metaFilePermissions)
	set(format(a.UID, decimal), metaUID)
	also(format(a.UID, decimal), metaFileOwner)
	set(format(a.GID, decimal), metaGID)
	also(format(a.GID, decimal), metaFileGroup)
	set(format(a.Mtime, formatTime), metaMtime)
	also(format(a.Mtime, formatNanos), metaFileMtime)
	set(format(a.Atime, formatTime), metaAtime)
	also(format(a.Atime, formatNanos), metaFileAtime)
	set(format(a.Symlink, percentEncode), metaSymlink)
	also(format(a.Symlink, percentEncode), metaGeeseSymlink)
	set(format(a.Rdev, decimal), metaRdev)
	if delete(out, metaAttrs); a.AttrsMarker {
		out[metaAttrs] = "1"
	}
	return out
}

// MetadataSize is what S3 counts against MaxMetadata.
func MetadataSize(meta map[string]string) int {
	n := 0
	for k, v := range meta {
		n += len(k) + len(v)
	}
	return n
}

func first[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

func format[T any](v *T, f func(T) string) *string {
	if v == nil {
		return nil
	}
	s := f(*v)
	return &s
}

func decimal(v uint32) string { return strconv.FormatUint(uint64(v), 10) }

// octal keeps the permission bits alone: DataSync and Storage Gateway write
// "0755", and their reading of more is not documented.
func octal(v uint32) string { return "0" + strconv.FormatUint(uint64(v&^modeTypes), 8) }

func parseUint(s string, base int, limit uint64) *uint32 {
	v, err := strconv.ParseUint(s, base, 32)
	if err != nil || v > limit {
		return nil
	}
	w := uint32(v)
	return &w
}

func parseID(s string) *uint32 { return parseUint(s, 10, 1<<32-1) }

// parseMode reads "33188" of s3fs and "100644" or "0100644" of rclone, which are
// the same mode. A decimal that is no possible st_mode is octal: with the file
// type written out that is unambiguous but for character devices and fifos, where
// the decimal reading wins.
func parseMode(s string) *uint32 {
	if !strings.HasPrefix(s, "0") {
		if m := parseUint(s, 10, modeAll); m != nil && knownType(*m) {
			return m
		}
	}
	if m := parseUint(s, 8, modeAll); m != nil && knownType(*m) {
		return m
	}
	return nil
}

func knownType(mode uint32) bool {
	switch mode & modeTypes {
	case 0, 0o010000, 0o020000, 0o040000, 0o060000, 0o100000, 0o120000, 0o140000:
		return true
	}
	return false
}

// parseTarget decodes a symlink's target. A stray "%" of a foreign writer means
// that it did not encode.
func parseTarget(s string) *string {
	if s == "" {
		return nil
	}
	target, err := url.PathUnescape(s)
	if err != nil {
		target = s
	}
	if target == "" || strings.ContainsRune(target, 0) {
		return nil
	}
	return &target
}
