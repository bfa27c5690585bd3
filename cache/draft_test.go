package cache

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// memBase is a base version in memory.
type memBase struct {
	data  []byte
	fail  atomic.Pointer[error]
	reads atomic.Int64
	gets  atomic.Int64
	hook  func() // before a ReadBase answers
}

func (b *memBase) failure() error {
	if e := b.fail.Load(); e != nil {
		return *e
	}
	return nil
}

func (b *memBase) ReadBase(_ context.Context, p []byte, off int64) error {
	b.reads.Add(1)
	if b.hook != nil {
		b.hook()
	}
	if err := b.failure(); err != nil {
		return err
	}
	copy(p, b.data[off:off+int64(len(p))])
	return nil
}

// DownloadBase writes in small pieces, out of order, as a parallel download does.
func (b *memBase) DownloadBase(_ context.Context, off, n int64, w io.WriterAt) error {
	b.gets.Add(1)
	const piece = 1000
	for at := (n - 1) / piece * piece; at >= 0; at -= piece {
		if _, err := w.WriteAt(b.data[off+at:off+min(at+piece, n)], off+at); err != nil {
			return err
		}
		if err := b.failure(); err != nil {
			return err
		}
	}
	return nil
}

func newStage(t testing.TB, dir string) *Stage {
	t.Helper()
	s, err := OpenStage(dir, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func newDraft(t testing.TB, baseSize int64) *Draft {
	t.Helper()
	d, err := newStage(t, t.TempDir()).Create(baseSize)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func randomBytes(n int, seed uint64) []byte {
	p := make([]byte, n)
	rnd := rand.NewChaCha8([32]byte{byte(seed), byte(seed >> 8)})
	rnd.Read(p)
	return p
}

func mustWrite(t testing.TB, d *Draft, p string, off int64) {
	t.Helper()
	if n, err := d.WriteAt(t.Context(), []byte(p), off); n != len(p) || err != nil {
		t.Fatalf("WriteAt = %d, %v", n, err)
	}
}

func wantContent(t testing.TB, d *Draft, base Base, want []byte) {
	t.Helper()
	got := make([]byte, len(want)+10)
	n, err := d.ReadAt(t.Context(), base, got, 0)
	if err != nil || !bytes.Equal(got[:n], want) {
		t.Fatalf("content = %q, %v; want %q", got[:n], err, want)
	}
}

// draftModel drives a draft beside a plain byte slice.
type draftModel struct {
	d    *Draft
	base *memBase
	want []byte
}

func (m *draftModel) step(t *rapid.T, ctx context.Context) {
	const limit = 20_000
	switch op := rapid.IntRange(0, 9).Draw(t, "op"); {
	case op < 4:
		off := rapid.IntRange(0, limit).Draw(t, "off")
		p := randomBytes(rapid.IntRange(0, 5000).Draw(t, "len"), uint64(off))
		if n, err := m.d.WriteAt(ctx, p, int64(off)); n != len(p) || err != nil {
			t.Fatalf("WriteAt = %d, %v", n, err)
		}
		if len(p) > 0 {
			m.resize(max(len(m.want), off+len(p)))
			copy(m.want[off:], p)
		}
	case op < 6:
		size := rapid.IntRange(0, limit).Draw(t, "size")
		if err := m.d.Truncate(ctx, int64(size)); err != nil {
			t.Fatal(err)
		}
		m.resize(size)
	case op < 7:
		m.commit(t, ctx)
	default:
		off := rapid.IntRange(0, limit).Draw(t, "off")
		p := make([]byte, rapid.IntRange(0, limit).Draw(t, "len"))
		n, err := m.d.ReadAt(ctx, m.base, p, int64(off))
		if want := m.want[min(off, len(m.want)):min(off+len(p), len(m.want))]; err != nil || !bytes.Equal(p[:n], want) {
			t.Fatalf("ReadAt(%d, %d) = %d bytes, %v: differs", off, len(p), n, err)
		}
	}
	if got := m.d.Size(); got != int64(len(m.want)) {
		t.Fatalf("Size() = %d, want %d", got, len(m.want))
	}
}

func (m *draftModel) resize(n int) {
	if n <= len(m.want) {
		m.want = m.want[:n:n]
		return
	}
	m.want = append(m.want, make([]byte, n-len(m.want))...)
}

func (m *draftModel) commit(t *rapid.T, ctx context.Context) {
	if err := m.d.Seal(ctx); err != nil {
		t.Fatal(err)
	}
	if err := m.d.Fill(ctx, m.base); err != nil {
		t.Fatal(err)
	}
	body := make([]byte, m.d.Size())
	if n, err := m.d.Body().ReadAt(body, 0); n != len(body) || !bytes.Equal(body, m.want) {
		t.Fatalf("Body = %d bytes, %v: differs", n, err)
	}
	ok := rapid.Bool().Draw(t, "ok")
	m.d.Unseal(ok)
	if ok {
		m.base.data = nil // an access to it would panic
	}
	if ok && m.d.Dirty() {
		t.Fatal("dirty after a commit")
	}
}

func TestDraftAgainstModel(t *testing.T) {
	s := newStage(t, t.TempDir())
	rapid.Check(t, func(rt *rapid.T) {
		base := randomBytes(rapid.IntRange(0, 12_000).Draw(rt, "base"), 1)
		d, err := s.Create(int64(len(base)))
		if err != nil {
			rt.Fatal(err)
		}
		defer d.Drop()
		m := &draftModel{d: d, base: &memBase{data: base}, want: bytes.Clone(base)}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			m.step(rt, t.Context())
		}
	})
}

func TestDraftShrinkThenGrowIsZeros(t *testing.T) {
	d := newDraft(t, 6)
	base := &memBase{data: []byte("abcdef")}
	for _, size := range []int64{2, 6} {
		if err := d.Truncate(t.Context(), size); err != nil {
			t.Fatal(err)
		}
	}
	wantContent(t, d, base, []byte("ab\x00\x00\x00\x00"))
}

func TestDraftSealHoldsWritersNotReaders(t *testing.T) {
	d := newDraft(t, 0)
	mustWrite(t, d, "old", 0)
	if err := d.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if _, err := d.WriteAt(ctx, []byte("x"), 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("WriteAt while sealed: %v", err)
	}
	if err := d.Truncate(ctx, 0); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Truncate while sealed: %v", err)
	}
	if err := d.Seal(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("Seal while sealed: %v", err)
	}
	wantContent(t, d, nil, []byte("old"))

	var wg sync.WaitGroup
	wg.Go(func() { mustWrite(t, d, "new", 0) })
	time.Sleep(5 * time.Millisecond)
	wantContent(t, d, nil, []byte("old"))
	d.MarkDirty()
	d.Unseal(true)
	wg.Wait()
	wantContent(t, d, nil, []byte("new"))
	if !d.Dirty() {
		t.Error("a write after the seal is not dirty")
	}
}

func TestDraftMarkDuringCommitStays(t *testing.T) {
	d := newDraft(t, 0)
	d.MarkDirty()
	for _, want := range []bool{true, false} {
		if err := d.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if want {
			d.MarkDirty()
		}
		d.Unseal(true)
		if d.Dirty() != want {
			t.Errorf("Dirty() = %v, want %v", d.Dirty(), want)
		}
	}
}

// What was committed is the base of what comes next, be it written or filled.
func TestDraftUnwritten(t *testing.T) {
	d := newDraft(t, 1000)
	check := func(when string, want ...Range) {
		t.Helper()
		if err := d.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		if got := d.Unwritten(); !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", when, got, want)
		}
		d.Unseal(false)
	}
	commit := func() {
		t.Helper()
		if err := d.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		d.Unseal(true)
	}
	check("nothing", Range{0, 1000})
	mustWrite(t, d, "aa", 500)
	check("written", Range{0, 500}, Range{502, 1000})
	if err := d.Truncate(t.Context(), 1200); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, d, "bb", 1300)
	check("longer", Range{0, 500}, Range{502, 1000})
	commit()
	check("committed", Range{0, 1302})
	mustWrite(t, d, "cc", 10)
	check("written again", Range{0, 10}, Range{12, 1302})
	if err := d.Truncate(t.Context(), 600); err != nil {
		t.Fatal(err)
	}
	check("shorter", Range{0, 10}, Range{12, 600})
	if err := d.Truncate(t.Context(), 2000); err != nil {
		t.Fatal(err)
	}
	check("longer again", Range{0, 10}, Range{12, 600})
	commit()
	want := append(append(make([]byte, 10), "cc"...), make([]byte, 1988)...)
	copy(want[500:], "aa")
	wantContent(t, d, &memBase{data: want}, want)
}

