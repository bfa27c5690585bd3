package control

import (
	"time"

	"github.com/pailfs/pailfs/fs"
)

// Version of the protocol.
const Version = 1

// maxLine bounds a request, in bytes; one of thousands of ids stays below.
const maxLine = 1 << 20

// Operations.
const (
	OpPing    = "ping"
	OpStatus  = "status"
	OpDrain   = "drain"           // upload what is dirty
	OpFlush   = "flush"           // upload what closes have promised
	OpWait    = "wait"            // answered when the mount has ended
	OpList    = "recover-list"    // kept drafts
	OpUpload  = "recover-upload"  // IDs; none is all
	OpSave    = "recover-save"    // IDs into Dir; none is all
	OpDiscard = "recover-discard" // IDs
)

// Request is one line from a command.
type Request struct {
	V   int      `json:"v"`
	Op  string   `json:"op"`
	IDs []string `json:"ids,omitempty"`
	Dir string   `json:"dir,omitempty"` // absolute
	// TimeoutMS bounds the work; 0 is one minute.
	TimeoutMS int64 `json:"timeout_ms,omitempty"`
}

// Timeout is how long the work may take.
func (r Request) Timeout() time.Duration {
	if r.TimeoutMS <= 0 {
		return time.Minute
	}
	return time.Duration(r.TimeoutMS) * time.Millisecond
}

// Response is one line back.
type Response struct {
	V     int    `json:"v"`
	OK    bool   `json:"ok"`
	Error string `json:"error,omitempty"`

	PID     int            `json:"pid,omitempty"`
	Dir     string         `json:"dir,omitempty"`
	Version string         `json:"version,omitempty"` // of the program
	LogFile string         `json:"log_file,omitempty"`
	Status  *fs.Status     `json:"status,omitempty"`
	Kept    []fs.DraftInfo `json:"kept,omitempty"`
	Results []Result       `json:"results,omitempty"`
}

// Result is what became of one draft of a recover operation.
type Result struct {
	ID    string `json:"id"`
	Path  string `json:"path"`            // below the mount
	To    string `json:"to,omitempty"`    // key or local file it went to
	Error string `json:"error,omitempty"` // "" is success
}
