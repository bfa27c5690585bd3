package main

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

// parallel calls f(0..n-1) from workers goroutines and returns the first
// error; after it no new call begins.
func parallel(workers, n int, f func(i int) error) error {
	var (
		next  atomic.Int64
		once  sync.Once
		first error
		wg    sync.WaitGroup
	)
	for range min(workers, n) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if err := f(i); err != nil {
					once.Do(func() { first = err })
					next.Store(int64(n))
				}
			}
		})
	}
	wg.Wait()
	return first
}

// atOnce calls f(0..n-1) at the same moment, each with a goroutine of its own,
// and returns the first error when all have ended.
func atOnce(n int, f func(i int, start time.Time) error) error {
	var (
		begin = make(chan struct{})
		start time.Time
		group errgroup.Group
	)
	for i := range n {
		group.Go(func() error {
			<-begin
			return f(i, start)
		})
	}
	start = time.Now()
	close(begin)
	return group.Wait()
}

// await looks until missing finds nothing. It returns when that was, and false
// where the first look was enough: then nothing had to be waited for.
func await(ctx context.Context, missing func() error) (at time.Time, waited bool, err error) {
	var last error
	for {
		start := time.Now()
		found := missing()
		switch {
		case found == nil:
			return time.Now(), waited, nil
		case last == nil || ctx.Err() == nil: // a look that was cut short says nothing
			last = found
		}
		waited = true
		// Looking must not become the load: a third of the time at most.
		select {
		case <-ctx.Done():
			return time.Now(), true, fmt.Errorf("not complete on the server in time: %w", last)
		case <-time.After(max(15*time.Millisecond, 2*time.Since(start))):
		}
	}
}
