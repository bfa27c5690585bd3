package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/pailfs/pailfs/integration/lab"
)

// options are those of a run.
type options struct {
	settings, programs, workloads []string
	programsFile                  string
	repeat, scale                 int
	timeout                       time.Duration
	randSeconds                   float64
	backend                       string
	pailfs, s3server              string
	work                          string
}

// longTrial is the time in seconds from which on it is worth a line.
const longTrial = 20

// runner is one run of the benchmark.
type runner struct {
	o        options
	progress io.Writer
	work     string // of this run, removed at its end
	places   places
	server   *server
	lab      *lab.Lab
	store    *store // straight to the server
	repo     string
	local    string // with the local file, as if it were a mount
	trials   int    // so far: scratch prefixes are never used twice
	out      *file
}

// run measures what the options say. Where ctx ends before, the file has what
// was measured until then, and the error is that of ctx.
func run(ctx context.Context, o options, progress io.Writer) (out *file, err error) {
	r := &runner{o: o, progress: progress}
	programs, list, err := r.choose()
	if err != nil {
		return nil, err
	}
	start := time.Now()
	if err := r.start(ctx); err != nil {
		return nil, errors.Join(err, r.stop())
	}
	defer func() {
		r.out.Seconds = time.Since(start).Seconds()
		err = errors.Join(err, r.stop())
	}()
	programs = r.leaveOut(programs)
	if err := r.prepare(ctx, programs, list); err != nil {
		return r.out, err
	}
	return r.out, r.measure(ctx, programs, list)
}

// choose checks the options before anything is started.
func (r *runner) choose() ([]program, [][]workload, error) {
	size, err := scaled(r.o.scale)
	if err != nil {
		return nil, nil, err
	}
	settings, err := chooseSettings(r.o.settings)
	if err != nil {
		return nil, nil, err
	}
	all, err := loadPrograms(r.o.programsFile)
	if err != nil {
		return nil, nil, err
	}
	programs, err := choosePrograms(all, r.o.programs)
	if err != nil {
		return nil, nil, err
	}
	list, err := chosen(r.o.workloads)
	if err != nil {
		return nil, nil, err
	}
	r.out = &file{Format: fileFormat, Started: time.Now(), Machine: thisMachine(), Backend: r.o.backend, Scale: r.o.scale,
		Repeat: r.o.repeat, Sizes: size, Settings: settings}
	return programs, groups(list), nil
}

// start makes the directory of the run and starts the server and the lab.
func (r *runner) start(ctx context.Context) error {
	self, err := os.Executable()
	if err != nil {
		return err
	}
	if r.o.work != "" {
		if err := os.MkdirAll(r.o.work, 0o755); err != nil {
			return err
		}
	}
	if r.work, err = os.MkdirTemp(r.o.work, "pailfs-bench-"); err != nil {
		return err
	}
	if r.work, err = filepath.Abs(r.work); err != nil {
		return err
	}
	// The kernel names mounts by their real path.
	if r.work, err = filepath.EvalSymlinks(r.work); err != nil {
		return err
	}
	r.repo, r.local = filepath.Join(r.work, "repo"), filepath.Join(r.work, "local")
	if r.server, err = startServer(ctx, r.o.s3server, r.o.backend, r.work); err != nil {
		return err
	}
	if r.lab, err = lab.Start(r.server.account.Endpoint, lab.Shape{}); err != nil {
		return err
	}
	r.store = newStore(r.server.account)
	pailfs, err := filepath.Abs(r.o.pailfs)
	r.places = places{account: r.server.account, pailfs: pailfs, self: self, scale: r.o.scale,
		cache: r.work, home: r.work, mnt: r.work}
	return err
}

func (r *runner) stop() error {
	if r.lab != nil {
		r.lab.Close()
	}
	if r.server != nil {
		r.server.stop()
	}
	if r.work == "" {
		return nil
	}
	return removeTree(r.work)
}

func (r *runner) logf(format string, args ...any) { fmt.Fprintf(r.progress, format+"\n", args...) }

// leaveOut returns the programs that are installed and says which are not.
func (r *runner) leaveOut(programs []program) []program {
	var here []program
	for _, p := range programs {
		info := programInfo{Name: p.Name, Note: p.Note, MemoryLimit: p.memoryLimit()}
		version, err := p.installed(r.places)
		if info.Version = version; err != nil {
			info.LeftOut = err.Error()
			r.logf("%s is left out: %v", p.Name, err)
		} else {
			here = append(here, p)
		}
		r.out.Programs = append(r.out.Programs, info)
	}
	return here
}

func (r *runner) prepare(ctx context.Context, programs []program, list [][]workload) error {
	p := preparer{store: r.store, sizes: r.out.Sizes, repo: r.repo, local: r.local}
	needed := datasets(list)
	if needsLocal(programs, list) {
		needed = append(needed, dataLocal)
	}
	for _, d := range needed {
		start := time.Now()
		if err := p.prepare(ctx, d); err != nil {
			return fmt.Errorf("preparing %s: %w", d, err)
		}
		r.logf("prepared: %s (%.1f s)", d, time.Since(start).Seconds())
	}
	return nil
}

// measure goes workload by workload and round by round, so that the programs
// that are compared meet the same noise.
func (r *runner) measure(ctx context.Context, programs []program, list [][]workload) error {
	for _, s := range r.out.Settings {
		for _, group := range list {
			for round := range r.o.repeat {
				for _, p := range programs {
					if err := r.trial(ctx, s, p, cells(p, group), round); err != nil {
						return err
					}
				}
			}
		}
	}
	return nil
}

func (r *runner) trial(ctx context.Context, s setting, p program, group []workload, round int) error {
	if err := ctx.Err(); err != nil || len(group) == 0 {
		return err
	}
	if !r.server.Alive() {
		return fmt.Errorf("the S3 server has ended: %s", r.server.errors)
	}
	r.trials++
	t := &trial{r: r, setting: s, program: p, group: group, task: task{
		Account: r.server.account, Dir: fmt.Sprintf("t/%04d/", r.trials), Repo: r.repo, Sizes: r.out.Sizes,
		RandSeconds: r.o.randSeconds, Blank: p.Blank,
	}}
	start := time.Now()
	results := t.run(ctx)
	if err := ctx.Err(); err != nil {
		return err // what was cut short is no result
	}
	for i := range results {
		results[i].Round = round
		r.logf("%-4s %-4s %-12s %s", s.Name, results[i].Workload, p.Name, describe(&results[i], group[i]))
	}
	if took := time.Since(start).Seconds(); took > longTrial {
		r.logf("%-4s %-4s %-12s took %.0f s with its setup, verification and end", s.Name, group[0].id, p.Name, took)
	}
	r.out.Results = append(r.out.Results, results...)
	return nil
}

// endpoint is where a client has to go in this setting.
func (r *runner) endpoint(s setting) string {
	if s.Shape == nil {
		return r.server.account.Endpoint
	}
	r.lab.SetShape(*s.Shape)
	return r.lab.URL()
}

func (r *runner) resetCounters(s setting) {
	if s.Shape != nil {
		r.lab.Reset()
	}
}

func (r *runner) counters(s setting) *lab.Snapshot {
	if s.Shape == nil {
		return nil
	}
	got := r.lab.Stats()
	return &got
}
