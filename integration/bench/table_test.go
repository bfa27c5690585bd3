package main

import (
	"errors"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pailfs/pailfs/integration/lab"
)

// sample is a run with one workload of each unit.
func sample(speedup float64) *file {
	at := func(program, workload string, secs float64, requests int64) result {
		return result{Setting: "lab", Program: program, Workload: workload, Seconds: secs / speedup, Bytes: 1e9, Ops: 1000,
			Probe: 1000, CPU: 2, PeakRSS: 50e6, Requests: &lab.Snapshot{Requests: requests, BytesDown: 3e6,
				Ops: map[string]lab.OpStats{"GetObject": {Count: requests}}}}
	}
	s, _ := scaled(1)
	f := &file{Format: fileFormat, Scale: 1, Sizes: s, Settings: allSettings()[1:],
		Programs: []programInfo{{Name: limitName}, {Name: pailfsName}, {Name: "peer"}, {Name: "gone", LeftOut: "not installed"}}}
	f.Results = []result{
		at(limitName, "W1", 2, 128), at(pailfsName, "W1", 4, 130),
		at(limitName, "W3b", 5, 1000), at(pailfsName, "W3b", 5, 1000),
		at(pailfsName, "W5", 3, 2000), at(pailfsName, "W16", 0.025, 50),
	}
	late := at("peer", "W5", 1, 100)
	complete := 2.5
	late.Complete = &complete
	f.Results = append(f.Results, late,
		result{Setting: "lab", Program: "peer", Workload: "W1", Error: "timeout", Probe: 1000},
		result{Setting: "lab", Program: "peer", Workload: "W3b", Error: "BAD DATA at offset 4", BadData: "BAD DATA at offset 4", Probe: 1000})
	return f
}

func TestTables(t *testing.T) {
	var b strings.Builder
	printTables(&b, sample(1))
	for _, want := range []string{
		"500 MB/s", "250 MB/s (0.50)", "200 /s (1.00)", "3.00 s", "25.0 ms", "2.50 s, returned 1.00 s", "FAIL", "BAD DATA",
		"2.00 s, 50", "130 (3.0 / 0.0)", "- W1: GetObject 130", "gone: left out, not installed", "- peer: timeout (lab W1)",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(b.String(), "W2 ") || strings.Contains(b.String(), "| gone") {
		t.Error("rows or columns without results")
	}
	if t.Failed() {
		t.Log(b.String())
	}
}

func TestMedian(t *testing.T) {
	c := cell{{Seconds: 3}, {Seconds: 1}, {Error: "x"}, {Seconds: 2}}
	mid, failed := c.median(unitTime)
	if mid.Seconds != 2 || failed != 1 {
		t.Errorf("%v %d", mid.Seconds, failed)
	}
	if got := c.show(unitTime, nil); got != "2.00 s, 1 of 4 FAIL" {
		t.Error(got)
	}
	if mid, _ := c[:2].median(unitTime); mid.Seconds != 3 {
		t.Errorf("of two: %v", mid.Seconds)
	}
}

func TestVerdict(t *testing.T) {
	f := &file{Results: []result{{Program: "peer", Error: "timeout"}}}
	if err := f.verdict(); err != nil {
		t.Errorf("a peer may fail: %v", err)
	}
	for _, r := range []result{
		{Program: pailfsName, Error: "x"}, {Program: limitName, Error: "x"}, {Program: "peer", Error: "x", BadData: "x"},
	} {
		if err := (&file{Results: []result{r}}).verdict(); !errors.Is(err, errFailed) {
			t.Errorf("%+v: %v", r, err)
		}
	}
}

func TestCompare(t *testing.T) {
	before, after := sample(1), sample(2)
	after.Results[1].Probe = 500 // pailfs in W1
	after.Results[5].Error = "timeout"
	var b strings.Builder
	if err := printComparison(&b, before, after); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"2.00 +", "2.00 + ~", "- FAIL now", "both FAIL"} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Contains(b.String(), "NOT THE SAME") {
		t.Error("a difference where there is none")
	}
	if t.Failed() {
		t.Log(b.String())
	}
}

func TestCompareMark(t *testing.T) {
	more, less := metrics()[0], metrics()[1]
	a, b := cell{{Seconds: 1, Requests: &lab.Snapshot{Requests: 10}}}, cell{{Seconds: 2, Requests: &lab.Snapshot{Requests: 5}}}
	for _, tc := range []struct {
		before, after cell
		m             metric
		want          string
	}{
		{a, b, more, "0.50 -"}, {b, a, more, "2.00 +"}, {a, b, less, "0.50 +"}, {b, a, less, "2.00 -"},
		{a, a, more, "1.00"}, {nil, a, more, ""},
	} {
		if got := compareCells(tc.before, tc.after, unitTime, tc.m); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.m.title, got, tc.want)
		}
	}
}

func TestCompareDifferences(t *testing.T) {
	before, after := sample(1), sample(1)
	for i := range after.Results {
		after.Results[i].Probe = 700
	}
	after.Backend = "posix"
	after.Programs[2].Version = "2"
	got := strings.Join(differences(before, after), "\n")
	for _, want := range []string{"speed of the machine", "backend", "peer"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %q", want, got)
		}
	}
	after.Sizes.Small = 3
	if err := printComparison(io.Discard, before, after); err == nil {
		t.Error("runs of different sizes were compared")
	}
}

func TestResultFile(t *testing.T) {
	name := filepath.Join(t.TempDir(), "x.json")
	if err := sample(1).save(name); err != nil {
		t.Fatal(err)
	}
	got, err := loadFile(name)
	if err != nil || len(got.Results) != len(sample(1).Results) {
		t.Fatal(got, err)
	}
	got.Format++
	if err := got.save(name); err != nil {
		t.Fatal(err)
	}
	if _, err := loadFile(name); err == nil {
		t.Error("another format is read")
	}
}
