package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pailfs/pailfs/integration/internal/mounts"
)

// trial is one fresh mount (or direct client) and the workloads that run in it.
type trial struct {
	r       *runner
	setting setting
	program program
	group   []workload
	task    task
	results []result // one for each workload of the group
	reports []report
}

// run measures. Failures are in the results.
func (t *trial) run(ctx context.Context) []result {
	probed, load := probe(), loadAverage()
	t.results, t.reports = make([]result, len(t.group)), make([]report, len(t.group))
	for i, w := range t.group {
		t.task.Workloads = append(t.task.Workloads, w.id)
		t.results[i] = result{Setting: t.setting.Name, Program: t.program.Name, Workload: w.id, When: time.Now(), Probe: probed, Load: load}
	}
	failed, err := t.measure(ctx)
	if err == nil {
		failed, err = t.verify(ctx)
	}
	for i := failed; err != nil && i < len(t.group); i++ {
		t.fail(i, err)
		err = fmt.Errorf("not run, as %s failed", t.group[failed].id)
	}
	if err := t.clean(); err != nil {
		t.r.logf("cleaning up after %s: %v", t.program.Name, err)
	}
	return t.results
}

func (t *trial) fail(i int, err error) {
	t.results[i].Error = err.Error()
	if errors.Is(err, errBadData) {
		t.results[i].BadData = err.Error()
	}
}

// measure runs the group and returns which workload failed.
func (t *trial) measure(ctx context.Context) (failed int, err error) {
	if w := t.group[0]; w.setup != nil {
		limited, cancel := context.WithTimeout(ctx, t.r.o.timeout)
		defer cancel()
		if err := w.setup(limited, t.r.store, &t.task); err != nil {
			return 0, fmt.Errorf("setup: %w", err)
		}
	}
	t.task.Account.Endpoint = t.r.endpoint(t.setting)
	if t.program.local() {
		t.task.Local, t.task.Mount = true, t.r.local
	}
	if t.program.direct() {
		return t.withWorker(ctx, nil)
	}
	if t.group[0].fill != nil {
		if err := t.fill(ctx); err != nil {
			return 0, fmt.Errorf("filling the cache: %w", err)
		}
	}
	m, err := t.mount(ctx)
	if err != nil {
		return 0, err
	}
	if failed, err = t.withWorker(ctx, m); err != nil {
		m.kill() // it had its time; what it still does is of no use
		return failed, err
	}
	if err := m.stop(t.r.o.timeout); err != nil {
		t.results[len(t.results)-1].UnmountErr = err.Error()
		t.r.logf("%s after %s: %v", t.program.Name, t.group[0].id, err)
	}
	return 0, nil
}

// mount starts the program, and sets the counters to zero before.
func (t *trial) mount(ctx context.Context) (*mounted, error) {
	t.r.resetCounters(t.setting)
	at := t.r.places
	at.account = t.task.Account
	m, err := startMount(ctx, t.program, at, t.mountBase(), min(mountPatience, t.r.o.timeout))
	if err == nil {
		t.task.Mount = m.dir
	}
	return m, err
}

// fill has the program fill its cache directory, in a mount of its own.
func (t *trial) fill(ctx context.Context) error {
	m, err := t.mount(ctx)
	if err != nil {
		return err
	}
	limited, cancel := context.WithTimeout(ctx, t.r.o.timeout)
	defer cancel()
	if err := t.fillWorker(limited); err != nil {
		m.kill()
		return err
	}
	return m.stop(t.r.o.timeout)
}

func (t *trial) fillWorker(ctx context.Context) error {
	task := t.task
	task.Fill, task.Workloads = true, task.Workloads[:1]
	d, err := startWorker(&task)
	if err != nil {
		return err
	}
	m, err := d.next(ctx)
	if err == nil {
		err = m.failure()
	}
	if err == nil {
		err = d.proceed()
	}
	if err != nil {
		d.kill()
		return err
	}
	d.stop()
	return nil
}

func (t *trial) mountBase() string { return filepath.Join(t.r.work, "mount") }

