package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
)

const newSeed = uint64(55)

func writeWorkloads() []workload {
	return []workload{
		{id: "W4", title: "write a big file", unit: unitSpeed, writes: true, mount: writeBig, limit: writeBigDirect,
			missing: func(ctx context.Context, s *store, t *task, _ *report) error {
				return s.sizeIs(ctx, t.Dir+"new.bin", t.Sizes.Big)
			},
			verify: func(ctx context.Context, s *store, t *task, _ *report) error {
				return s.readSpan(ctx, span{t.Dir + "new.bin", 0, t.Sizes.Big, newSeed}, 4, exact)
			}},
	}
}

func writeBig(t *task, r *report) error {
	if err := os.MkdirAll(t.path(t.Dir), 0o755); err != nil {
		return err
	}
	r.Bytes = t.Sizes.Big
	return r.timed(func() error { return writeThrough(t.path(t.Dir+"new.bin"), t.Sizes.Big) })
}

// writeThrough opens the file as cp and dd do: only for writing. os.Create would
// ask for reading as well, which a file system has to keep pages for.
func writeThrough(name string, size int64) error {
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return err
	}
	b := make([]byte, bufSize)
	for off := int64(0); off < size; off += bufSize {
		fill(b, off, newSeed)
		if _, err := f.Write(b); err != nil {
			return errors.Join(err, f.Close())
		}
	}
	return f.Close()
}

func writeBigDirect(ctx context.Context, s *store, t *task, r *report) error {
	r.Bytes = t.Sizes.Big
	return r.timed(func() error { return s.upload(ctx, t.Dir+"new.bin", t.Sizes.Big, newSeed) })
}

func patchWorkloads() []workload {
	return []workload{
		{id: "W12", title: "append 1 MiB to a big file", unit: unitTime, writes: true, needs: []dataset{dataBig}, setup: copyBig,
			mount: func(t *task, r *report) error {
				return change(t, r, os.O_WRONLY|os.O_APPEND, func(f *os.File) error {
					_, err := f.Write(newBlock(addSize))
					return err
				})
			},
			limit: appendDirect, missing: appendMissing, verify: appendVerify},
		{id: "W13", title: "4 KiB amid a big file", unit: unitTime, writes: true, needs: []dataset{dataBig}, setup: copyBig,
			mount: func(t *task, r *report) error {
				return change(t, r, os.O_RDWR, func(f *os.File) error {
					_, err := f.WriteAt(newBlock(fileSize), t.Sizes.middle())
					return err
				})
			},
			limit: overwriteDirect, missing: overwriteMissing, verify: overwriteVerify},
	}
}

func (t *task) bigCopy() string { return t.Dir + "big.bin" }

func copyBig(ctx context.Context, s *store, t *task) error { return s.copy(ctx, bigKey, t.bigCopy()) }

// change opens the trial's own big file, changes it and closes it.
func change(t *task, r *report, flags int, f func(*os.File) error) error {
	name := filepath.Join(t.Mount, t.bigCopy())
	return r.timed(func() error {
		file, err := os.OpenFile(name, flags, 0)
		if err != nil {
			return err
		}
		return errors.Join(f(file), file.Close())
	})
}

func appendDirect(ctx context.Context, s *store, t *task, r *report) error {
	return r.timed(func() error {
		return s.patch(ctx, t.bigCopy(), []piece{{off: 0, n: t.Sizes.Big}, bytesPiece(newBlock(addSize))})
	})
}

func appendMissing(ctx context.Context, s *store, t *task, _ *report) error {
	return s.sizeIs(ctx, t.bigCopy(), t.Sizes.Big+addSize)
}

func appendVerify(ctx context.Context, s *store, t *task, _ *report) error {
	return errors.Join(
		s.sameBytes(ctx, t.bigCopy(), t.Sizes.Big, newBlock(addSize)),
		s.readSpan(ctx, span{t.bigCopy(), 0, t.Sizes.Big, bigSeed}, 4, exact))
}

// overwriteDirect downloads the smallest part that S3 allows and copies what
// is on either side.
func overwriteDirect(ctx context.Context, s *store, t *task, r *report) error {
	const least = 5 * mib
	half := t.Sizes.Big / 2
	return r.timed(func() error {
		b := make([]byte, least)
		if err := s.read(ctx, t.bigCopy(), half, b); err != nil {
			return err
		}
		copy(b[t.Sizes.middle()-half:], newBlock(fileSize))
		rest := half + least
		return s.patch(ctx, t.bigCopy(), []piece{{off: 0, n: half}, bytesPiece(b), {off: rest, n: t.Sizes.Big - rest}})
	})
}

func overwriteMissing(ctx context.Context, s *store, t *task, _ *report) error {
	return s.sameBytes(ctx, t.bigCopy(), t.Sizes.middle(), newBlock(fileSize))
}

func overwriteVerify(ctx context.Context, s *store, t *task, _ *report) error {
	key, from, to := t.bigCopy(), t.Sizes.middle(), t.Sizes.middle()+fileSize
	return errors.Join(
		s.sizeIs(ctx, key, t.Sizes.Big),
		s.readSpan(ctx, span{key, 0, from, bigSeed}, 4, exact),
		s.readSpan(ctx, span{key, to, t.Sizes.Big - to, bigSeed}, 4, exact))
}
