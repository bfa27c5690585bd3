package main

import (
	"context"
	"slices"
	"time"
)

func manyWorkloads() []workload {
	return []workload{
		{id: "W17", title: "read 64 files at once", unit: unitSpeed, needs: []dataset{dataMany},
			mount: readMany, limit: readManyDirect},
	}
}

func (t *task) many(i int) span { return span{manyKey(i), 0, t.Sizes.many(), manySeed(i)} }

// readMany gives each file a reader of its own. All wait for the same moment,
// and each has its time from there: one whose turn comes late is a slow one.
func readMany(t *task, r *report) error {
	r.Bytes = manyFiles * t.Sizes.many()
	took, buffers := make([]float64, manyFiles), newBuffers(manyFiles)
	err := r.timed(func() error {
		return atOnce(manyFiles, func(i int, start time.Time) error {
			err := t.readBy(<-buffers, t.many(i), stamped)
			took[i] = time.Since(start).Seconds()
			return err
		})
	})
	if err == nil {
		r.Readers = &readers{Fastest: slices.Min(took), Slowest: slices.Max(took)}
	}
	return err
}

// readManyDirect has fewer requests than files: that some come last says
// nothing about it, so it has no figure for the readers.
func readManyDirect(ctx context.Context, s *store, t *task, r *report) error {
	r.Bytes = manyFiles * t.Sizes.many()
	free := newBuffers(streams)
	return r.timed(func() error {
		return parallel(streams, manyFiles, func(i int) error {
			b := <-free
			defer func() { free <- b }()
			return s.readPart(ctx, t.many(i), b, stamped)
		})
	})
}

// newBuffers returns n buffers that the kernel has given already: with as many,
// that would be a good part of what is measured.
func newBuffers(n int) chan []byte {
	free := make(chan []byte, n)
	for range n {
		b := make([]byte, bufSize)
		fill(b, 0, 0)
		free <- b
	}
	return free
}
