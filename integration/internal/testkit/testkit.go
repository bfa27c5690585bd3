// Package testkit is what the test packages below integration share: programs
// to be tested, and tools that may be missing.
package testkit

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// SkipOrFail skips a test for why; with CI=true, where nothing may be missing, it
// fails.
func SkipOrFail(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why) // the caller's reason
}

// NeedTool is SkipOrFail where a program of a Debian package is not installed.
func NeedTool(t testing.TB, tool, debian string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		SkipOrFail(t, fmt.Sprintf("%s is not installed (Debian: apt install %s)", tool, debian))
	}
}

// Program is the file that the environment variable names, or else what go
// builds of a package in dir, without the race detector.
func Program(t testing.TB, variable, dir, pkg string) string {
	t.Helper()
	if name := os.Getenv(variable); name != "" {
		return name
	}
	out := filepath.Join(t.TempDir(), strings.ToLower(variable))
	if err := Build(dir, out, pkg); err != nil {
		t.Fatal(err)
	}
	return out
}

// Build runs go build in dir.
func Build(dir, out string, args ...string) error {
	cmd := exec.Command("go", append([]string{"build", "-o", out}, args...)...)
	cmd.Dir = dir
	if text, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(text))
	}
	return nil
}
