package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"
)

// Downloads of missing base ranges. Gaps nearer than fillJoin are fetched by
// one request: at 50 MB/s its bytes take as long as a request's first byte.
const (
	fillJoin     = 1 << 20
	fillParallel = 4
)

// Seal stops writers until Unseal; it waits for another sealer, or ctx.
func (d *Draft) Seal(ctx context.Context) error {
	if err := d.lockUnsealed(ctx); err != nil {
		return err
	}
	defer d.mu.Unlock()
	d.sealLocked()
	return nil
}

func (d *Draft) sealLocked() {
	d.mu.sealed = true
	d.mu.sealMarks = d.mu.marks
	d.mu.free = make(chan struct{})
}

// Unseal lets writers go on. With committed the content is on S3: the draft is
// clean, but for marks made meanwhile, and what was committed is its base from
// now on.
func (d *Draft) Unseal(committed bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.mu.sealed {
		return // ended meanwhile
	}
	if committed {
		d.mu.dirty = d.mu.marks != d.mu.sealMarks
		d.mu.present.Add(d.mu.baseLimit, d.mu.size) // what nobody wrote there is zeros
		d.mu.written.Clear()
		d.mu.baseLimit = d.mu.size
		d.mu.epoch++
		d.endSenderLocked(false)
	}
	d.liftLocked()
}

// Unwritten is what is as in the base, sorted. The draft must be sealed.
func (d *Draft) Unwritten() []Range {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mu.written.Missing(0, d.mu.baseLimit)
}

// Whole reports whether Body has all of the content: nothing of the base is needed.
func (d *Draft) Whole() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.mu.present.Covers(0, d.mu.baseLimit)
}

// Fill downloads all base bytes that are still missing, so that Body is whole.
func (d *Draft) Fill(ctx context.Context, base Base) error {
	return d.FillRanges(ctx, base, []Range{{0, d.Size()}})
}

// FillRanges downloads the base bytes that are still missing within those ranges,
// so that Body has them. The draft must be sealed. What arrived before a failure
// is not fetched again.
func (d *Draft) FillRanges(ctx context.Context, base Base, within []Range) error {
	d.mu.Lock()
	sealed, ended := d.mu.sealed, d.mu.ended
	var gaps []Range
	for _, r := range within {
		gaps = append(gaps, d.mu.present.Missing(r.Off, min(r.End, d.mu.baseLimit))...)
	}
	d.mu.Unlock()
	switch {
	case ended:
		return errEnded
	case !sealed:
		return errors.New("fill of a draft that is not sealed")
	}
	return fillGaps(ctx, base, d.file, gaps, func(got []Range) {
		d.mu.Lock()
		defer d.mu.Unlock()
		for _, g := range got {
			d.mu.present.Add(g.Off, g.End)
		}
		d.mu.epoch++
	})
}

// Body is the content, as far as it was written or filled. The draft must be sealed.
func (d *Draft) Body() io.ReaderAt { return io.NewSectionReader(d.file, 0, d.Size()) }

// fillGaps downloads gaps (sorted) into file. filled is called, from any
// goroutine, with ranges that have arrived, also when the whole fails.
func fillGaps(ctx context.Context, base Base, file io.WriterAt, gaps []Range, filled func([]Range)) error {
	if len(gaps) == 0 {
		return nil
	}
	if base == nil {
		return errors.New("draft needs its base version, which is not known")
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(fillParallel)
	for _, want := range joinNear(gaps, fillJoin) {
		g.Go(func() error {
			w := &gapWriter{file: file, gaps: gaps}
			err := base.DownloadBase(ctx, want.Off, want.Len(), w)
			got, werr := w.result()
			filled(got.List())
			switch {
			case werr != nil: // the downloader may not pass its errno on
				return werr
			case err != nil:
				return fmt.Errorf("download base at %d: %w", want.Off, err)
			}
			return checkFilled(got, gaps, want)
		})
	}
	return g.Wait()
}

// checkFilled makes sure that a download without an error was not short.
func checkFilled(got *Ranges, gaps []Range, want Range) error {
	for _, x := range gaps {
		if x = x.overlap(want.Off, want.End); !got.Covers(x.Off, x.End) {
			return fmt.Errorf("download base at %d: %w", want.Off, io.ErrUnexpectedEOF)
		}
	}
	return nil
}

// gapWriter writes to file, but only within gaps: what a program wrote is never
// overwritten by the base.
type gapWriter struct {
	file io.WriterAt
	gaps []Range

	mu struct {
		sync.Mutex
		got Ranges
		err error
	}
}

// WriteAt implements io.WriterAt; it is safe for parallel use.
func (w *gapWriter) WriteAt(p []byte, off int64) (int, error) {
	end := off + int64(len(p))
	i, _ := slices.BinarySearchFunc(w.gaps, off, func(x Range, off int64) int {
		if x.End <= off {
			return -1
		}
		return 1
	})
	for ; i < len(w.gaps) && w.gaps[i].Off < end; i++ {
		x := w.gaps[i].overlap(off, end)
		n, err := w.file.WriteAt(p[x.Off-off:x.End-off], x.Off)
		w.note(x.Off, x.Off+int64(n), err)
		if err != nil {
			return int(x.Off-off) + n, err
		}
	}
	return len(p), nil
}

func (w *gapWriter) note(off, end int64, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mu.got.Add(off, end)
	if err != nil && w.mu.err == nil {
		w.mu.err = fmt.Errorf("stage base bytes at %d: %w", off, err)
	}
}

func (w *gapWriter) result() (*Ranges, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return &w.mu.got, w.mu.err
}
