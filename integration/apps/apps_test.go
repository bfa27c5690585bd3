package apps

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pailfs/pailfs/integration/internal/mounts"
	"github.com/pailfs/pailfs/integration/internal/testkit"
)

const (
	// patience is for the whole run, which takes about two minutes on two idle
	// cores.
	patience = 15 * time.Minute
	// forOne is the limit of one check, in seconds, on a machine that is busy
	// with other tests.
	forOne = "180"
)

// TestApps runs the checks on a mount; each is a subtest. The heavy ones are
// left out, unless PAILFS_APPS=all.
func TestApps(t *testing.T) {
	for _, tool := range []string{"/dev/fuse", "fusermount3"} {
		if _, err := os.Stat(tool); err != nil {
			if _, err = exec.LookPath(tool); err != nil {
				testkit.SkipOrFail(t, fmt.Sprintf("no %s: %v", tool, err))
			}
		}
	}
	environ := []string{
		// Never with the race detector: that is for the other tests, and takes
		// several times as long here.
		"PAILFS_BIN=" + testkit.Program(t, "PAILFS_BIN", "../..", "./cmd/pailfs"),
		"S3SERVER_BIN=" + testkit.Program(t, "S3SERVER_BIN", "../s3server", "."),
		"LIMIT=" + forOne,
	}
	if os.Getenv("PAILFS_APPS") != "all" {
		environ = append(environ, "QUICK=1")
	}
	text, code := script(t, environ, "./run")
	results, comments, err := parseTAP(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, r := range results {
		t.Run(r.name, func(t *testing.T) { report(t, r) })
	}
	t.Log(strings.Join(comments, "\n"))
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
}

// report makes a result one of go test. TODO is a directive of TAP, for a check
// that is expected to fail: here of what pailfs does not offer, never of work left over.
func report(t *testing.T, r result) {
	switch {
	case r.directive == "SKIP":
		// The check says why: it is "heavy" and left to the whole run, or hard links
		// are offered here. A missing program is no reason with CI=true: it fails.
		t.Skip(r.why)
	case r.directive == "TODO" && r.ok && !strings.HasPrefix(r.why, "sometimes:"):
		t.Errorf("passes, so it is no TODO any more: take the word out, and mend what says %q", r.why)
	case r.directive == "TODO": // r.why names the clause that says it is not offered
		t.Log("not offered: " + r.why)
	case !r.ok:
		t.Error(r.message)
	}
}

// TestResults: apps.sh tells all kinds of results apart.
func TestResults(t *testing.T) {
	dir := t.TempDir()
	checks, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	text, code := script(t, []string{"CHECKS=" + checks, "QUICK=1", "REMOUNT=true", "CI="}, "./apps.sh", dir)
	results, comments, err := parseTAP(text)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	want := []struct{ result, message string }{
		{"ok passes", ""},
		{"not ok fails", "letter: got 'a', want 'b'"},
		{"not ok fails_inside", "works on the local disk, not here"},
		{"not ok differs", "the trees differ"},
		{"ok skips SKIP no reason", ""},
		{"ok lacks SKIP no-such-program is not installed (Debian: apt-get install no-such-program)", ""},
		{"ok is_heavy SKIP heavy, left out of the quick run", ""},
		{"not ok todo_fails TODO CLAUSE: not offered", ""},
		{"not ok todo_breaks", "crash"},
		{"ok todo_passes TODO CLAUSE: not offered", ""},
		{"not ok hangs", "no end after 2 s"},
		{"ok stays", ""},
	}
	if len(results) != len(want) {
		t.Fatalf("%d results:\n%s", len(results), text)
	}
	for i, w := range want {
		if got := results[i].String(); got != w.result || !strings.Contains(results[i].message, w.message) {
			t.Errorf("got %q with %q, want %q with %q", got, results[i].message, w.result, w.message)
		}
	}
	if all := strings.Join(comments, "\n"); !strings.Contains(all, "is a TODO: todo_passes\n") ||
		!strings.Contains(all, "3 ok, 5 not ok, 3 skipped, 1 TODO") || code != 1 {
		t.Errorf("exit code %d\n%s", code, all)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	text, _ = script(t, []string{"CHECKS=" + checks, "CI=true", "ONLY=lacks"}, "./apps.sh", dir)
	if !strings.Contains(text, "not ok 1 - sample/lacks") {
		t.Errorf("a missing program must fail in CI:\n%s", text)
	}
}

func (r result) String() string {
	words := []string{"ok", strings.TrimPrefix(r.name, "sample/")}
	if !r.ok {
		words[0] = "not ok"
	}
	if r.directive != "" {
		words = append(words, r.directive, r.why)
	}
	return strings.Join(words, " ")
}

// script runs one of the scripts here, and looks for mounts that it left. If
// it takes too long it is told to end, and cleans up.
func script(t *testing.T, environ []string, name string, args ...string) (text string, code int) {
	t.Helper()
	tmp, err := os.MkdirTemp("", "apps") // short: a socket's path has at most 107 bytes
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Env = append(append(os.Environ(), "TMPDIR="+tmp), environ...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = 3 * time.Minute
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) || ctx.Err() != nil {
			t.Errorf("%s: %v", name, err)
		}
		code = cmd.ProcessState.ExitCode()
	}
	if complaints.Len() > 0 {
		t.Logf("%s says:\n%s", name, &complaints)
	}
	cleanUp(t, tmp)
	return out.String(), code
}

// cleanUp removes tmp, but never through a mount.
func cleanUp(t *testing.T, tmp string) {
	t.Helper()
	for _, left := range mounts.Detach(tmp) {
		t.Errorf("leftover mount: %s", left)
	}
	if still := mounts.Below(tmp); len(still) > 0 {
		t.Fatalf("still mounted: %v", still)
	}
	if err := os.RemoveAll(tmp); err != nil {
		t.Error(err)
	}
}
