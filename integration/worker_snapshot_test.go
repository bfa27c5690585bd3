package integration

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// seenEntry is one name of a snapshot. What failed for it is in Err, so that
// one bad entry does not hide the others.
type seenEntry struct {
	Path   string   `json:"path"` // relative to the snapshot's root
	Info   fileInfo `json:"info"`
	Target string   `json:"target,omitempty"`
	Sum    string   `json:"sum,omitempty"` // SHA-256 of a file's content, if asked for
	Read   int64    `json:"read,omitempty"`
	Err    string   `json:"err,omitempty"`
}

// callSnapshot walks a tree: all that can be seen by names, in one round trip.
func callSnapshot(r workRequest, a *workReply) error {
	return walkInto(r.path(), "", r.Sums, a)
}

func walkInto(root, dir string, sums bool, a *workReply) error {
	entries, err := os.ReadDir(filepath.Join(root, dir))
	if err != nil {
		return bareErrno(err)
	}
	for _, d := range entries {
		e := lookAt(root, filepath.Join(dir, d.Name()), sums)
		if bad := wrongType(d, e); bad != "" {
			e.Err = strings.TrimSpace(e.Err + " " + bad)
		}
		a.Entries = append(a.Entries, e)
		if e.Err != "" || e.Info.Type != 'd' {
			continue
		}
		if err := walkInto(root, e.Path, sums, a); err != nil {
			a.Entries[len(a.Entries)-1].Err = "readdir: " + errnoName(err)
		}
	}
	if dir == "" {
		slices.SortFunc(a.Entries, func(x, y seenEntry) int { return strings.Compare(x.Path, y.Path) })
	}
	return nil
}

// wrongType compares readdir's type with that of lstat.
func wrongType(d os.DirEntry, e seenEntry) string {
	kind := map[os.FileMode]byte{os.ModeDir: 'd', 0: 'f', os.ModeSymlink: 'l'}[d.Type()]
	if e.Err == "" && kind != e.Info.Type {
		return "readdir has another type: " + d.Type().String()
	}
	return ""
}

func lookAt(root, path string, sums bool) seenEntry {
	e := seenEntry{Path: path}
	full := filepath.Join(root, path)
	info, err := statOf(full, unix.Lstat)
	if err != nil {
		e.Err = "lstat: " + errnoName(err)
		return e
	}
	e.Info = *info
	switch {
	case info.Type == 'l':
		if e.Target, err = readLink(full); err != nil {
			e.Err = "readlink: " + errnoName(err)
		}
	case info.Type == 'f' && sums:
		if e.Read, e.Sum, err = sumOfFile(full); err != nil {
			e.Err = "read: " + errnoName(err)
		}
	}
	return e
}

func sumOfFile(path string) (int64, string, error) {
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return 0, "", err
	}
	n, sum, err := sumOf(fd)
	if err2 := unix.Close(fd); err == nil {
		err = err2
	}
	return n, sum, err
}

// sumOf reads a descriptor's file from its beginning to its end.
func sumOf(fd int) (int64, string, error) {
	h := sha256.New()
	p := make([]byte, 256<<10)
	for off := int64(0); ; {
		n, err := unix.Pread(fd, p, off)
		if err != nil {
			return off, "", err
		}
		if n == 0 {
			return off, hex.EncodeToString(h.Sum(nil)), nil
		}
		h.Write(p[:n])
		off += int64(n)
	}
}

// bareErrno is the errno inside of the os package's error.
func bareErrno(err error) error {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return errno
	}
	return err
}
