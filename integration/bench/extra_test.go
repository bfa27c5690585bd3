package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/pailfs/pailfs/fs"
	"github.com/pailfs/pailfs/integration/lab"
)

// extraSample is a run in which each of the extra figures has something to say.
func extraSample() *file {
	at := func(program, workload string, mbps float64, cpu float64) result {
		return result{Setting: "lab", Program: program, Workload: workload, Seconds: 1024 / mbps, Bytes: 1024e6, CPU: cpu, PeakRSS: 50e6}
	}
	f := &file{Settings: allSettings()[1:], Machine: machine{Cores: 2}, Programs: []programInfo{{Name: limitName}, {Name: localName},
		{Name: "null"}, {Name: pailfsName, MemoryLimit: 100 * mib}, {Name: "pailfs-disk", MemoryLimit: 100 * mib}}}
	limit, null, ours := at(limitName, "W1", 1024, 1), at("null", "W1", 1024, 1), at(pailfsName, "W1", 256, 3)
	ours.Split = &split{Bench: 0.5, Server: 0.25, Reader: 0.25, Machine: 6}
	ours.PeakRSS = 200e6
	many := at(pailfsName, "W17", 100, 1)
	many.Readers = &readers{Fastest: 2, Slowest: 3.6}
	warm := at("pailfs-disk", "W18", 2048, 1)
	warm.First, warm.Requests, warm.Before = 2, &lab.Snapshot{}, &lab.Snapshot{Ops: map[string]lab.OpStats{"GetObject": {Count: 3}}}
	f.Results = []result{limit, null, ours, many, warm, at(localName, "W18", 4096, 1)}
	return f
}

func TestExtraFigures(t *testing.T) {
	f := extraSample()
	var b strings.Builder
	printExtra(&b, f, f.Settings[0])
	for _, want := range []string{
		"W1 lab: pailfs 256 MB/s, 1/(1/limit+1/null) = 512 MB/s, share 0.50\n",
		"W17: slowest/fastest pailfs 1.80\n",
		"W18: local 4096 MB/s; pailfs-disk 2048 MB/s (0.50)\n",
		"W18: pailfs-disk: first read after the mount 512 MB/s; 0 GETs in the measured read (no request), 3 before it",
		"RSS ABOVE THE LIMIT: W1 pailfs: 200 MB, limit 105 MB + 84 MB\n",
		"largest RSS: limit 50 MB in W1, local 50 MB in W18, null 50 MB in W1, pailfs 200 MB in W1 (memory limit 105), pailfs-disk",
		"3.15 (3.00)",                 // CPU seconds per GiB
		"| 4.00    | 3.00    | 0.25 ", // seconds, its CPU, reader
		"| 50 %   | 75 %    |",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("no %q", want)
		}
	}
	if strings.Count(b.String(), "ABOVE") != 1 || strings.Contains(b.String(), "W11") {
		t.Error("lines about what is not there")
	}
	if t.Failed() {
		t.Log(b.String())
	}
}

// TestExtraFiguresOfOldResults has none of what they are made from.
func TestExtraFiguresOfOldResults(t *testing.T) {
	f := &file{Settings: allSettings(), Results: []result{{Setting: "lab", Program: "x", Workload: "W4", Error: "timeout"}},
		Programs: []programInfo{{Name: "x"}}}
	var b strings.Builder
	for _, s := range f.Settings {
		printExtra(&b, f, s)
	}
	if b.Len() > 0 {
		t.Error(b.String())
	}
}

func TestMemoryLimit(t *testing.T) {
	byDefault := fs.DefaultMemoryLimit()
	for _, tc := range []struct {
		p    program
		want int64
	}{
		{program{Name: pailfsName, Command: []string{"{pailfs}", "mount"}}, byDefault},
		{program{Name: "pailfs-64MiB", Command: []string{"{pailfs}", "--memory-limit=64MiB"}}, 64 * mib},
		{program{Name: "pailfs-x", Command: []string{"{pailfs}", "--memory-limit", "2GiB", "x"}}, 2048 * mib},
		{program{Name: "peer", Command: []string{"peer", "--memory-limit=64MiB"}}, 0},
		{program{Name: limitName}, 0},
	} {
		if got := tc.p.memoryLimit(); got != tc.want {
			t.Errorf("%s: %d, want %d", tc.p.Name, got, tc.want)
		}
	}
}

// TestWhoRuns has the rows that not every program takes part in.
func TestWhoRuns(t *testing.T) {
	all, err := loadPrograms("")
	if err != nil {
		t.Fatal(err)
	}
	list, err := chosen([]string{"W11", "W17", "W18"})
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		limitName: "W1 W17", localName: "W11 W18", "null": "W1 W11 W17", pailfsName: "W1 W11 W17",
		"pailfs-64MiB": "W17", "pailfs-disk": "W18", "s3fs": "W1 W11 W17",
	} {
		p := all[programIndex(all, name)]
		var got []string
		for _, group := range groups(list) {
			for _, w := range cells(p, group) {
				got = append(got, w.id)
			}
		}
		slices.Sort(got)
		if text := strings.Join(got, " "); text != want {
			t.Errorf("%s runs %s, want %s", name, text, want)
		}
		if needsLocal([]program{p}, groups(list)) != (name == localName) {
			t.Errorf("%s: the local file", name)
		}
	}
}
