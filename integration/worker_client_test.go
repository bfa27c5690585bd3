package integration

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// worker is a process that touches one mount on a test's behalf. Its methods
// are system calls; they return the errno's name, "" for success. A call that
// is not answered in time ends the mount, with its goroutines in its log, and
// panics with a hang.
type worker struct {
	m     *mount
	root  string // what paths are relative to
	limit time.Duration
	cmd   *exec.Cmd
	stdin io.WriteCloser
	lines chan []byte // closed when the process has ended
	dead  bool
}

// hang is the value of the panic of a call that was not answered.
type hang struct{ text string }

func (h hang) Error() string { return h.text }

// workerLimit bounds one call. It is beyond what pailfs allows one operation
// to take on a store that answers.
const workerLimit = 90 * time.Second

// newWorker starts a worker for m; paths are relative to m's directory. It
// ends with the test at the latest.
func newWorker(t *testing.T, m *mount) *worker {
	t.Helper()
	w, err := startWorker(m)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.stop)
	return w
}

func startWorker(m *mount) (*worker, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	w := &worker{m: m, root: m.dir, limit: workerLimit, lines: make(chan []byte, 1), cmd: exec.Command(self)}
	// Without preemption by signals no call is interrupted, so that EINTR would
	// be the mount's own doing.
	w.cmd.Env = append(os.Environ(), asEnv+"="+workerAs, "GODEBUG=asyncpreemptoff=1", "GORACE=atexit_sleep_ms=0")
	w.cmd.Dir, w.cmd.Stderr = m.work, os.Stderr
	w.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if w.stdin, err = w.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := w.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := w.cmd.Start(); err != nil {
		return nil, err
	}
	go w.read(out)
	return w, nil
}

func (w *worker) read(out io.Reader) {
	defer close(w.lines)
	for r := bufio.NewReader(out); ; {
		line, err := r.ReadBytes('\n')
		if err != nil {
			_ = w.cmd.Wait()
			return
		}
		w.lines <- line
	}
}

// stop ends the worker, and with it closes what it has open. One that waits
// for a dead mount ends as soon as the mount is gone.
func (w *worker) stop() {
	if w.dead {
		return
	}
	w.dead = true
	_ = w.stdin.Close()
	if w.waitEnded(5 * time.Second) {
		return
	}
	_ = syscall.Kill(w.cmd.Process.Pid, syscall.SIGKILL)
	w.waitEnded(5 * time.Second) // not where it waits for the mount: until that is gone
}

// waitEnded waits for the end of the process; answers that nobody wants any more
// may come before.
func (w *worker) waitEnded(d time.Duration) bool {
	for end := time.After(d); ; {
		select {
		case _, more := <-w.lines:
			if !more {
				return true
			}
		case <-end:
			return false
		}
	}
}

// call makes one system call in the worker.
func (w *worker) call(r workRequest) workReply {
	if w.dead {
		panic(hang{"the worker has been ended: " + r.Call})
	}
	r.Root = w.root
	text, err := json.Marshal(r)
	if err == nil {
		_, err = w.stdin.Write(append(text, '\n'))
	}
	if err != nil {
		panic(hang{fmt.Sprintf("worker, %s: %v", r.Call, err)})
	}
	select {
	case line, ok := <-w.lines:
		var reply workReply
		if !ok {
			err = errors.New("it has ended")
		} else {
			err = json.Unmarshal(line, &reply)
		}
		if err != nil {
			panic(hang{fmt.Sprintf("worker, %s: %v", r.Call, err)})
		}
		return reply
	case <-time.After(w.limit):
	}
	w.dead = true
	panic(hang{w.hung(fmt.Sprintf("%s %q %q", r.Call, r.Path, r.To))})
}

// hung ends a mount that does not answer, and returns what its goroutines did.
func (w *worker) hung(what string) string {
	before, _ := os.ReadFile(w.m.logFile)
	_ = syscall.Kill(w.m.pid(), syscall.SIGQUIT)
	w.m.waitEnded(30 * time.Second)
	w.m.kill9()
	_ = syscall.Kill(w.cmd.Process.Pid, syscall.SIGKILL)
	after, _ := os.ReadFile(w.m.logFile)
	dump := strings.TrimPrefix(string(after), string(before))
	return fmt.Sprintf("no answer within %v: %s\ngoroutines of pailfs:\n%s", w.limit, what, dump[:min(len(dump), 60_000)])
}

// Open is open(2); flags are those of package unix.
func (w *worker) Open(path string, flags int, mode uint32) (fd int, errno string) {
	r := w.call(workRequest{Call: "open", Path: path, Flags: flags, Mode: mode})
	return int(r.N), r.Errno
}

// Dup gives a second descriptor of the same open file.
func (w *worker) Dup(fd int) (int, string) {
	r := w.call(workRequest{Call: "dup", FD: fd})
	return int(r.N), r.Errno
}

