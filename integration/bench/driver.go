package main

import (
	"bufio"
	"context"
	"encoding/json"
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

// driver is the parent's side of a worker process. All that touches a mount
// happens in the worker: a system call on a mount may never return.
type driver struct {
	cmd      *exec.Cmd
	in       io.WriteCloser
	messages chan message
	ended    chan struct{} // closed when the process has been waited for
	errors   *tailBuffer
}

func startWorker(t *task) (*driver, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	text, err := json.Marshal(t)
	if err != nil {
		return nil, err
	}
	d := &driver{cmd: exec.Command(self, workerCommand), messages: make(chan message), ended: make(chan struct{}), errors: &tailBuffer{}}
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // killed with what it has started
	d.cmd.Stderr = d.errors
	d.cmd.WaitDelay = time.Second
	if d.in, err = d.cmd.StdinPipe(); err != nil {
		return nil, err
	}
	out, err := d.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := d.cmd.Start(); err != nil {
		return nil, err
	}
	stopped := make(chan struct{})
	go d.listen(out, stopped)
	go func() {
		<-stopped // Wait closes the pipe: all must have been read
		_ = d.cmd.Wait()
		close(d.ended)
	}()
	if _, err := d.in.Write(append(text, '\n')); err != nil {
		d.kill()
		return nil, fmt.Errorf("worker: %w: %s", err, d.errors)
	}
	return d, nil
}

func (d *driver) listen(out io.Reader, stopped chan struct{}) {
	defer close(stopped)
	defer close(d.messages)
	from := json.NewDecoder(bufio.NewReader(out))
	for {
		var m message
		if from.Decode(&m) != nil {
			return
		}
		d.messages <- m
	}
}

// next waits for the worker's next message.
func (d *driver) next(ctx context.Context) (message, error) {
	select {
	case m, ok := <-d.messages:
		if !ok {
			return m, fmt.Errorf("the worker ended: %s", d.errors)
		}
		return m, nil
	case <-ctx.Done():
		return message{}, timeoutOr(ctx)
	}
}

// timeoutOr says why ctx ended.
func timeoutOr(ctx context.Context) error {
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		return errTimeout
	}
	return ctx.Err()
}

var errTimeout = errors.New("timeout")

// proceed lets the worker go on.
func (d *driver) proceed() error {
	_, err := io.WriteString(d.in, "\n")
	return err
}

func (d *driver) pid() int { return d.cmd.Process.Pid }

// stop ends the worker as it is meant to end, or kills it.
func (d *driver) stop() {
	d.in.Close()
	go d.drain()
	select {
	case <-d.ended:
	case <-time.After(2 * time.Second):
		d.kill()
	}
}

// kill kills the worker and its children. One that hangs in a system call on a
// mount dies when that mount does, so this does not wait; ended tells.
func (d *driver) kill() {
	_ = syscall.Kill(-d.pid(), syscall.SIGKILL) // its own process group
	go d.drain()
}

func (d *driver) drain() {
	for range d.messages {
		continue
	}
}

// tailBuffer keeps the end of what is written to it.
type tailBuffer struct {
	mu   sync.Mutex
	text []byte
}

const tailSize = 600

// Write implements io.Writer.
func (b *tailBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text = append(b.text, p...)
	b.text = b.text[max(0, len(b.text)-tailSize):]
	return len(p), nil
}

func (b *tailBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return strings.TrimSpace(string(b.text))
}
