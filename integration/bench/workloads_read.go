package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

func readWorkloads() []workload {
	return []workload{
		{id: "W1", title: "read a big file", unit: unitSpeed, needs: []dataset{dataBig}, mount: readBig, limit: readBigDirect},
		{id: "W11", title: "W1 again, same mount", unit: unitSpeed, needs: []dataset{dataBig}, after: "W1",
			mount: readBig, local: readWarm},
		{id: "W2", title: "read 4 files at once", unit: unitSpeed, needs: []dataset{dataPar},
			mount: readParallel, limit: readParallelDirect},
		{id: "W3a", title: "random 128 KiB, 1 thread", unit: unitRate, needs: []dataset{dataBig},
			mount: readRandom(1), limit: readRandomDirect(1)},
		{id: "W3b", title: "random 128 KiB, 8 threads", unit: unitRate, needs: []dataset{dataBig},
			mount: readRandom(8), limit: readRandomDirect(8)},
	}
}

func (t *task) path(key string) string { return filepath.Join(t.Mount, filepath.FromSlash(key)) }

func (t *task) big() span      { return span{bigKey, 0, t.Sizes.Big, bigSeed} }
func (t *task) par(i int) span { return span{parKey(i), 0, t.Sizes.Par, parSeed(i)} }

// check leaves content alone that is not meant to be right.
func (t *task) check(b []byte, off int64, seed uint64, check checker) error {
	if t.Blank {
		return nil
	}
	return check(b, off, seed)
}

func readBig(t *task, r *report) error {
	r.Bytes = t.Sizes.Big
	return r.timed(func() error { return t.readThrough(t.big(), stamped) })
}

func readBigDirect(ctx context.Context, s *store, t *task, r *report) error {
	r.Bytes = t.Sizes.Big
	return r.timed(func() error { return s.readSpan(ctx, t.big(), streams, stamped) })
}

func readParallel(t *task, r *report) error {
	r.Bytes = parallelFiles * t.Sizes.Par
	return r.timed(func() error {
		return parallel(parallelFiles, parallelFiles, func(i int) error {
			return t.readThrough(t.par(i), stamped)
		})
	})
}

func readParallelDirect(ctx context.Context, s *store, t *task, r *report) error {
	r.Bytes = parallelFiles * t.Sizes.Par
	return r.timed(func() error {
		return parallel(parallelFiles, parallelFiles, func(i int) error {
			return s.readSpan(ctx, t.par(i), streams/parallelFiles, stamped)
		})
	})
}

// readThrough reads a whole file from its start, as cat would.
func (t *task) readThrough(p span, check checker) error {
	return t.readBy(make([]byte, bufSize), p, check)
}

// readBy reads as much at once as b holds.
func (t *task) readBy(b []byte, p span, check checker) error {
	f, err := os.Open(t.path(p.key))
	if err != nil {
		return err
	}
	defer f.Close()
	var off int64
	for {
		n, err := f.Read(b)
		if checkErr := t.check(b[:n], off, p.seed, check); checkErr != nil {
			return checkErr
		}
		off += int64(n)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
	}
	if off != p.n {
		return fmt.Errorf("%w: %s ends after %d bytes, want %d", errBadData, p.key, off, p.n)
	}
	return nil
}

// readRandom reads blocks of one open file.
func readRandom(workers int) func(t *task, r *report) error {
	return func(t *task, r *report) error {
		f, err := os.Open(t.path(bigKey))
		if err != nil {
			return err
		}
		defer f.Close()
		return r.timed(func() error {
			return t.randomReads(r, workers, func(off int64, b []byte) error {
				_, err := f.ReadAt(b, off)
				return err
			})
		})
	}
}

func readRandomDirect(workers int) func(ctx context.Context, s *store, t *task, r *report) error {
	return func(ctx context.Context, s *store, t *task, r *report) error {
		return r.timed(func() error {
			return t.randomReads(r, workers, func(off int64, b []byte) error { return s.read(ctx, bigKey, off, b) })
		})
	}
}

// randomReads reads different blocks until the time is over or there is none
// left. The order is the same for all programs.
func (t *task) randomReads(r *report, workers int, read func(off int64, b []byte) error) error {
	order := rand.New(rand.NewPCG(3, uint64(workers))).Perm(int(t.Sizes.Big / blockSize))
	end := time.Now().Add(time.Duration(t.RandSeconds * float64(time.Second)))
	var ops atomic.Int64
	err := parallel(workers, len(order), func(i int) error {
		if time.Now().After(end) {
			return errTimeOver
		}
		b := make([]byte, blockSize)
		off := int64(order[i]) * blockSize
		if err := read(off, b); err != nil {
			return fmt.Errorf("read at %d: %w", off, err)
		}
		ops.Add(1)
		return t.check(b, off, bigSeed, stamped)
	})
	r.Ops, r.Bytes = ops.Load(), ops.Load()*blockSize
	if errors.Is(err, errTimeOver) {
		return nil
	}
	return err
}

// errTimeOver ends a workload that runs for a given time.
var errTimeOver = errors.New("the time is over")
