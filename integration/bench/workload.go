package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"
)

// unit is how the result of a workload is shown.
type unit string

const (
	unitSpeed  unit = "MB/s" // bytes in the time it took
	unitRate   unit = "/s"   // operations in the time it took
	unitTime   unit = "s"    // the time it took
	unitMillis unit = "ms"   // the median time of one operation
)

// task is what a worker is told.
type task struct {
	Workloads   []string `json:"workloads"`
	Mount       string   `json:"mount,omitempty"` // "": the direct client
	Account     account  `json:"account"`         // of the direct client
	Dir         string   `json:"dir"`             // scratch prefix of this trial
	Repo        string   `json:"repo"`
	Sizes       sizes    `json:"sizes"`
	RandSeconds float64  `json:"rand_seconds"`
	Blank       bool     `json:"blank"` // files are zeros: do not check content
	Local       bool     `json:"local"` // the mount is a local directory
	Fill        bool     `json:"fill"`  // fill the cache, measure nothing
}

// report is what a worker measured in one workload.
type report struct {
	Start   time.Time `json:"start"`
	Seconds float64   `json:"seconds"` // until the last call returned
	Bytes   int64     `json:"bytes,omitempty"`
	Ops     int64     `json:"ops,omitempty"`
	Names   []string  `json:"names,omitempty"` // files that must come to the server
	Readers *readers  `json:"readers,omitempty"`
	First   float64   `json:"first_seconds,omitempty"` // of the first of several reads, before the measured one

	gate func() error // holds the worker until its parent has set the counters to zero
}

// readers are the seconds that it took those who read at once, from their
// common start.
type readers struct {
	Fastest float64 `json:"fastest_seconds"`
	Slowest float64 `json:"slowest_seconds"`
}

// ratio is 1 where all were served alike, and 0 where nothing is known.
func (r *readers) ratio() float64 {
	if r == nil || r.Fastest <= 0 {
		return 0
	}
	return r.Slowest / r.Fastest
}

// timed measures f, after all that the workload did before it.
func (r *report) timed(f func() error) error {
	if err := r.gate(); err != nil {
		return err
	}
	r.Start = time.Now()
	err := f()
	r.Seconds = time.Since(r.Start).Seconds()
	return err
}

// workload is one row of the tables. mount and limit run in a worker: what
// they do outside of report.timed is not measured. The others run in the main
// process and speak to the server itself, not through the lab.
type workload struct {
	id, title string
	unit      unit
	needs     []dataset
	// after names the workload that runs first in the same mount.
	after string
	// named tells that it runs only with programs whose entry names it.
	named bool
	// writes tells that there is something to wait for and to verify.
	writes bool
	setup  func(ctx context.Context, s *store, t *task) error
	// fill runs first, in a mount of its own. The measured mount then has the
	// cache directory that it left.
	fill  func(t *task) error
	mount func(t *task, r *report) error
	local func(t *task, r *report) error                                // of the program local; nil: it has no part in it
	limit func(ctx context.Context, s *store, t *task, r *report) error // nil: there is no equivalent
	// missing is nil when all that was written is on the server.
	missing func(ctx context.Context, s *store, t *task, r *report) error
	verify  func(ctx context.Context, s *store, t *task, r *report) error
}

func workloads() []workload {
	return slices.Concat(readWorkloads(), writeWorkloads(), smallWorkloads(), nameWorkloads(), patchWorkloads(), treeWorkloads(),
		openWorkloads(),
		manyWorkloads(), warmWorkloads())
}

// chosen returns the workloads named, in the order of the tables; no name
// means all.
func chosen(names []string) ([]workload, error) {
	all := workloads()
	for _, name := range names {
		if !slices.ContainsFunc(all, func(w workload) bool { return strings.EqualFold(w.id, name) }) {
			return nil, fmt.Errorf("no workload %q", name)
		}
	}
	if len(names) == 0 {
		return all, nil
	}
	return slices.DeleteFunc(all, func(w workload) bool {
		return !slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(w.id, name) })
	}), nil
}

func workloadByID(id string) (workload, error) {
	for _, w := range workloads() {
		if w.id == id {
			return w, nil
		}
	}
	return workload{}, fmt.Errorf("no workload %q", id)
}
