package main

import (
	"slices"
)

// groups puts together what shares a mount: a workload and those that run
// after it in the same mount. What a chosen workload needs before it runs too.
func groups(list []workload) [][]workload {
	var out [][]workload
	for _, w := range list {
		if w.after != "" {
			continue
		}
		out = append(out, append([]workload{w}, followers(list, w.id)...))
	}
	for _, w := range list {
		if w.after == "" || slices.ContainsFunc(list, func(o workload) bool { return o.id == w.after }) {
			continue
		}
		if first, err := workloadByID(w.after); err == nil {
			out = append(out, append([]workload{first}, followers(list, w.after)...))
		}
	}
	return out
}

func followers(list []workload, id string) []workload {
	var out []workload
	for _, w := range list {
		if w.after == id {
			out = append(out, w)
		}
	}
	return out
}

// cells returns the workloads of a group that the program runs; none where it
// does not run the first.
func cells(p program, group []workload) []workload {
	if !p.local() && !p.runs(group[0]) { // a local file needs no mount that others have warmed
		return nil
	}
	return slices.DeleteFunc(slices.Clone(group), func(w workload) bool { return !p.runs(w) })
}

// needsLocal tells whether a program reads the local file.
func needsLocal(programs []program, list [][]workload) bool {
	return slices.ContainsFunc(programs, func(p program) bool {
		return p.local() && slices.ContainsFunc(list, func(group []workload) bool { return len(cells(p, group)) > 0 })
	})
}

// datasets returns what the workloads need, each once.
func datasets(list [][]workload) []dataset {
	var out []dataset
	for _, group := range list {
		for _, w := range group {
			for _, d := range w.needs {
				if !slices.Contains(out, d) {
					out = append(out, d)
				}
			}
		}
	}
	return out
}
