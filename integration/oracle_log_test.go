package integration

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"
)

// The oracle: a writer works in the mount and writes down on a local disk what
// it is about to do and what has returned 0. After a crash of the mount this
// log says which states of the bucket are allowed.

// Kinds of log lines.
const (
	logIntend = "intend" // before a call
	logAck    = "ack"    // it returned 0
	logFail   = "fail"   // it returned an error, after which the lane does no more
	logBad    = "bad"    // a read gave something else than what was written
)

// Operations of log lines. Others change nothing that is stored.
const (
	opStore   = "store" // close, fsync or truncate: Path becomes this version
	opRename  = "rename"
	opMoveDir = "rename of a directory"
	opUnlink  = "unlink"
	opMkdir   = "mkdir"
	opRmdir   = "rmdir"
)

// version is the whole content of a file.
type version struct {
	Size int64  `json:"size"`
	Sum  string `json:"sum,omitempty"` // SHA-256
}

func (v version) String() string { return fmt.Sprintf("%d bytes %.8s", v.Size, v.Sum) }

func versionOf(data []byte) version {
	sum := sha256.Sum256(data)
	return version{Size: int64(len(data)), Sum: hex.EncodeToString(sum[:])}
}

// event is one line of the log. Events of one lane are in the order of its
// calls: a lane makes one call after the other.
type event struct {
	Lane int    `json:"lane"`
	Kind string `json:"kind"`
	Op   string `json:"op"`
	Path string `json:"path,omitempty"` // below the writer's directory
	To   string `json:"to,omitempty"`
	version
	Errno string `json:"errno,omitempty"`
}

func (e event) String() string {
	s := fmt.Sprintf("lane %d: %s %s %q", e.Lane, e.Kind, e.Op, e.Path)
	if e.To != "" {
		s += fmt.Sprintf(" to %q", e.To)
	}
	if e.Sum != "" {
		s += " (" + e.version.String() + ")"
	}
	return s + " " + e.Errno
}

// eventLog appends lines, each by one write(2): they are in the kernel when
// the next call begins, whatever happens to this process.
type eventLog struct {
	mu   sync.Mutex
	file *os.File
}

func (l *eventLog) add(e event) {
	line, err := json.Marshal(e)
	if err == nil {
		l.mu.Lock()
		defer l.mu.Unlock()
		_, err = l.file.Write(append(line, '\n'))
	}
	if err != nil {
		panic(err) // a writer without its log proves nothing
	}
}

func readLog(t *testing.T, file string) (events []event) {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			t.Fatalf("log line %q: %v", lines.Text(), err)
		}
		events = append(events, e)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return events
}

// oracleErrno is the name of a system call's error, as in "ESTALE".
func oracleErrno(err error) string {
	var errno unix.Errno
	if errors.As(err, &errno) {
		return unix.ErrnoName(errno)
	}
	return err.Error()
}
