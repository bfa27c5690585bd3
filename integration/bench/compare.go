package main

import (
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"
	"time"
)

const (
	sameWithin  = 0.05 // ratios nearer to 1 are not called a difference
	probeWithin = 0.10 // medians of probes farther apart mean that the machine was not the same
	cellWithin  = 0.20 // the same of the two probes before one cell
)

// metric is something that two runs are compared by.
type metric struct {
	title    string
	better   int  // 1: more is better, -1: less is
	failures bool // its table says what failed; once is enough
	noisy    bool // it depends on how fast the machine is
	value    func(r *result, u unit) float64
}

func metrics() []metric {
	return []metric{
		{"speed", 1, true, true, (*result).speed},
		{"requests", -1, false, false, func(r *result, _ unit) float64 {
			if r.Requests == nil {
				return 0
			}
			return float64(r.Requests.Requests)
		}},
		{"CPU seconds", -1, false, true, func(r *result, _ unit) float64 { return r.CPU }},
		{"slowest/fastest reader", -1, false, true, func(r *result, _ unit) float64 { return r.Readers.ratio() }},
		{"peak RSS", -1, false, false, func(r *result, _ unit) float64 { return float64(r.PeakRSS) }},
	}
}

// printComparison shows new/old for each cell that both runs have.
func printComparison(w io.Writer, before, after *file) error {
	if before.Scale != after.Scale || before.Sizes != after.Sizes {
		return errors.New("the runs cannot be compared: their sizes differ")
	}
	const legend = "\n## New / old\n\nOld is of %s, new of %s. \"+\" marks what is better now, \"-\" what was better before, \"~\" cells\n" +
		"before which the machine was not equally fast.\n"
	fmt.Fprintf(w, legend, before.Started.Format(time.DateTime), after.Started.Format(time.DateTime))
	for _, warning := range differences(before, after) {
		fmt.Fprintf(w, "\nNOT THE SAME: %s\n", warning)
	}
	for _, s := range after.Settings {
		for _, m := range metrics() {
			g := after.grid(s.Name, func(row workload, c, _ cell) string {
				if len(c) == 0 {
					return ""
				}
				return compareCells(before.at(s.Name, c[0].Program, row.id), c, row.unit, m)
			})
			if g.empty() {
				continue
			}
			fmt.Fprintf(w, "\n### %s: %s, new / old\n\n", s.Name, m.title)
			g.print(w)
		}
	}
	return nil
}

// empty tells that no cell of the grid says anything.
func (g *grid) empty() bool {
	return !slices.ContainsFunc(g.rows, func(row []string) bool {
		return slices.ContainsFunc(row[1:], func(text string) bool { return text != "" })
	})
}

// compareCells is the text of one cell, empty where there is nothing to compare.
func compareCells(before, after cell, u unit, m metric) string {
	if len(before) == 0 || len(after) == 0 {
		return ""
	}
	a, _ := before.median(u)
	b, _ := after.median(u)
	if a == nil || b == nil {
		switch {
		case !m.failures:
			return ""
		case a == nil && b == nil:
			return "both FAIL"
		case a == nil:
			return "+ FAIL before"
		}
		return "- FAIL now"
	}
	x, y := m.value(a, u), m.value(b, u)
	if x <= 0 || y <= 0 {
		return ""
	}
	text := ratio(y/x) + mark(y/x, m.better)
	if m.noisy && !near(a.Probe, b.Probe, cellWithin) {
		text += " ~"
	}
	return text
}

func mark(r float64, better int) string {
	switch {
	case math.Abs(r-1) <= sameWithin:
		return ""
	case r > 1 == (better > 0):
		return " +"
	}
	return " -"
}

func near(a, b, within float64) bool { return math.Abs(a-b) <= within*max(a, b) }

// differences says what, apart from the programs, is not the same in two runs.
func differences(before, after *file) []string {
	var out []string
	if before.Machine != after.Machine {
		out = append(out, fmt.Sprintf("the machine: %+v, now %+v", before.Machine, after.Machine))
	}
	_, a, _ := before.probes()
	_, b, _ := after.probes()
	if !near(a, b, probeWithin) {
		out = append(out, fmt.Sprintf("the speed of the machine: SHA-256 at %.0f MB/s, now %.0f MB/s (%.2f)", a, b, b/a))
	}
	if before.Backend != after.Backend {
		out = append(out, fmt.Sprintf("the backend: %s, now %s", before.Backend, after.Backend))
	}
	for _, s := range after.Settings {
		i := slices.IndexFunc(before.Settings, func(o setting) bool { return o.Name == s.Name })
		if i >= 0 && before.Settings[i].describe() != s.describe() {
			out = append(out, fmt.Sprintf("the setting: %s, now %s", before.Settings[i].describe(), s.describe()))
		}
	}
	return append(out, changedPrograms(before, after)...)
}

func changedPrograms(before, after *file) []string {
	var out []string
	for _, p := range after.Programs {
		i := slices.IndexFunc(before.Programs, func(o programInfo) bool { return o.Name == p.Name })
		// Another version of pailfs is what a comparison is made for.
		if i >= 0 && before.Programs[i].Version != p.Version && !strings.HasPrefix(p.Name, pailfsName) {
			out = append(out, fmt.Sprintf("%s: %q, now %q", p.Name, before.Programs[i].Version, p.Version))
		}
	}
	return out
}
