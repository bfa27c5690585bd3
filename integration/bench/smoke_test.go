package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// smoke runs the benchmark, as small as it can be, and returns its exit code,
// its tables and its results.
func smoke(t *testing.T, b binaries, args ...string) (code int, tables string, got *file) {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.json")
	var tablesOut, progress bytes.Buffer
	code = mainCode(append(smokeArgs(t, b, out), args...), &tablesOut, &progress)
	t.Logf("exit code %d\n%s\n%s", code, progress.String(), tablesOut.String())
	got, err := loadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	return code, tablesOut.String(), got
}

func smokeArgs(t *testing.T, b binaries, out string) []string {
	t.Helper()
	return []string{"run", "--scale", "1000", "--rand-seconds", "0.2", "--out", out, "--work", workDir(t),
		"--pailfs", b.pailfs, "--s3server", b.s3server}
}

// TestBenchSmoke runs everything that needs nothing but this repository.
func TestBenchSmoke(t *testing.T) {
	programs := []string{limitName, "null", pailfsName}
	code, tables, got := smoke(t, needPrograms(t), "--programs", strings.Join(programs, ","))
	if code != 0 {
		t.Errorf("exit code %d", code)
	}
	all, err := loadPrograms("")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range []string{"bare", "lab"} {
		for _, w := range workloads() {
			if !strings.Contains(tables, "| "+w.id+" ") {
				t.Errorf("no row for %s", w.id)
			}
			for _, name := range programs {
				if p := all[programIndex(all, name)]; p.runs(w) {
					checkCell(t, s, w, p, got.at(s, name, w.id))
				}
			}
		}
	}
	for _, bad := range []string{"FAIL", "BAD DATA"} {
		if strings.Contains(tables, bad) {
			t.Errorf("the tables have %s", bad)
		}
	}
}

func checkCell(t *testing.T, setting string, w workload, p program, c cell) {
	t.Helper()
	if len(c) != 1 {
		t.Errorf("%s %s %s: %d results", setting, w.id, p.Name, len(c))
		return
	}
	r := c[0]
	if r.Error != "" || r.speed(w.unit) <= 0 || r.PeakRSS <= 0 || r.Probe <= 0 {
		t.Errorf("%s %s %s: no value: %+v", setting, w.id, p.Name, r)
	}
	if w.writes && !p.Blank && (r.Complete == nil || *r.Complete < r.Seconds) {
		t.Errorf("%s %s %s: complete at %v, returned at %v", setting, w.id, p.Name, r.Complete, r.Seconds)
	}
	if lab := setting == "lab"; lab != (r.Requests != nil) {
		t.Errorf("%s %s %s: requests %v", setting, w.id, p.Name, r.Requests)
	}
	if r.Requests != nil && !p.Blank && w.after == "" && r.Requests.Requests == 0 {
		t.Errorf("%s %s %s: no request was counted", setting, w.id, p.Name)
	}
}

// TestPeersThatMisbehave has programs that serve wrong bytes, hang, never
// mount, end at once or are not there: none of them stops the others.
func TestPeersThatMisbehave(t *testing.T) {
	b := needPrograms(t)
	entries := []program{
		{Name: "wrong", Command: []string{"{self}", "null", "{mnt}", "--scale", "{scale}"}},
		{Name: "hanging", Command: []string{"{self}", "hang", "{mnt}"}},
		{Name: "silent", Command: []string{"sleep", "1000"}},
		{Name: "ending", Command: []string{"false"}},
		{Name: "absent", Command: []string{"no-such-program-anywhere"}},
	}
	text, err := json.Marshal(entries)
	if err != nil {
		t.Fatal(err)
	}
	list := filepath.Join(t.TempDir(), "programs.json")
	if err := os.WriteFile(list, text, 0o644); err != nil {
		t.Fatal(err)
	}
	code, tables, got := smoke(t, b, "--programs-file", list, "--programs", "wrong,hanging,silent,ending,absent,limit",
		"--settings", "lab", "--workloads", "W1", "--timeout", "3s")
	if code != exitFailed {
		t.Errorf("exit code %d, want %d for the wrong bytes", code, exitFailed)
	}
	for name, want := range map[string]string{"wrong": "BAD DATA", "hanging": "timeout", "silent": "not mounted", "ending": "process ended"} {
		if c := got.at("lab", name, "W1"); len(c) != 1 || !strings.Contains(c[0].Error, want) {
			t.Errorf("%s: want %q", name, want)
		}
	}
	if c := got.at("lab", limitName, "W1"); len(c) != 1 || c[0].Error != "" {
		t.Error("limit failed too")
	}
	if !strings.Contains(tables, "absent: left out") {
		t.Error("the absent program is not named")
	}
}

// TestInterrupt stops a run amid a measurement.
func TestInterrupt(t *testing.T) {
	b := needPrograms(t)
	out := filepath.Join(t.TempDir(), "out.json")
	args := append(smokeArgs(t, b, out), "--programs", "limit,pailfs", "--settings", "lab", "--workloads", "W1,W14")
	cmd := exec.Command(os.Args[0], args...)
	progress := &tailBuffer{}
	cmd.Stderr = progress
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "pailfs in W1", func() bool { return strings.Contains(progress.String(), "W1   pailfs") })
	time.Sleep(300 * time.Millisecond) // into the clone
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != exitInterrupted {
		t.Errorf("exit code %d, want %d\n%s", code, exitInterrupted, progress)
	}
	got, err := loadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.at("lab", pailfsName, "W1")) != 1 || len(got.at("lab", pailfsName, "W14")) != 0 {
		t.Errorf("results: %+v", got.Results)
	}
}
