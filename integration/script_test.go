package integration

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// result is what a child left.
type result struct {
	stdout, stderr string
	code           int // of the exit; 124 or 137 after the time limit, -1 if it hung beyond it
}

func (r result) String() string {
	return fmt.Sprintf("exit %d\nstdout: %s\nstderr: %s", r.code, clip(r.stdout), clip(r.stderr))
}

// clip keeps failure messages short.
func clip(s string) string {
	if len(s) > 2000 {
		return s[:1000] + "\n…\n" + s[len(s)-1000:]
	}
	return s
}

// runChild runs argv with a time limit. A child that waits for FUSE cannot be
// killed: after the limit rescue must free it, by ending the mount.
func runChild(limit time.Duration, dir string, environ []string, rescue func(), argv ...string) result {
	seconds := fmt.Sprintf("%.3f", limit.Seconds())
	cmd := exec.Command("timeout", append([]string{"-k", "3", seconds}, argv...)...)
	cmd.Dir, cmd.Env = dir, environ
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.WaitDelay = 3 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		return result{stderr: err.Error(), code: -1}
	}
	done := make(chan error, 1)
	go func() { done <- cmd.Wait() }()
	select {
	case err := <-done:
		return result{stdout: stdout.String(), stderr: stderr.String(), code: exitCode(err)}
	case <-time.After(limit + 10*time.Second):
	}
	if rescue != nil {
		rescue()
	}
	_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
	select {
	case <-done:
		return result{stdout: stdout.String(), stderr: stderr.String() + "\nhung beyond its time limit", code: -1}
	case <-time.After(20 * time.Second):
		return result{stderr: "hung, even after the mount was killed", code: -1}
	}
}

func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	case errors.Is(err, exec.ErrWaitDelay): // something it started still holds its output
		return 0
	}
	return -1
}

// scriptTimeout ends a script that hangs: no measure of speed, a loaded machine may
// take its time.
const scriptTimeout = 4 * time.Minute

// scriptEnviron: MNT the mount, W a local directory, PID the program, and the
// `s3` command first in PATH.
func (m *mount) scriptEnviron() []string {
	return append(m.environ(), "MNT="+m.dir, "W="+m.work, "B="+m.e.bucket, fmt.Sprintf("PID=%d", m.pid()),
		"CACHEDIR="+m.stage, "PAILFS="+m.program(), "ENDPOINT="+m.e.endpoint,
		"PATH="+filepath.Join(m.work, ".bin")+":"+os.Getenv("PATH"))
}

// try runs a bash script and returns what came of it.
func (m *mount) try(limit time.Duration, script string) result {
	return runChild(limit, m.work, m.scriptEnviron(), m.kill9, "bash", "-c", script)
}

// sh runs a bash script that must exit 0, and returns its trimmed output.
func (m *mount) sh(t *testing.T, script string) string {
	t.Helper()
	return m.shFor(t, scriptTimeout, script)
}

func (m *mount) shFor(t *testing.T, limit time.Duration, script string) string {
	t.Helper()
	r := m.try(limit, "set -eu -o pipefail\n"+script)
	if r.code != 0 {
		t.Fatalf("script failed: %v\nscript: %s", r, clip(script))
	}
	return strings.TrimSpace(r.stdout)
}

// py runs a python3 script that must exit 0. MNT and W are variables of it.
func (m *mount) py(t *testing.T, script string) string {
	t.Helper()
	r := m.tryPy(scriptTimeout, script)
	if r.code != 0 {
		t.Fatalf("python script failed: %v\nscript: %s", r, clip(script))
	}
	return strings.TrimSpace(r.stdout)
}

func (m *mount) tryPy(limit time.Duration, script string) result {
	head := "import os,sys,errno,hashlib,mmap,subprocess,time\nMNT=os.environ['MNT']; W=os.environ['W']\n"
	return runChild(limit, m.work, m.scriptEnviron(), m.kill9, "python3", "-c", head+script)
}

// wantSh runs a script and compares its output.
func (m *mount) wantSh(t *testing.T, script, want string) {
	t.Helper()
	if got := m.sh(t, script); got != want {
		t.Errorf("got %q, want %q\nscript: %s", clip(got), clip(want), clip(script))
	}
}

// wantFile checks one file from both sides.
func (m *mount) wantFile(t *testing.T, key, want string) {
	t.Helper()
	if got := m.e.s3.get(t, key); got != want {
		t.Errorf("object %q is %q, want %q", key, clip(got), clip(want))
	}
	if r := m.try(scriptTimeout, "cat -- "+quote("", m.dir+"/"+strings.TrimPrefix(key, m.keyPrefix()))); r.code != 0 || r.stdout != want {
		t.Errorf("file %q: %v, want %q", key, r, clip(want))
	}
}

func (m *mount) keyPrefix() string {
	if m.o.prefix == "" {
		return ""
	}
	return m.o.prefix + "/"
}

// quote makes one word of a path for bash.
func quote(dir, name string) string {
	return "'" + strings.ReplaceAll(dir+name, "'", `'\''`) + "'"
}

// local makes a file of random bytes in $W and returns its path.
func (m *mount) local(t *testing.T, name string, size int64) string {
	t.Helper()
	path := filepath.Join(m.work, name)
	cmd := exec.Command("bash", "-c", fmt.Sprintf("head -c %d /dev/urandom > %s", size, quote("", path)))
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make %s: %v: %s", path, err, out)
	}
	return path
}

func fileHash(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sum, _ := hashOf(t, f)
	return sum
}
