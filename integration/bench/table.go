package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/pailfs/pailfs/integration/lab"
)

// grid is a table of text, of the kind that terminals and Markdown share.
type grid struct {
	head []string
	rows [][]string
}

func (g *grid) add(first string, f func(column string) string) {
	row := []string{first}
	for _, column := range g.head[1:] {
		row = append(row, f(column))
	}
	g.rows = append(g.rows, row)
}

func (g *grid) print(w io.Writer) {
	widths := make([]int, len(g.head))
	all := append([][]string{g.head}, g.rows...)
	for _, row := range all {
		for i, text := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(text))
		}
	}
	line := func(row []string, fill string) {
		for i, text := range row {
			fmt.Fprintf(w, "| %s%s ", text, strings.Repeat(fill, widths[i]-utf8.RuneCountInString(text)))
		}
		fmt.Fprintln(w, "|")
	}
	line(g.head, " ")
	line(make([]string, len(g.head)), "-")
	for _, row := range g.rows {
		line(row, " ")
	}
}

// printTables shows a run as Markdown.
func printTables(w io.Writer, f *file) {
	printHead(w, f)
	for _, s := range f.Settings {
		fmt.Fprintf(w, "\n### %s: speed, or time until it is on the server (speed as a share of limit's)\n\n", s.describe())
		f.grid(s.Name, func(row workload, c, limit cell) string { return c.show(row.unit, limit) }).print(w)
		fmt.Fprintf(w, "\n### %s: CPU seconds, peak RSS in MB of the mount process\n\n", s.Name)
		f.grid(s.Name, func(row workload, c, _ cell) string { return c.showUsage(row.unit) }).print(w)
		printExtra(w, f, s)
		if s.Shape == nil {
			continue
		}
		fmt.Fprintf(w, "\n### %s: requests (MB down / MB up)\n\n", s.Name)
		f.grid(s.Name, func(row workload, c, _ cell) string { return c.showRequests(row.unit) }).print(w)
		printOperations(w, f, s.Name)
	}
	printFailures(w, f)
}

func (s setting) describe() string {
	if s.Shape == nil {
		return s.Name + " (straight to the server)"
	}
	return fmt.Sprintf("%s (%g±%g ms to the first byte, %g MB/s a stream)", s.Name, s.Shape.LatencyMS, s.Shape.JitterMS, s.Shape.StreamMBps)
}

func printHead(w io.Writer, f *file) {
	m := f.Machine
	fmt.Fprintf(w, "%s, %d cores, %.0f GB, Linux %s, %s; backend %s, %d round(s), median shown; %.0f s in all\n",
		m.CPU, m.Cores, float64(m.Memory)/1e9, m.Kernel, m.Go, f.Backend, f.Repeat, f.Seconds)
	if f.Scale != 1 {
		fmt.Fprintf(w, "scaled down by %d: these are not results of the benchmark\n", f.Scale)
	}
	low, mid, high := f.probes()
	fmt.Fprintf(w, "SHA-256 on one core before each measurement: %.0f MB/s, from %.0f to %.0f\n\n", mid, low, high)
	for _, p := range f.Programs {
		switch {
		case p.LeftOut != "":
			fmt.Fprintf(w, "- %s: left out, %s\n", p.Name, p.LeftOut)
		default:
			known := slices.DeleteFunc([]string{p.Version, p.Note}, func(s string) bool { return s == "" })
			fmt.Fprintf(w, "- %s: %s\n", p.Name, strings.Join(known, "; "))
		}
	}
}

// probes returns the least, the middle and the greatest probe.
func (f *file) probes() (low, mid, high float64) {
	var all []float64
	for _, r := range f.Results {
		all = append(all, r.Probe)
	}
	if len(all) == 0 {
		return 0, 0, 0
	}
	slices.Sort(all)
	return all[0], all[len(all)/2], all[len(all)-1]
}

// grid has a row for each workload and a column for each program that ran.
func (f *file) grid(setting string, show func(row workload, c, limit cell) string) *grid {
	g := &grid{head: []string{"workload"}}
	for _, p := range f.Programs {
		if p.LeftOut == "" {
			g.head = append(g.head, p.Name)
		}
	}
	for _, row := range f.rows(setting) {
		limit := f.at(setting, limitName, row.id)
		g.add(row.id+" "+row.title, func(p string) string { return show(row, f.at(setting, p, row.id), limit) })
	}
	return g
}

// rows returns the workloads of which there are results.
func (f *file) rows(setting string) []workload {
	return slices.DeleteFunc(workloads(), func(w workload) bool {
		return !slices.ContainsFunc(f.Results, func(r result) bool { return r.Setting == setting && r.Workload == w.id })
	})
}

func (c cell) showUsage(u unit) string {
	mid, _ := c.median(u)
	if mid == nil {
		return "-"
	}
	return fmt.Sprintf("%.2f s, %.0f", mid.CPU, float64(mid.PeakRSS)/1e6)
}

func (c cell) showRequests(u unit) string {
	mid, _ := c.median(u)
	if mid == nil || mid.Requests == nil {
		return "-"
	}
	if mid.Requests.Requests == 0 {
		return "0"
	}
	return fmt.Sprintf("%d (%s / %s)", mid.Requests.Requests, megabytes(mid.Requests.BytesDown), megabytes(mid.Requests.BytesUp))
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f", float64(n)/1e6) }

// printOperations names the operations behind the requests of pailfs.
func printOperations(w io.Writer, f *file, setting string) {
	var lines []string
	for _, row := range f.rows(setting) {
		mid, _ := f.at(setting, pailfsName, row.id).median(row.unit)
		if mid == nil || mid.Requests == nil {
			continue
		}
		lines = append(lines, fmt.Sprintf("- %s: %s", row.id, operations(mid.Requests)))
	}
	if len(lines) > 0 {
		fmt.Fprintf(w, "\nRequests of pailfs by operation (of the others: in the JSON):\n\n%s\n", strings.Join(lines, "\n"))
	}
}

// operations counts requests by the name of the operation.
func operations(s *lab.Snapshot) string {
	var out []string
	for _, op := range slices.Sorted(maps.Keys(s.Ops)) {
		out = append(out, fmt.Sprintf("%s %d", op, s.Ops[op].Count))
	}
	if len(out) == 0 {
		return "no request"
	}
	return strings.Join(out, ", ")
}

// printFailures says what is behind FAIL and BAD DATA, each reason once.
func printFailures(w io.Writer, f *file) {
	var reasons []string
	where := map[string][]string{}
	for _, r := range f.Results {
		if r.Error == "" {
			continue
		}
		reason := r.Program + ": " + strings.Join(strings.Fields(r.Error), " ")
		if where[reason] == nil {
			reasons = append(reasons, reason)
		}
		where[reason] = append(where[reason], r.Setting+" "+r.Workload)
	}
	if len(reasons) == 0 {
		return
	}
	fmt.Fprint(w, "\n### Failures\n\n")
	for _, reason := range reasons {
		fmt.Fprintf(w, "- %s (%s)\n", reason, strings.Join(where[reason], ", "))
	}
}