// withWorker starts the worker and leads it through the group.
func (t *trial) withWorker(ctx context.Context, m *mounted) (failed int, err error) {
	d, err := startWorker(&t.task)
	if err != nil {
		return 0, err
	}
	pid := d.pid()
	if m != nil {
		pid = m.pid()
	}
	for i := range t.group {
		err := t.one(ctx, i, d, pid)
		if err == nil {
			err = d.proceed()
		}
		if err != nil {
			d.kill()
			return i, err
		}
	}
	d.stop()
	return 0, nil
}

// one measures one workload; pid is the process whose use of CPU and memory
// counts.
func (t *trial) one(ctx context.Context, i int, d *driver, pid int) error {
	limit := t.r.o.timeout
	before, cancelBefore := context.WithTimeout(ctx, limit)
	defer cancelBefore()
	w, res, rep := t.group[i], &t.results[i], &t.reports[i]
	m, err := d.next(before)
	if err != nil {
		return fmt.Errorf("before the start: %w", err)
	}
	if m.Ready == "" {
		return m.failure()
	}
	if w.fill != nil && !t.program.direct() {
		res.Before = t.r.counters(t.setting)
	}
	begin, others := usageOf(pid), t.r.others(d, pid)
	t.r.resetCounters(t.setting)
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	// What a failed workload has used is stored too: it may say why.
	defer func() {
		end := usageOf(pid)
		res.PeakRSS, res.CPU, res.Requests = end.peak, end.cpu-begin.cpu, t.r.counters(t.setting)
		if w.splits() {
			res.Split = t.r.others(d, pid).since(others)
		}
	}()
	if err := d.proceed(); err != nil {
		return err
	}
	if m, err = d.next(limited); err != nil {
		return err
	}
	if m.Report != nil {
		*rep = *m.Report
		res.Seconds, res.Bytes, res.Ops = rep.Seconds, rep.Bytes, rep.Ops
		res.Readers, res.First = rep.Readers, rep.First
	}
	if err := m.failure(); err != nil {
		return err
	}
	return t.awaitComplete(limited, w, res, rep)
}

// failure is the error that the worker reports.
func (m message) failure() error {
	switch {
	case m.Error == "":
		return nil
	case m.BadData:
		return fmt.Errorf("%w: %s", errBadData, m.Error)
	}
	return errors.New(m.Error)
}

// awaitComplete waits until all that was written is on the server.
func (t *trial) awaitComplete(ctx context.Context, w workload, res *result, rep *report) error {
	if !w.writes || t.program.Blank {
		return nil
	}
	at, waited, err := await(ctx, func() error { return w.missing(ctx, t.r.store, &t.task, rep) })
	if err != nil {
		return err
	}
	complete := rep.Seconds
	if waited {
		complete = max(complete, at.Sub(rep.Start).Seconds())
	}
	res.Complete = &complete
	return nil
}

// verify compares what is on the server with what was written, when the mount
// is gone.
func (t *trial) verify(ctx context.Context) (failed int, err error) {
	for i, w := range t.group {
		if w.verify == nil || t.program.Blank {
			continue
		}
		limited, cancel := context.WithTimeout(ctx, t.r.o.timeout)
		err := w.verify(limited, t.r.store, &t.task, &t.reports[i])
		cancel()
		if err != nil {
			return i, fmt.Errorf("verification: %w", err)
		}
	}
	return 0, nil
}

// clean removes what the trial has left, here and on the server. It does so
// after an interrupt too, so it has a time limit of its own.
func (t *trial) clean() error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var errs []error
	if t.r.server.Alive() {
		errs = append(errs, t.r.store.abortUploads(ctx), t.r.store.removeAll(ctx, t.task.Dir))
	}
	return errors.Join(append(errs, removeTree(t.mountBase()))...)
}

// removeTree removes a directory, but never what is mounted in it.
func removeTree(dir string) error {
	mounts.Detach(dir)
	if left := mounts.Below(dir); len(left) > 0 {
		return fmt.Errorf("still mounted: %v", left)
	}
	return os.RemoveAll(dir)
}
