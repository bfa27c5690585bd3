package integration

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// The worker is a copy of the test binary that touches the mount, as the test
// itself must not: a call that hangs would hang the test with it. It reads one
// JSON request a line from stdin, makes that one system call, and answers with
// one line on stdout. Its open descriptors live as long as it does.

// workerAs makes the test binary a worker (see asEnv).
const workerAs = "worker"

// workRequest is one system call. Paths are relative to Root.
type workRequest struct {
	Call  string `json:"call"`
	Root  string `json:"root,omitempty"`
	Path  string `json:"path,omitempty"`
	To    string `json:"to,omitempty"`
	FD    int    `json:"fd,omitempty"`
	Flags int    `json:"flags,omitempty"`
	Mode  uint32 `json:"mode,omitempty"`
	Off   int64  `json:"off,omitempty"`
	Len   int64  `json:"len,omitempty"`
	Data  []byte `json:"data,omitempty"`
	Seed  int    `json:"seed,omitempty"` // instead of Data: Len bytes of pattern
	Time  int64  `json:"time,omitempty"` // nanoseconds since 1970
	Sums  bool   `json:"sums,omitempty"`
}

// workReply is its outcome. Errno is a name, "" where the call succeeded.
type workReply struct {
	Errno   string      `json:"errno,omitempty"`
	N       int64       `json:"n,omitempty"` // bytes moved, or a new descriptor
	Data    []byte      `json:"data,omitempty"`
	Text    string      `json:"text,omitempty"` // a link's target, or a SHA-256
	Stat    *fileInfo   `json:"stat,omitempty"`
	Entries []seenEntry `json:"entries,omitempty"`
}

// fileInfo is the part of struct stat that tests compare.
type fileInfo struct {
	Type  byte   `json:"type"` // d, f, l, or ? for all else
	Mode  uint32 `json:"mode"` // permission bits
	Size  int64  `json:"size"`
	Nlink uint64 `json:"nlink"`
	UID   uint32 `json:"uid"`
	GID   uint32 `json:"gid"`
	Mtime int64  `json:"mtime"` // nanoseconds since 1970
	Ino   uint64 `json:"ino"`
}

// workerMain serves requests until its input ends.
func workerMain(in io.Reader, out io.Writer) int {
	unix.Umask(0) // a mode that is asked for is the mode to be seen
	lines := bufio.NewReader(in)
	enc := json.NewEncoder(out)
	for {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			return 0
		}
		var r workRequest
		if err := json.Unmarshal(line, &r); err != nil {
			return complain(err)
		}
		if err := enc.Encode(serveCall(r)); err != nil {
			return complain(err)
		}
	}
}

func serveCall(r workRequest) workReply {
	f, ok := workCalls[r.Call]
	if !ok {
		return workReply{Errno: "unknown call " + r.Call}
	}
	var reply workReply
	if err := f(r, &reply); err != nil {
		reply.Errno = errnoName(err)
	}
	return reply
}

func errnoName(err error) string {
	var e syscall.Errno
	if !errors.As(err, &e) {
		return err.Error()
	}
	if name := unix.ErrnoName(e); name != "" {
		return name
	}
	return fmt.Sprintf("errno %d", int(e))
}

func (r workRequest) path() string { return filepath.Join(r.Root, r.Path) }
func (r workRequest) to() string   { return filepath.Join(r.Root, r.To) }

