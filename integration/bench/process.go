package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/pailfs/pailfs/integration/internal/mounts"
)

// mountPatience is how long a program may take until it has mounted, at most.
const mountPatience = 20 * time.Second

// mounted is a running mount process. No method touches the mount itself.
type mounted struct {
	cmd     *exec.Cmd
	dir     string
	logFile string
	ended   chan struct{} // closed when the process has been waited for
}

// startMount starts the program in the foreground, in fresh directories below
// base, and waits until the kernel has the mount.
func startMount(ctx context.Context, p program, at places, base string, patience time.Duration) (*mounted, error) {
	at.mnt, at.cache, at.home = filepath.Join(base, "m"), filepath.Join(base, "c"), filepath.Join(base, "h")
	for _, dir := range []string{at.mnt, at.cache, at.home} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return nil, err
		}
	}
	m := &mounted{dir: at.mnt, logFile: filepath.Join(base, "log"), ended: make(chan struct{})}
	out, err := os.Create(m.logFile)
	if err != nil {
		return nil, err
	}
	defer out.Close()
	words := at.replaceAll(p.Command)
	m.cmd = exec.Command(words[0], words[1:]...)
	m.cmd.Stdout, m.cmd.Stderr = out, out
	m.cmd.Env = at.environ(p.Env)
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // ^C is for us: we end it in order
	if err := m.cmd.Start(); err != nil {
		return nil, err
	}
	go func() {
		_ = m.cmd.Wait()
		close(m.ended)
	}()
	if err := m.waitMounted(ctx, patience); err != nil {
		m.kill()
		return nil, err
	}
	return m, nil
}

func (m *mounted) waitMounted(ctx context.Context, patience time.Duration) error {
	limit := time.After(patience)
	for len(mounts.Below(m.dir)) == 0 {
		select {
		case <-m.ended:
			return fmt.Errorf("the mount process ended: %s", m.tail())
		case <-limit:
			return fmt.Errorf("not mounted after %v: %s", patience, m.tail())
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
	return nil
}

// tail is the end of what the program has said.
func (m *mounted) tail() string {
	text, err := os.ReadFile(m.logFile)
	if err != nil {
		return err.Error()
	}
	text = bytes.TrimSpace(text)
	return string(text[max(0, len(text)-tailSize):])
}

func (m *mounted) pid() int { return m.cmd.Process.Pid }

// stop unmounts as a user would and lets the process finish what it has to.
func (m *mounted) stop(patience time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience) // an unmount may hang as well
	defer cancel()
	if err := exec.CommandContext(ctx, "fusermount3", "-u", m.dir).Run(); err != nil {
		m.kill()
		return fmt.Errorf("unmount: %w", err)
	}
	if !m.waitEnded(patience) {
		m.kill()
		return errors.New("the mount process does not end after the unmount")
	}
	return nil
}

// kill ends the process and detaches the mount, whatever state they are in.
func (m *mounted) kill() {
	_ = syscall.Kill(-m.pid(), syscall.SIGKILL) // its own process group
	mounts.Detach(m.dir)
	m.waitEnded(10 * time.Second)
}

func (m *mounted) waitEnded(d time.Duration) bool {
	select {
	case <-m.ended:
		return true
	case <-time.After(d):
		return false
	}
}
