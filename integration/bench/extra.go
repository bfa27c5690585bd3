package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// costRows are the workloads of which it is told what a GiB costs.
func costRows() []string { return []string{"W1", "W2", "W17"} }

// printExtra shows what is computed from several cells, or is about one only.
func printExtra(w io.Writer, f *file, s setting) {
	v := view{f, s.Name}
	lines := slices.Concat(v.formula(), v.fairness(), v.shareOf(localName, "W11"), v.shareOf(localName, "W18"), v.warm(),
		v.overMemory(), v.largest())
	if len(lines) > 0 {
		fmt.Fprintf(w, "\n### %s: extra figures\n\n- %s\n", s.Name, strings.Join(lines, "\n- "))
	}
	if g := v.costs(); len(g.rows) > 0 {
		fmt.Fprintf(w, "\n### %s: CPU seconds of the program per GiB read (times limit's)\n\n", s.Name)
		g.print(w)
	}
	if g := v.splits(); len(g.rows) > 0 {
		fmt.Fprintf(w, "\n### %s: CPU seconds of all that take part, and the share of %d cores that is in use\n\n", s.Name, f.Machine.Cores)
		g.print(w)
	}
}

// view is a run in one of its settings.
type view struct {
	f       *file
	setting string
}

// mid is the round that is shown; nil where there is none.
func (v view) mid(program, id string) *result {
	row, err := workloadByID(id)
	if err != nil {
		return nil
	}
	r, _ := v.f.at(v.setting, program, id).median(row.unit)
	return r
}

// names returns the programs with a result in the workload.
func (v view) names(id string) []string {
	var out []string
	for _, p := range v.f.Programs {
		if v.mid(p.Name, id) != nil {
			out = append(out, p.Name)
		}
	}
	return out
}

// formula compares pailfs with a program that would do all of limit's work and
// then all of null's: what is possible where one core does both in turn.
func (v view) formula() []string {
	r, limit, null := v.mid(pailfsName, "W1"), v.mid(limitName, "W1"), v.mid("null", "W1")
	if r == nil || limit == nil || null == nil {
		return nil
	}
	got := r.speed(unitSpeed)
	both := 1 / (1/limit.speed(unitSpeed) + 1/null.speed(unitSpeed))
	return []string{fmt.Sprintf("W1 %s: pailfs %s MB/s, 1/(1/limit+1/null) = %s MB/s, share %s",
		v.setting, digits(got), digits(both), ratio(got/both))}
}

func (v view) fairness() []string {
	var parts []string
	for _, name := range v.names("W17") {
		if x := v.mid(name, "W17").Readers.ratio(); x > 0 {
			parts = append(parts, name+" "+digits(x))
		}
	}
	return joined("W17: slowest/fastest ", parts)
}

// joined is one line, or none where it would say nothing.
func joined(head string, parts []string) []string {
	if len(parts) == 0 {
		return nil
	}
	return []string{head + strings.Join(parts, ", ")}
}

// shareOf compares speeds with that of a program other than limit.
func (v view) shareOf(base, id string) []string {
	b := v.mid(base, id)
	if b == nil {
		return nil
	}
	var parts []string
	for _, name := range v.names(id) {
		if name != base {
			x := v.mid(name, id).speed(unitSpeed)
			parts = append(parts, fmt.Sprintf("%s %s MB/s (%s)", name, digits(x), ratio(x/b.speed(unitSpeed))))
		}
	}
	return joined(fmt.Sprintf("%s: %s %s MB/s; ", id, base, digits(b.speed(unitSpeed))), parts)
}

// warm tells whether the disk cache kept reads away from the server: those
// after the mount, and the measured one that the page cache may have answered.
func (v view) warm() []string {
	var out []string
	for _, name := range v.names("W18") {
		r := v.mid(name, "W18")
		if name == localName || r.First <= 0 {
			continue
		}
		text := fmt.Sprintf("W18: %s: first read after the mount %s MB/s", name, digits(float64(r.Bytes)/1e6/r.First))
		if r.Requests != nil && r.Before != nil {
			text += fmt.Sprintf("; %d GETs in the measured read (%s), %d before it in the same mount (%s)",
				r.Requests.Count("GetObject"), operations(r.Requests), r.Before.Count("GetObject"), operations(r.Before))
		}
		out = append(out, text)
	}
	return out
}

