package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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
	b := needPrograms(t)
	programs := []string{limitName, localName, "null", pailfsName, "pailfs-64MiB", "pailfs-disk"}
	list, cached := diskEntry(t, b)
	code, tables, got := smoke(t, b, "--programs-file", list, "--programs", strings.Join(programs, ","))
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
	for _, s := range []string{"bare", "lab"} {
		checkSplit(t, got.at(s, pailfsName, "W1"))
		checkReaders(t, got.at(s, "pailfs-64MiB", "W17"))
	}
	checkWarm(t, got.at("lab", "pailfs-disk", "W18"), cached)
	for _, want := range []string{"W1 bare: pailfs ", "W1 lab: pailfs ", "W17: slowest/fastest ", "W11: local ", "W18: local ", "largest RSS: limit "} {
		if !strings.Contains(tables, want) {
			t.Errorf("the tables have no %q", want)
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
	if r.Requests != nil && !p.Blank && !p.local() && w.after == "" && w.fill == nil && r.Requests.Requests == 0 {
		t.Errorf("%s %s %s: no request was counted", setting, w.id, p.Name)
	}
}

// diskEntry is a file with pailfs-disk as this pailfs can run it: one that has
// no disk cache yet mounts without. cached tells that it has one.
func diskEntry(t *testing.T, b binaries) (file string, cached bool) {
	t.Helper()
	const flag = "--cache-dir"
	help, err := exec.Command(b.pailfs, "mount", "--help").Output()
	if err != nil {
		t.Fatal(err)
	}
	all, err := loadPrograms("")
	if err != nil {
		t.Fatal(err)
	}
	p := all[programIndex(all, "pailfs-disk")]
	cached = strings.Contains(string(help), flag+" ")
	if !cached {
		p.Command = slices.DeleteFunc(p.Command, func(word string) bool { return strings.HasPrefix(word, flag) })
	}
	return programsFile(t, p), cached
}

func programsFile(t *testing.T, list ...program) string {
	t.Helper()
	text, err := json.Marshal(list)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "programs.json")
	if err := os.WriteFile(name, text, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

// checkSplit does not ask how much they used: that can be less than a tick.
func checkSplit(t *testing.T, c cell) {
	t.Helper()
	if len(c) != 1 || c[0].Split == nil {
		t.Errorf("W1: no split of the CPU: %+v", c)
	}
}

func checkReaders(t *testing.T, c cell) {
	t.Helper()
	if len(c) != 1 || c[0].Readers.ratio() < 1 || c[0].Readers.Slowest > c[0].Seconds {
		t.Errorf("W17: readers: %+v", c)
	}
}

// checkWarm looks at the requests of the second mount: with a disk cache that
// was filled, none is for content.
func checkWarm(t *testing.T, c cell, cached bool) {
	t.Helper()
	if len(c) != 1 || c[0].First <= 0 || c[0].Before == nil || c[0].Before.Requests == 0 {
		t.Errorf("W18: %+v", c)
		return
	}
	const get = "GetObject"
	before, measured := c[0].Before.Count(get), c[0].Requests.Count(get)
	if cached && before+measured > 0 {
		t.Errorf("W18: %d and %d GETs of what is in the cache", before, measured)
	}
	if !cached && before == 0 {
		t.Error("W18: no GET without a cache: the second mount is none")
	}
}

// TestPeersThatMisbehave has programs that serve wrong bytes, hang, never
// mount, end at once or are not there: none of them stops the others.
func TestPeersThatMisbehave(t *testing.T) {
	b := needPrograms(t)
	entries := []program{
		{Name: "wrong", Command: []string{"{self}", "null", "{mnt}", "--scale", "{scale}"}},
		{Name: "hanging", Command: []string{"{self}", "hang", "{mnt}"}, Workloads: []string{"W1", "W18"}},
		{Name: "silent", Command: []string{"sleep", "1000"}},
		{Name: "ending", Command: []string{"false"}},
		{Name: "absent", Command: []string{"no-such-program-anywhere"}},
	}
	list := programsFile(t, entries...)
	code, tables, got := smoke(t, b, "--programs-file", list, "--programs", "wrong,hanging,silent,ending,absent,limit",
		"--settings", "lab", "--workloads", "W1,W18", "--timeout", "3s")
	if code != exitFailed {
		t.Errorf("exit code %d, want %d for the wrong bytes", code, exitFailed)
	}
	for name, want := range map[string]string{"wrong": "BAD DATA", "hanging": "timeout", "silent": "not mounted", "ending": "process ended"} {
		if c := got.at("lab", name, "W1"); len(c) != 1 || !strings.Contains(c[0].Error, want) {
			t.Errorf("%s: want %q", name, want)
		}
	}
	if c := got.at("lab", "hanging", "W18"); len(c) != 1 || c[0].Error != "filling the cache: timeout" {
		t.Errorf("hanging in W18: %+v", c)
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
