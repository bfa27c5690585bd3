package demo

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a child that runs until it is stopped.
type process struct {
	cmd    *exec.Cmd
	stderr *buffer
	done   chan struct{} // closed when it has ended
	err    error         // of Wait, valid after done
}

// start runs cmd in a process group of its own. onDeath is what the kernel
// sends it should the demo die.
func start(cmd *exec.Cmd, onDeath syscall.Signal) (*process, error) {
	p := &process{cmd: cmd, stderr: &buffer{}, done: make(chan struct{})}
	cmd.Stderr = p.stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: onDeath}
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// end sends the signals of the list, each when the one before has not worked
// within patience. It reports whether the process has ended.
func (p *process) end(patience time.Duration, sigs ...syscall.Signal) bool {
	for _, sig := range sigs {
		if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return false
		}
		if p.within(patience) {
			return true
		}
	}
	return false
}

// within waits for the process's own end.
func (p *process) within(d time.Duration) bool {
	select {
	case <-p.done:
		return true
	case <-time.After(d):
		return false
	}
}

// failure describes a process that ended by itself.
func (p *process) failure(what string) error {
	text := strings.Join(strings.Fields(p.stderr.String()), " ")
	if text == "" {
		return fmt.Errorf("%s ended: %w", what, p.err)
	}
	return fmt.Errorf("%s ended: %s", what, text)
}

// buffer keeps the first 8 KiB of what a process writes.
type buffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

var _ io.Writer = (*buffer)(nil)

// Write never fails: a full buffer drops the rest.
func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if room := 8<<10 - b.buf.Len(); room > 0 {
		b.buf.Write(p[:min(room, len(p))])
	}
	return len(p), nil
}

// String is what was kept.
func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
