package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// partStore is the store of one upload.
type partStore struct {
	fail   func(number int) error // nil: never
	before func(number int)       // a part is read
	mu     struct {
		sync.Mutex
		parts   map[int][]byte
		sends   int
		aborted int
	}
}

func (s *partStore) Send(_ context.Context, number int, body io.ReaderAt, size int64) error {
	if s.before != nil {
		s.before(number)
	}
	p := make([]byte, size)
	if n, err := body.ReadAt(p, 0); n < len(p) {
		return fmt.Errorf("part %d has %d bytes of %d: %w", number, n, size, err)
	}
	if s.fail != nil {
		if err := s.fail(number); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.parts == nil {
		s.mu.parts = map[int][]byte{}
	}
	s.mu.parts[number] = p
	s.mu.sends++
	return nil
}

func (s *partStore) Abort(context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.aborted++
}

func (s *partStore) content(parts int) (all []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for n := 1; n <= parts; n++ {
		all = append(all, s.mu.parts[n]...)
	}
	return all
}

func (s *partStore) sends() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.sends
}

// streamingDraft is a new file that is sent to s.
func streamingDraft(t testing.TB, s *partStore) *Draft {
	t.Helper()
	stage := newStage(t, t.TempDir())
	stage.Stream(growingLayout{}, 3)
	d, err := stage.Create(0)
	if err != nil {
		t.Fatal(err)
	}
	d.SendBy(func(context.Context) (PartUpload, error) { return s, nil })
	return d
}

func (s *partStore) wantSent(t testing.TB, d *Draft, want []byte) {
	t.Helper()
	if err := d.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	up, parts, err := d.Sent()
	if up == nil || err != nil {
		t.Fatalf("Sent = %v, %v", up, err)
	}
	if got := s.content(parts); !bytes.Equal(got, want) {
		t.Errorf("sent %d bytes, which are not the %d written", len(got), len(want))
	}
	d.Unsend(true)
	d.Unseal(true)
	if s.mu.aborted > 0 {
		t.Error("the upload is aborted")
	}
}

// Whatever a program does to a new file while it is sent: what is stored in the end
// is what a local file would have.
func TestStreamModel(t *testing.T) {
	dir := t.TempDir()
	rapid.Check(t, func(rt *rapid.T) {
		stage, err := OpenStage(dir, slog.New(slog.DiscardHandler))
		if err != nil {
			rt.Fatal(err)
		}
		defer stage.Close()
		stage.Stream(growingLayout{}, rapid.IntRange(1, 4).Draw(rt, "slots"))
		d, err := stage.Create(0)
		if err != nil {
			rt.Fatal(err)
		}
		s := &partStore{}
		var lost atomic.Int64 // a part that fails once
		lost.Store(int64(rapid.IntRange(0, 8).Draw(rt, "lost")))
		s.fail = func(number int) error {
			if lost.CompareAndSwap(int64(number), -1) {
				return errors.New("lost")
			}
			return nil
		}
		d.SendBy(func(context.Context) (PartUpload, error) { return s, nil })
		var want []byte
		seed := uint64(0)
		write := func(off, n int) {
			seed++
			p := randomBytes(n, seed)
			want = append(want, make([]byte, max(0, off+n-len(want)))...)
			copy(want[off:], p)
			if k, err := d.WriteAt(t.Context(), p, int64(off)); k != n || err != nil {
				rt.Fatalf("WriteAt = %d, %v", k, err)
			}
		}
		for range rapid.IntRange(1, 40).Draw(rt, "steps") {
			switch op := rapid.IntRange(0, 9).Draw(rt, "op"); {
			case op < 6:
				write(len(want), rapid.IntRange(1, 150).Draw(rt, "more"))
			case op == 6:
				write(rapid.IntRange(0, len(want)+120).Draw(rt, "off"), rapid.IntRange(1, 300).Draw(rt, "n"))
			case op == 7:
				size := rapid.IntRange(0, len(want)+200).Draw(rt, "size")
				want = append(want, make([]byte, max(0, size-len(want)))...)[:size]
				if err := d.Truncate(t.Context(), int64(size)); err != nil {
					rt.Fatal(err)
				}
			default:
				got := make([]byte, len(want)+1)
				if n, err := d.ReadAt(t.Context(), nil, got, 0); err != nil || !bytes.Equal(got[:n], want) {
					rt.Fatalf("%d bytes read of %d, %v", n, len(want), err)
				}
			}
		}
		if err := d.Seal(t.Context()); err != nil {
			rt.Fatal(err)
		}
		up, parts, err := d.Sent()
		got := make([]byte, len(want))
		if up != nil {
			got = s.content(parts)
		} else if n, err := d.Body().ReadAt(got, 0); n < len(got) {
			rt.Fatal(err)
		}
		if err != nil && lost.Load() >= 0 || !bytes.Equal(got, want) {
			rt.Fatalf("stored %d bytes, %v, not the %d written", len(got), err, len(want))
		}
		d.Unsend(up != nil)
		d.Unseal(true)
		d.Drop()
	})
}