func TestDraftFillFailsThenGoesOn(t *testing.T) {
	base := &memBase{data: randomBytes(5<<20, 2)}
	d := newDraft(t, int64(len(base.data)))
	want := bytes.Clone(base.data)
	for _, off := range []int64{100, 2_000_000, 4_999_999} {
		mustWrite(t, d, "written", off)
		copy(want[off:], "written")
	}
	if err := d.Fill(t.Context(), base); err == nil {
		t.Error("Fill without a seal did not fail")
	}
	if err := d.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone := errors.New("gone")
	base.fail.Store(&gone)
	if err := d.Fill(t.Context(), base); !errors.Is(err, gone) {
		t.Fatalf("Fill = %v", err)
	}
	base.fail.Store(nil)
	wantContent(t, d, base, want)
	if err := d.Fill(t.Context(), base); err != nil {
		t.Fatal(err)
	}
	wantContent(t, d, nil, want)
	d.Unseal(false)
	if !d.Dirty() {
		t.Error("clean after a failed commit")
	}
}

// shortBase ends early without an error.
type shortBase struct{ memBase }

func (b *shortBase) DownloadBase(ctx context.Context, off, n int64, w io.WriterAt) error {
	return b.memBase.DownloadBase(ctx, off, n-1, w)
}

func TestDraftShortDownloadIsNoFill(t *testing.T) {
	d := newDraft(t, 5000)
	if err := d.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	err := d.Fill(t.Context(), &shortBase{memBase{data: make([]byte, 5000)}})
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("Fill = %v", err)
	}
}