func (w *worker) Close(fd int) string { return w.call(workRequest{Call: "close", FD: fd}).Errno }

// Pread reads until length bytes or the end of the file.
func (w *worker) Pread(fd int, off, length int64) ([]byte, string) {
	r := w.call(workRequest{Call: "pread", FD: fd, Off: off, Len: length})
	return r.Data, r.Errno
}

// Pwrite writes all of data, or fails with what it has written.
func (w *worker) Pwrite(fd int, data []byte, off int64) (int64, string) {
	r := w.call(workRequest{Call: "pwrite", FD: fd, Off: off, Data: data})
	return r.N, r.Errno
}

// PwritePattern writes pattern(seed, length), made by the worker itself.
func (w *worker) PwritePattern(fd, seed int, length, off int64) (int64, string) {
	r := w.call(workRequest{Call: "pwrite", FD: fd, Off: off, Seed: seed, Len: length})
	return r.N, r.Errno
}

func (w *worker) Fsync(fd int) string { return w.call(workRequest{Call: "fsync", FD: fd}).Errno }
func (w *worker) Fdatasync(fd int) string {
	return w.call(workRequest{Call: "fdatasync", FD: fd}).Errno
}

func (w *worker) Ftruncate(fd int, size int64) string {
	return w.call(workRequest{Call: "ftruncate", FD: fd, Len: size}).Errno
}

func (w *worker) Fchmod(fd int, mode uint32) string {
	return w.call(workRequest{Call: "fchmod", FD: fd, Mode: mode}).Errno
}

func (w *worker) Fstat(fd int) (*fileInfo, string) {
	r := w.call(workRequest{Call: "fstat", FD: fd})
	return r.Stat, r.Errno
}

// Fsum is the length and the SHA-256 of all that a descriptor's file gives.
func (w *worker) Fsum(fd int) (n int64, sum, errno string) {
	r := w.call(workRequest{Call: "fsum", FD: fd})
	return r.N, r.Text, r.Errno
}

func (w *worker) Truncate(path string, size int64) string {
	return w.call(workRequest{Call: "truncate", Path: path, Len: size}).Errno
}

// Rename is renameat2(2): flags may have unix.RENAME_NOREPLACE.
func (w *worker) Rename(from, to string, flags int) string {
	return w.call(workRequest{Call: "rename", Path: from, To: to, Flags: flags}).Errno
}

func (w *worker) Unlink(path string) string {
	return w.call(workRequest{Call: "unlink", Path: path}).Errno
}
func (w *worker) Rmdir(path string) string {
	return w.call(workRequest{Call: "rmdir", Path: path}).Errno
}

func (w *worker) Mkdir(path string, mode uint32) string {
	return w.call(workRequest{Call: "mkdir", Path: path, Mode: mode}).Errno
}

// Symlink makes a link at path; target is taken as it is.
func (w *worker) Symlink(target, path string) string {
	return w.call(workRequest{Call: "symlink", Path: path, To: target}).Errno
}

func (w *worker) Readlink(path string) (target, errno string) {
	r := w.call(workRequest{Call: "readlink", Path: path})
	return r.Text, r.Errno
}

func (w *worker) Chmod(path string, mode uint32) string {
	return w.call(workRequest{Call: "chmod", Path: path, Mode: mode}).Errno
}

// Utimes sets both times, in nanoseconds since 1970.
func (w *worker) Utimes(path string, ns int64) string {
	return w.call(workRequest{Call: "utimes", Path: path, Time: ns}).Errno
}

func (w *worker) Stat(path string) (*fileInfo, string) {
	r := w.call(workRequest{Call: "stat", Path: path})
	return r.Stat, r.Errno
}

func (w *worker) Lstat(path string) (*fileInfo, string) {
	r := w.call(workRequest{Call: "lstat", Path: path})
	return r.Stat, r.Errno
}

// Snapshot walks the tree below path: names, attributes, targets, and with
// sums the content of files, in one round trip.
func (w *worker) Snapshot(path string, sums bool) ([]seenEntry, string) {
	r := w.call(workRequest{Call: "snapshot", Path: path, Sums: sums})
	return r.Entries, r.Errno
}

// openFlags are the flags of open(2) by name.
var openFlags = map[string]int{
	"rdonly": unix.O_RDONLY, "wronly": unix.O_WRONLY, "rdwr": unix.O_RDWR, "creat": unix.O_CREAT,
	"excl": unix.O_EXCL, "trunc": unix.O_TRUNC, "append": unix.O_APPEND,
}

// parseFlags reads names joined by commas.
func parseFlags(s string) (flags int, err error) {
	for name := range strings.SplitSeq(s, ",") {
		f, ok := openFlags[name]
		if !ok {
			return 0, fmt.Errorf("unknown open flag %q", name)
		}
		flags |= f
	}
	return flags, nil
}