// Parts go while the rest is written, and none of them twice.
func TestStreamSendsWhileWritten(t *testing.T) {
	s := &partStore{}
	d := streamingDraft(t, s)
	want := randomBytes(1050, 1)
	mustWrite(t, d, string(want[:700]), 0)
	eventually(t, func() bool { return s.sends() == 5 })
	mustWrite(t, d, string(want[700:]), 700)
	s.wantSent(t, d, want)
	if n := s.sends(); n != 8 {
		t.Errorf("%d parts sent, want 8", n)
	}
}

// A file of one part begins no upload, and what shrinks to that gives it up.
func TestStreamNotOfOnePart(t *testing.T) {
	s := &partStore{}
	d := streamingDraft(t, s)
	mustWrite(t, d, string(randomBytes(100, 1)), 0)
	if d.mu.sender != nil {
		t.Error("an upload has begun")
	}
	mustWrite(t, d, string(randomBytes(500, 1)), 100)
	if err := d.Truncate(t.Context(), 100); err != nil {
		t.Fatal(err)
	}
	if err := d.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if up, _, err := d.Sent(); up != nil || err != nil {
		t.Errorf("Sent = %v, %v", up, err)
	}
	d.Unseal(true)
	eventually(t, func() bool { s.mu.Lock(); defer s.mu.Unlock(); return s.mu.aborted == 1 })
}

// A seek back while its part is under way: the part is sent again.
func TestStreamOverwrittenUnderWay(t *testing.T) {
	reading, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s := &partStore{before: func(number int) {
		if number == 2 {
			once.Do(func() { close(reading); <-goOn })
		}
	}}
	d := streamingDraft(t, s)
	want := randomBytes(350, 1)
	mustWrite(t, d, string(want), 0)
	<-reading
	copy(want[150:], "over")
	mustWrite(t, d, "over", 150)
	close(goOn)
	s.wantSent(t, d, want)
}

// Of a draft that ends its upload is aborted, after what was under way, and before
// the stage is closed.
func TestStreamAborted(t *testing.T) {
	for name, end := range map[string]func(*Draft){
		"drop":  (*Draft).Drop,
		"keep":  func(d *Draft) { d.Keep(Kept{}) },
		"close": func(d *Draft) {},
	} {
		s := &partStore{}
		d := streamingDraft(t, s)
		mustWrite(t, d, string(randomBytes(500, 1)), 0)
		eventually(t, func() bool { return s.sends() == 4 })
		end(d)
		if err := d.stage.Close(); err != nil {
			t.Error(err)
		}
		if s.mu.aborted != 1 {
			t.Errorf("%s: aborted %d times", name, s.mu.aborted)
		}
	}
}

// What cannot be begun, or fails at the end as well, is left to who has the draft.
func TestStreamFails(t *testing.T) {
	lost := errors.New("lost")
	s := &partStore{fail: func(number int) error {
		if number == 2 {
			return lost
		}
		return nil
	}}
	for name, begin := range map[string]func(context.Context) (PartUpload, error){
		"part":  func(context.Context) (PartUpload, error) { return s, nil },
		"begin": func(context.Context) (PartUpload, error) { return nil, lost },
	} {
		d := streamingDraft(t, s)
		d.SendBy(begin)
		want := randomBytes(500, 1)
		mustWrite(t, d, string(want), 0)
		if err := d.Seal(t.Context()); err != nil {
			t.Fatal(err)
		}
		up, _, err := d.Sent()
		if up != nil || errors.Is(err, lost) != (name == "part") {
			t.Errorf("%s: Sent = %v, %v", name, up, err)
		}
		d.Unseal(false)
		wantContent(t, d, nil, want)
		if !d.Dirty() {
			t.Errorf("%s: not dirty any more", name)
		}
	}
}

// A write that failed spoils the draft until it is written anew.
func TestSpoiledDraft(t *testing.T) {
	d := streamingDraft(t, &partStore{})
	d.file = &fullFile{content: d.file, room: 150}
	if _, err := d.WriteAt(t.Context(), randomBytes(200, 1), 0); !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
	if err := d.Spoiled(); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Spoiled = %v", err)
	}
	if err := d.Truncate(t.Context(), 20); err != nil || d.Spoiled() == nil {
		t.Errorf("a shorter one: %v, Spoiled = %v", err, d.Spoiled())
	}
	if err := d.Truncate(t.Context(), 0); err != nil || d.Spoiled() != nil {
		t.Errorf("an empty one: %v, Spoiled = %v", err, d.Spoiled())
	}
}

// fullFile takes no bytes beyond room.
type fullFile struct {
	content
	room int64
}

func (f *fullFile) WriteAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) <= f.room {
		return f.content.WriteAt(p, off)
	}
	n, err := f.content.WriteAt(p[:max(0, f.room-off)], off)
	return n, errors.Join(err, syscall.ENOSPC)
}

func eventually(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
	}
}