// A read that asked for the base just before a commit replaced it must not fail.
func TestDraftReadAcrossCommit(t *testing.T) {
	base := &memBase{data: []byte("base")}
	d := newDraft(t, 4)
	base.hook = func() {
		base.hook = nil
		if err := errors.Join(d.Seal(t.Context()), d.Fill(t.Context(), base)); err != nil {
			t.Error(err)
		}
		d.Unseal(true)
		stale := errors.New("stale")
		base.fail.Store(&stale)
	}
	wantContent(t, d, base, []byte("base"))
}

func TestDraftReadsRaceWithFill(t *testing.T) {
	base := &memBase{data: bytes.Repeat([]byte{7}, 1<<20)}
	d := newDraft(t, int64(len(base.data)))
	if err := d.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			p := make([]byte, 5000)
			for off := int64(i * 1000); off < 1<<20; off += 4000 {
				n, err := d.ReadAt(t.Context(), base, p, off)
				if err != nil || bytes.Count(p[:n], []byte{7}) != n {
					t.Errorf("ReadAt(%d) = %v, or foreign bytes", off, err)
					return
				}
			}
		})
	}
	if err := d.Fill(t.Context(), base); err != nil {
		t.Error(err)
	}
	wg.Wait()
}

func TestDraftRefusesNonsense(t *testing.T) {
	d := newDraft(t, 0)
	if _, err := d.WriteAt(t.Context(), []byte("x"), -1); !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
	if _, err := d.WriteAt(t.Context(), []byte("xx"), 1<<63-2); err == nil {
		t.Error("a write beyond the largest offset did not fail")
	}
	if err := d.Truncate(t.Context(), -1); !errors.Is(err, syscall.EINVAL) {
		t.Error(err)
	}
}

func TestDraftDrop(t *testing.T) {
	dir := t.TempDir()
	d, err := newStage(t, dir).Create(0)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	wg.Go(func() {
		if _, err := d.WriteAt(t.Context(), []byte("x"), 0); !errors.Is(err, os.ErrClosed) {
			t.Errorf("WriteAt of a dropped draft: %v", err)
		}
	})
	d.Drop()
	d.Drop()
	d.Unseal(true)
	wg.Wait()
	if left, _ := filepath.Glob(filepath.Join(dir, "*", "*"+draftSuffix)); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}
