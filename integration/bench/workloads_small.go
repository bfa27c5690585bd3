package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// smallWorkers is how many processes, as it were, use small files at once. The
// direct client does it with as many: the rows compare the way, not the width.
const smallWorkers = 8

func smallWorkloads() []workload {
	return []workload{
		{id: "W5", title: "write small files", unit: unitTime, writes: true,
			mount: writeSmall, limit: writeSmallDirect, missing: smallMissing, verify: smallVerify},
		{id: "W6", title: "read small files", unit: unitTime, needs: []dataset{dataSmall}, mount: readSmall, limit: readSmallDirect},
	}
}

func newSmall(i int) string { return "new/" + smallName(i) }

func writeSmall(t *task, r *report) error {
	dir := t.path(t.Dir)
	if err := os.MkdirAll(filepath.Join(dir, "new"), 0o755); err != nil {
		return err
	}
	r.Ops, r.Bytes = int64(t.Sizes.Small), t.Sizes.smallTotal()
	return r.timed(func() error {
		return parallel(smallWorkers, t.Sizes.Small, func(i int) error {
			return os.WriteFile(filepath.Join(dir, newSmall(i)), smallData(i), 0o644)
		})
	})
}

func writeSmallDirect(ctx context.Context, s *store, t *task, r *report) error {
	r.Ops, r.Bytes = int64(t.Sizes.Small), t.Sizes.smallTotal()
	return r.timed(func() error {
		return parallel(smallWorkers, t.Sizes.Small, func(i int) error { return s.putBytes(ctx, t.Dir+newSmall(i), smallData(i)) })
	})
}

func smallMissing(ctx context.Context, s *store, t *task, _ *report) error {
	all, err := s.list(ctx, t.Dir+"new/")
	if err != nil {
		return err
	}
	var total int64
	for _, e := range all {
		total += e.size
	}
	if len(all) != t.Sizes.Small || total != t.Sizes.smallTotal() {
		return fmt.Errorf("%d files with %d bytes, want %d with %d", len(all), total, t.Sizes.Small, t.Sizes.smallTotal())
	}
	return nil
}

func smallVerify(ctx context.Context, s *store, t *task, _ *report) error {
	return parallel(smallWorkers, t.Sizes.Small, func(i int) error { return s.sameBytes(ctx, t.Dir+newSmall(i), 0, smallData(i)) })
}

func readSmall(t *task, r *report) error {
	r.Ops, r.Bytes = int64(t.Sizes.Small), t.Sizes.smallTotal()
	return r.timed(func() error {
		return parallel(smallWorkers, t.Sizes.Small, func(i int) error { return t.readOneSmall(i) })
	})
}

func (t *task) readOneSmall(i int) error {
	got, err := os.ReadFile(t.path(smallDir + smallName(i)))
	if err == nil && !t.Blank && !bytes.Equal(got, smallData(i)) {
		return fmt.Errorf("%w in %s", errBadData, smallName(i))
	}
	return err
}

func readSmallDirect(ctx context.Context, s *store, t *task, r *report) error {
	r.Ops, r.Bytes = int64(t.Sizes.Small), t.Sizes.smallTotal()
	return r.timed(func() error {
		return parallel(smallWorkers, t.Sizes.Small, func(i int) error {
			return s.sameBytes(ctx, smallDir+smallName(i), 0, smallData(i))
		})
	})
}

func openWorkloads() []workload {
	return []workload{
		{id: "W16", title: "open+read a listed file", unit: unitMillis, needs: []dataset{dataSmall},
			mount: func(t *task, r *report) error {
				if err := command("ls", "-f", t.path(smallDir)); err != nil {
					return err
				}
				return t.samples(r, t.readOneSmall)
			},
			limit: func(ctx context.Context, s *store, t *task, r *report) error {
				if err := s.countIs(ctx, smallDir, t.Sizes.Small); err != nil {
					return err
				}
				return t.samples(r, func(i int) error { return s.sameBytes(ctx, smallDir+smallName(i), 0, smallData(i)) })
			}},
	}
}

// samples makes the report about the median of one operation; the files are
// spread over the directory.
func (t *task) samples(r *report, f func(i int) error) error {
	n := min(t.Sizes.Samples, t.Sizes.Small)
	took := make([]float64, n)
	err := r.timed(func() error {
		for i := range n {
			start := time.Now()
			if err := f(i * t.Sizes.Small / n); err != nil {
				return err
			}
			took[i] = time.Since(start).Seconds()
		}
		return nil
	})
	if n == 0 {
		return errors.Join(err, errors.New("no file to open"))
	}
	slices.Sort(took)
	r.Ops, r.Seconds = int64(n), took[n/2]
	return err
}