// overMemory names each cell of a pailfs that used clearly more than its limit.
func (v view) overMemory() []string {
	var out []string
	for _, p := range v.f.Programs {
		for _, row := range v.f.rows(v.setting) {
			peak := v.f.at(v.setting, p.Name, row.id).peak()
			if p.MemoryLimit > 0 && peak > p.MemoryLimit+memoryBeyond {
				out = append(out, fmt.Sprintf("RSS ABOVE THE LIMIT: %s %s: %.0f MB, limit %.0f MB + %.0f MB", row.id, p.Name,
					float64(peak)/1e6, float64(p.MemoryLimit)/1e6, float64(memoryBeyond)/1e6))
			}
		}
	}
	return out
}

// peak is the largest of all rounds, those that failed too.
func (c cell) peak() int64 {
	var peak int64
	for _, r := range c {
		peak = max(peak, r.PeakRSS)
	}
	return peak
}

// largest says where each program needed the most memory.
func (v view) largest() []string {
	var parts []string
	for _, p := range v.f.Programs {
		var peak int64
		var at string
		for _, row := range v.f.rows(v.setting) {
			if x := v.f.at(v.setting, p.Name, row.id).peak(); x > peak {
				peak, at = x, row.id
			}
		}
		if peak == 0 {
			continue
		}
		text := fmt.Sprintf("%s %.0f MB in %s", p.Name, float64(peak)/1e6, at)
		if p.MemoryLimit > 0 {
			text += fmt.Sprintf(" (memory limit %.0f)", float64(p.MemoryLimit)/1e6)
		}
		parts = append(parts, text)
	}
	return joined("largest RSS: ", parts)
}

// costs is a grid as the others: a row for each workload.
func (v view) costs() *grid {
	g := v.f.grid(v.setting, func(row workload, c, limit cell) string {
		mid, _ := c.median(row.unit)
		if mid == nil || mid.Bytes == 0 {
			return "-"
		}
		text := digits(mid.perGiB())
		if base, _ := limit.median(row.unit); base != nil && base.Program != mid.Program && base.perGiB() > 0 {
			text += fmt.Sprintf(" (%s)", ratio(mid.perGiB()/base.perGiB()))
		}
		return text
	})
	return g.only(costRows())
}

func (r *result) perGiB() float64 { return r.CPU / (float64(r.Bytes) / (1 << 30)) }

// only keeps the rows of these workloads.
func (g *grid) only(ids []string) *grid {
	g.rows = slices.DeleteFunc(g.rows, func(row []string) bool {
		id, _, _ := strings.Cut(row[0], " ")
		return !slices.Contains(ids, id)
	})
	return g
}

// splits has a row for each program: who takes part differs too much for cells.
func (v view) splits() *grid {
	g := &grid{head: []string{"workload", "program", "seconds", "its CPU", "reader", "S3 server", "bench and lab", "in use", "machine"}}
	for _, id := range costRows() {
		for _, name := range v.names(id) {
			r := v.mid(name, id)
			if r.Split == nil {
				continue
			}
			reader := fmt.Sprintf("%.2f", r.Split.Reader)
			if name == limitName { // its reader is the program
				reader = "-"
			}
			g.rows = append(g.rows, []string{id, name, fmt.Sprintf("%.2f", r.Seconds), fmt.Sprintf("%.2f", r.CPU), reader,
				fmt.Sprintf("%.2f", r.Split.Server), fmt.Sprintf("%.2f", r.Split.Bench),
				v.coreShare(r, r.CPU+r.Split.sum()), v.coreShare(r, r.Split.Machine)})
		}
	}
	return g
}

// coreShare is CPU seconds as a share of what all cores have meanwhile. Ticks
// and the clock do not begin together: it can be a little above 100.
func (v view) coreShare(r *result, cpu float64) string {
	if v.f.Machine.Cores < 1 || r.Seconds <= 0 {
		return "-"
	}
	return fmt.Sprintf("%.0f %%", 100*cpu/(float64(v.f.Machine.Cores)*r.Seconds))
}