// workCalls is the table of what a worker can do.
var workCalls = map[string]func(workRequest, *workReply) error{
	"open": func(r workRequest, a *workReply) error {
		fd, err := unix.Open(r.path(), r.Flags|unix.O_CLOEXEC, r.Mode)
		a.N = int64(fd)
		return err
	},
	"dup": func(r workRequest, a *workReply) error {
		fd, err := unix.FcntlInt(uintptr(r.FD), unix.F_DUPFD_CLOEXEC, 3)
		a.N = int64(fd)
		return err
	},
	"close":     func(r workRequest, _ *workReply) error { return unix.Close(r.FD) },
	"pread":     callPread,
	"pwrite":    callPwrite,
	"fsync":     func(r workRequest, _ *workReply) error { return unix.Fsync(r.FD) },
	"fdatasync": func(r workRequest, _ *workReply) error { return unix.Fdatasync(r.FD) },
	"ftruncate": func(r workRequest, _ *workReply) error { return unix.Ftruncate(r.FD, r.Len) },
	"fchmod":    func(r workRequest, _ *workReply) error { return unix.Fchmod(r.FD, r.Mode) },
	"fstat":     callFstat,
	"fsum":      func(r workRequest, a *workReply) (err error) { a.N, a.Text, err = sumOf(r.FD); return err },
	"truncate":  func(r workRequest, _ *workReply) error { return unix.Truncate(r.path(), r.Len) },
	"rename": func(r workRequest, _ *workReply) error {
		return unix.Renameat2(unix.AT_FDCWD, r.path(), unix.AT_FDCWD, r.to(), uint(r.Flags))
	},
	"unlink":  func(r workRequest, _ *workReply) error { return unix.Unlink(r.path()) },
	"mkdir":   func(r workRequest, _ *workReply) error { return unix.Mkdir(r.path(), r.Mode) },
	"rmdir":   func(r workRequest, _ *workReply) error { return unix.Rmdir(r.path()) },
	"symlink": func(r workRequest, _ *workReply) error { return unix.Symlink(r.To, r.path()) },
	"readlink": func(r workRequest, a *workReply) (err error) {
		a.Text, err = readLink(r.path())
		return err
	},
	"chmod":    func(r workRequest, _ *workReply) error { return unix.Chmod(r.path(), r.Mode) },
	"utimes":   callUtimes,
	"stat":     func(r workRequest, a *workReply) (err error) { a.Stat, err = statOf(r.path(), unix.Stat); return err },
	"lstat":    func(r workRequest, a *workReply) (err error) { a.Stat, err = statOf(r.path(), unix.Lstat); return err },
	"snapshot": callSnapshot,
}

// callPread reads until Len bytes or the end of the file.
func callPread(r workRequest, a *workReply) error {
	p := make([]byte, r.Len)
	for a.N < r.Len {
		n, err := unix.Pread(r.FD, p[a.N:], r.Off+a.N)
		if err != nil {
			return err
		}
		if n == 0 {
			break
		}
		a.N += int64(n)
	}
	a.Data = p[:a.N]
	return nil
}

func callPwrite(r workRequest, a *workReply) error {
	if r.Data == nil {
		r.Data = pattern(r.Seed, r.Len)
	}
	for len(r.Data) > 0 {
		n, err := unix.Pwrite(r.FD, r.Data, r.Off+a.N)
		if err != nil {
			return err
		}
		a.N, r.Data = a.N+int64(n), r.Data[n:]
	}
	return nil
}

func callUtimes(r workRequest, _ *workReply) error {
	ts := unix.NsecToTimespec(r.Time)
	return unix.UtimesNanoAt(unix.AT_FDCWD, r.path(), []unix.Timespec{ts, ts}, 0)
}

func callFstat(r workRequest, a *workReply) error {
	var st unix.Stat_t
	err := unix.Fstat(r.FD, &st)
	a.Stat = infoOf(&st)
	return err
}

func statOf(path string, call func(string, *unix.Stat_t) error) (*fileInfo, error) {
	var st unix.Stat_t
	if err := call(path, &st); err != nil {
		return nil, err
	}
	return infoOf(&st), nil
}

func infoOf(st *unix.Stat_t) *fileInfo {
	kind := map[uint32]byte{unix.S_IFDIR: 'd', unix.S_IFREG: 'f', unix.S_IFLNK: 'l'}[st.Mode&unix.S_IFMT]
	if kind == 0 {
		kind = '?'
	}
	return &fileInfo{
		Type: kind, Mode: st.Mode & 0o7777, Size: st.Size, Nlink: uint64(st.Nlink), //nolint:unconvert // another type on arm64
		UID: st.Uid, GID: st.Gid, Mtime: unix.TimespecToNsec(st.Mtim), Ino: st.Ino,
	}
}

func readLink(path string) (string, error) {
	p := make([]byte, 8192)
	n, err := unix.Readlink(path, p)
	if err != nil {
		return "", err
	}
	return string(p[:n]), nil
}
