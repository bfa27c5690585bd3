package mutants

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/pailfs/pailfs/integration/internal/mounts"
	"github.com/pailfs/pailfs/integration/internal/testkit"
)

const (
	selectEnv  = "PAILFS_MUTANTS" // "all", or a regexp for names
	buildLimit = 10 * time.Minute
	testLimit  = 5 * time.Minute // of one run of a test
)

// bench is what all runs share.
type bench struct {
	root  string // of the module
	dir   string // short, as sockets are made below it
	tests string // package integration, compiled
	s3    string
}

// TestMutants builds each faulty pailfs and wants its test to fail, after all of
// these tests have passed with the true one.
func TestMutants(t *testing.T) {
	if testing.Short() {
		t.Skip("-short: it builds and runs programs for minutes") // whoever gives -short asks for that
	}
	chosen := choose(t)
	b := newBench(t)
	b.sane(t, chosen)
	for _, m := range chosen {
		t.Run(strings.ReplaceAll(m.name, " ", "-"), func(t *testing.T) {
			begin := time.Now()
			out, err := b.run(t, b.build(t, m), m.test)
			switch caught := regexp.MustCompile(m.says).FindString(out); {
			case err == nil:
				t.Errorf("%s passes with this fault in: it is not caught\n%s", m.test, clip(out))
			case !strings.Contains(out, "--- FAIL: "+topLevel(m.test)) || strings.Contains(out, "panic: test timed out"):
				t.Errorf("%s did not run to its end: %v\n%s", m.test, err, clip(out))
			case caught == "":
				t.Errorf("%s fails, but says nothing of %q: does it see this fault?\n%s", m.test, m.says, clip(out))
			default:
				t.Logf("caught by %s in %v: %s", m.test, time.Since(begin).Round(time.Second), line(out, caught))
			}
		})
	}
}

// choose is the mutants to be run.
func choose(t *testing.T) (chosen []mutant) {
	t.Helper()
	want := os.Getenv(selectEnv)
	name, err := regexp.Compile(want)
	if err != nil {
		t.Fatalf("%s: %v", selectEnv, err)
	}
	for _, m := range mutants() {
		if want == "all" || want == "" && m.always || want != "" && name.MatchString(m.name) {
			chosen = append(chosen, m)
		}
	}
	if len(chosen) == 0 {
		t.Fatalf("%s=%s: no such mutant", selectEnv, want)
	}
	return chosen
}

// newBench compiles the tests and the S3 server.
func newBench(t *testing.T) *bench {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "mut")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	b := &bench{root: root, dir: dir, tests: filepath.Join(dir, "integration.test"), s3: filepath.Join(dir, "s3server")}
	b.mustGo(t, b.root, "test", "-c", "-o", b.tests, "./integration")
	b.mustGo(t, filepath.Join(b.root, "integration", "s3server"), "build", "-o", b.s3, ".")
	return b
}

// sane: with the true program the tests pass, so that a failure means something.
func (b *bench) sane(t *testing.T, chosen []mutant) {
	t.Helper()
	var tests []string
	for _, m := range chosen {
		tests = append(tests, m.test)
	}
	begin := time.Now()
	out, err := b.run(t, b.build(t, mutant{name: "none"}), strings.Join(tests, "|"))
	switch {
	case strings.Contains(out, "--- SKIP"):
		testkit.SkipOrFail(t, "the tests cannot run here:\n"+clip(out))
	case err != nil || strings.Contains(out, "no tests to run"):
		t.Fatalf("the tests fail without any fault put in: %v\n%s", err, clip(out))
	}
	for _, m := range chosen {
		if !strings.Contains(out, "--- PASS: "+topLevel(m.test)) {
			t.Errorf("%q: there is no test %s any more; name the one that catches this fault now", m.name, m.test)
		}
	}
	t.Logf("without a fault all of them pass, in %v", time.Since(begin).Round(time.Second))
}

// build builds pailfs with the edits of m laid over the sources.
func (b *bench) build(t *testing.T, m mutant) (program string) {
	t.Helper()
	dir := t.TempDir()
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	changed, err := m.apply(b.root)
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range changed {
		to := filepath.Join(dir, fmt.Sprintf("%d.go", len(overlay.Replace)))
		if err := os.WriteFile(to, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		overlay.Replace[file] = to
	}
	text, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(list, text, 0o644); err != nil {
		t.Fatal(err)
	}
	program = filepath.Join(dir, "pailfs")
	b.mustGo(t, b.root, "build", "-overlay", list, "-o", program, "./cmd/pailfs")
	return program
}

// apply returns the texts of the files that the mutant changes below root.
func (m mutant) apply(root string) (changed map[string]string, err error) {
	changed = map[string]string{}
	for _, e := range m.edits {
		file := filepath.Join(root, filepath.FromSlash(e.file))
		text, ok := changed[file]
		if !ok {
			raw, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			text = string(raw)
		}
		if changed[file], err = e.apply(text); err != nil {
			return nil, fmt.Errorf("mutant %q needs care (integration/mutants/list_test.go): %w", m.name, err)
		}
	}
	return changed, nil
}

// TestMutantsApply: the places of all faults are there, also of those that are
// built by hand only.
func TestMutantsApply(t *testing.T) {
	for _, m := range mutants() {
		if _, err := m.apply("../.."); err != nil {
			t.Error(err)
		}
	}
}

// apply makes the edit.
func (e edit) apply(text string) (string, error) {
	var words []string
	for _, w := range strings.Fields(e.old) {
		words = append(words, regexp.QuoteMeta(w))
	}
	at := regexp.MustCompile(strings.Join(words, `\s+`)).FindAllStringIndex(text, -1)
	if len(at) != 1 {
		return "", fmt.Errorf("%s has %q %d times, want once: find the place where this fault can be put in now", e.file, e.old, len(at))
	}
	return text[:at[0][0]] + e.new + text[at[0][1]:], nil
}

// run runs tests of package integration on a program.
func (b *bench) run(t *testing.T, program, tests string) (out string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), testLimit+time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, b.tests, "-test.v", "-test.count=1", "-test.timeout="+testLimit.String(), "-test.run=^("+tests+")$")
	cmd.Dir = filepath.Join(b.root, "integration")
	cmd.Env = append(os.Environ(), "TMPDIR="+b.dir, "PAILFS_BIN="+program, "S3SERVER_BIN="+b.s3)
	cmd.WaitDelay = 10 * time.Second
	text, err := cmd.CombinedOutput()
	mounts.Detach(b.dir) // of a run that was cut off; their programs end with them
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		t.Fatal(err)
	}
	return string(text), err
}

func (b *bench) mustGo(t *testing.T, dir string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), buildLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// topLevel is the test without its subtests.
func topLevel(test string) string {
	name, _, _ := strings.Cut(test, "/")
	return name
}

// line is the first line of text that has what in it.
func line(text, what string) string {
	for l := range strings.Lines(text) {
		if strings.Contains(l, what) {
			return strings.TrimSpace(clip(l))
		}
	}
	return what
}

// clip keeps failure messages short.
func clip(s string) string {
	if len(s) > 6000 {
		return s[:3000] + "\n…\n" + s[len(s)-3000:]
	}
	return s
}
