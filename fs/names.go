package fs

import (
	"strings"
	"syscall"
)

// Names and keys. A key is made from a name, and a name from a key, here and
// nowhere else.
//
// A name is the key's last part, except where that cannot be a file name or is
// taken. Those names begin with escapePrefix, a dot so that ls leaves them out:
//
//	.pailfs~empty       the empty part, as in a//b
//	.pailfs~dot         the part "."
//	.pailfs~dotdot      the part ".."
//	.pailfs~file~NAME   the object NAME beside the directory NAME/
//	.pailfs~name~NAME   a part that itself begins with .pailfs~
const (
	escapePrefix = ".pailfs~"
	escapeFile   = escapePrefix + "file~"
	escapeName   = escapePrefix + "name~"
	escapeEmpty  = escapePrefix + "empty"
	escapeDot    = escapePrefix + "dot"
	escapeDotDot = escapePrefix + "dotdot"

	maxName = 255  // bytes, of one name in Linux
	maxKey  = 1024 // bytes, of one key in S3
)

// nameOf returns the name of a key's last part. ok is false where the part
// cannot be shown: NUL in it, or longer than a name can be.
func nameOf(part string) (name string, ok bool) {
	switch {
	case part == "":
		return escapeEmpty, true
	case part == ".":
		return escapeDot, true
	case part == "..":
		return escapeDotDot, true
	case strings.HasPrefix(part, escapePrefix):
		name = escapeName + part
	default:
		name = part
	}
	return name, len(name) <= maxName && !strings.ContainsRune(name, 0)
}

// besideName is the name of an object that stands beside a directory of its
// name. The empty part has no object: "a/" is the marker of a.
func besideName(part string) (name string, ok bool) {
	name = escapeFile + part
	return name, part != "" && len(name) <= maxName
}

// partOf is the inverse of nameOf and besideName. fileOnly says that the name
// means the object and never the directory.
func partOf(name string) (part string, fileOnly bool, ok bool) {
	switch {
	case name == escapeEmpty:
		return "", false, true
	case name == escapeDot:
		return ".", false, true
	case name == escapeDotDot:
		return "..", false, true
	case strings.HasPrefix(name, escapeFile):
		part = strings.TrimPrefix(name, escapeFile)
		return part, true, part != ""
	case strings.HasPrefix(name, escapeName):
		part = strings.TrimPrefix(name, escapeName)
		return part, false, strings.HasPrefix(part, escapePrefix)
	case strings.HasPrefix(name, escapePrefix):
		return "", false, false // no other name begins so
	}
	return name, false, true
}

// lastPart is a key's last part, without the slash of a directory.
func lastPart(key string) string {
	key = strings.TrimSuffix(key, "/")
	return key[strings.LastIndexByte(key, '/')+1:]
}

// newKey is the object key for a name that is to be made in the directory dir.
func newKey(dir, name string) (string, syscall.Errno) {
	if len(name) > maxName {
		return "", syscall.ENAMETOOLONG
	}
	part, fileOnly, ok := partOf(name)
	if !ok || fileOnly || part == "" || part == "." || part == ".." {
		return "", syscall.EINVAL // reserved for what other programs stored
	}
	key := dir + part
	if len(key)+1 > maxKey { // a directory adds its slash
		return "", syscall.ENAMETOOLONG
	}
	return key, 0
}
