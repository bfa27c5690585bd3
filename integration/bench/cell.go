package main

import (
	"fmt"
	"slices"
	"strings"
)

// cell is what one program did in one workload of one setting, in all rounds.
type cell []*result

// at returns the cell of f.
func (f *file) at(setting, program, workload string) cell {
	var c cell
	for i := range f.Results {
		if r := &f.Results[i]; r.Setting == setting && r.Program == program && r.Workload == workload {
			c = append(c, r)
		}
	}
	return c
}

// median returns the round in the middle of those that went well, by speed,
// and how many did not. With an even number it is the slower of the two.
func (c cell) median(u unit) (mid *result, failed int) {
	good := slices.DeleteFunc(slices.Clone(c), func(r *result) bool { return r.Error != "" })
	failed = len(c) - len(good)
	if len(good) == 0 {
		return nil, failed
	}
	slices.SortStableFunc(good, func(a, b *result) int {
		if a.speed(u) < b.speed(u) {
			return -1
		}
		return 1
	})
	return good[(len(good)-1)/2], failed
}

// badData returns the first round with wrong content.
func (c cell) badData() *result {
	for _, r := range c {
		if r.BadData != "" {
			return r
		}
	}
	return nil
}

// show is the cell's text: the result, and its speed as a share of limit's.
func (c cell) show(u unit, limit cell) string {
	switch {
	case len(c) == 0:
		return "-"
	case c.badData() != nil:
		return "BAD DATA"
	}
	mid, failed := c.median(u)
	if mid == nil {
		return "FAIL"
	}
	text := mid.show(u)
	if base, _ := limit.median(u); base != nil && base.Program != mid.Program && base.speed(u) > 0 {
		text += fmt.Sprintf(" (%s)", ratio(mid.speed(u)/base.speed(u)))
	}
	if failed > 0 {
		text += fmt.Sprintf(", %d of %d FAIL", failed, len(c))
	}
	return text
}

// show is the number in its unit. Where close() returned much before the data
// was on the server, it says when.
func (r *result) show(u unit) string {
	var text string
	switch u {
	case unitSpeed, unitRate:
		text = fmt.Sprintf("%s %s", digits(r.speed(u)), u)
	case unitMillis:
		text = fmt.Sprintf("%s %s", digits(1000*r.total()), u)
	default:
		text = fmt.Sprintf("%.2f %s", r.total(), u)
	}
	if r.total() > 1.1*r.Seconds+0.1 {
		text += fmt.Sprintf(", returned %.2f s", r.Seconds)
	}
	return text
}

// digits keeps three of them where there are that many.
func digits(x float64) string {
	switch {
	case x < 10:
		return fmt.Sprintf("%.2f", x)
	case x < 100:
		return fmt.Sprintf("%.1f", x)
	}
	return fmt.Sprintf("%.0f", x)
}

func ratio(x float64) string {
	switch {
	case x < 0.01:
		return fmt.Sprintf("%.4f", x)
	case x >= 10:
		return fmt.Sprintf("%.0f", x)
	}
	return fmt.Sprintf("%.2f", x)
}

// describe is one result for the progress.
func describe(r *result, w workload) string {
	used := fmt.Sprintf("CPU %.2f s, %d MB", r.CPU, r.PeakRSS/1e6)
	if r.Requests != nil {
		used += fmt.Sprintf(", %d requests", r.Requests.Requests)
	}
	if r.Error == "" {
		return fmt.Sprintf("%s (%.2f s, %s)", r.show(w.unit), r.total(), used)
	}
	label := "FAIL"
	if r.BadData != "" {
		label = "BAD DATA"
	}
	return fmt.Sprintf("%s: %s (%s)", label, strings.Join(strings.Fields(r.Error), " "), used)
}
