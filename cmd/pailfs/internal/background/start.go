package background

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/pailfs/pailfs/cmd/pailfs/internal/mountpoint"
)

const (
	// startTimeout is above all bounds of the child's own start.
	startTimeout = 60 * time.Second
	// stopTimeout is how long a child that shall end may take.
	stopTimeout = 10 * time.Second
)

// Message is what the child tells the command.
type Message struct {
	Error   string `json:"error,omitempty"`
	PID     int    `json:"pid,omitempty"`
	Dir     string `json:"dir,omitempty"`
	LogFile string `json:"log_file,omitempty"`
}

// Start runs this program again with args and waits until its mount answers.
// When ctx ends first, or anything fails, neither process nor mount is left.
func Start(ctx context.Context, args []string, dir string) (Message, error) {
	p, err := spawn(args)
	if err != nil {
		return Message{}, fmt.Errorf("start the background process: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	msg, err := p.await(ctx)
	if err == nil {
		if err = mountpoint.Probe(msg.Dir); err == nil {
			return msg, p.cmd.Process.Release()
		}
		err = fmt.Errorf("the mount at %s does not answer: %w", msg.Dir, err)
	}
	p.end()
	return Message{}, errors.Join(err, clearDead(dir))
}

// process is a child that is not yet ready.
type process struct {
	cmd    *exec.Cmd
	ready  *os.File
	stderr *head
}

func spawn(args []string) (*process, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer w.Close()
	exe, err := os.Executable()
	if err != nil {
		r.Close()
		return nil, err
	}
	p := &process{ready: r, stderr: &head{}}
	p.cmd = exec.Command(exe, args...)
	p.cmd.Args[0] = "pailfs" // not mount.pailfs, whose arguments are rewritten
	p.cmd.Env = append(os.Environ(), envReady+"=3")
	p.cmd.ExtraFiles = []*os.File{w}
	p.cmd.Stderr = p.stderr
	p.cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := p.cmd.Start(); err != nil {
		r.Close()
		return nil, err
	}
	return p, nil
}

// await reads the child's message.
func (p *process) await(ctx context.Context) (Message, error) {
	stop := context.AfterFunc(ctx, func() { p.ready.Close() })
	defer stop()
	defer p.ready.Close()
	var msg Message
	err := json.NewDecoder(io.LimitReader(p.ready, 1<<16)).Decode(&msg)
	switch {
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return Message{}, fmt.Errorf("the mount did not answer within %v", startTimeout)
	case ctx.Err() != nil:
		return Message{}, errors.New("interrupted before the mount answered")
	case err != nil:
		return Message{}, p.died()
	case msg.Error != "":
		return Message{}, errors.New(msg.Error)
	}
	return msg, nil
}

// died describes a child that ended without a message.
func (p *process) died() error {
	p.end()
	text := "the background process died before the mount answered"
	if s := p.cmd.ProcessState; s != nil {
		text += " (" + s.String() + ")"
	}
	if line := p.stderr.firstLine(); line != "" {
		text += ": " + line
	}
	return errors.New(text + "; --foreground shows more")
}

// end makes sure that the child is gone.
func (p *process) end() {
	if p.cmd.ProcessState != nil {
		return
	}
	timer := time.AfterFunc(stopTimeout, func() { p.signal(syscall.SIGKILL) })
	defer timer.Stop()
	p.signal(syscall.SIGTERM)
	if err := p.cmd.Wait(); err != nil {
		slog.Debug("background process", "ended", err)
	}
}

func (p *process) signal(sig os.Signal) {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		slog.Debug("background process", "signal", sig, "error", err)
	}
}

// clearDead detaches what a child that was killed may have left at dir.
func clearDead(dir string) error {
	m, mounted, err := mountpoint.At(dir)
	if err != nil || !mounted || m.Type != mountpoint.FSType {
		return err
	}
	if errors.Is(mountpoint.Probe(dir), syscall.ENOTCONN) {
		return mountpoint.Unmount(dir, true)
	}
	return nil
}

// head keeps the beginning of what a process writes.
type head struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

// Write keeps up to 8 KiB and drops the rest.
func (h *head) Write(p []byte) (int, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if room := 8<<10 - h.buf.Len(); room > 0 {
		h.buf.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

func (h *head) firstLine() string {
	h.mu.Lock()
	defer h.mu.Unlock()
	line, _, _ := strings.Cut(strings.TrimSpace(h.buf.String()), "\n")
	return line
}
