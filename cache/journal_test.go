package cache

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pailfs/pailfs/bucket"
)

// promise writes content to a new draft and puts it into the journal.
func promise(t *testing.T, s *Stage, key, id, content string) *Draft {
	t.Helper()
	d, err := s.Create(0)
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, d, content, 0)
	if err := promiseAgain(t, s, d, key, id); err != nil {
		t.Fatal(err)
	}
	return d
}

func promiseAgain(t *testing.T, s *Stage, d *Draft, key, id string) error {
	t.Helper()
	if err := d.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	defer d.Unseal(false)
	mode := uint32(0o100640)
	in := Intent{
		ID: id, Key: key, Since: time.Date(2026, 1, 2, 3, 4, 5, 6, time.UTC), Base: bucket.Object{Key: key, ETag: "e", Full: true},
		Attrs: bucket.Attributes{Mode: &mode}, Draft: d.State(), Inline: d.Size() <= InlineLimit, Earlier: []string{"before"},
	}
	if !in.Inline {
		if err := d.Pin(); err != nil {
			t.Fatal(err)
		}
		return s.Journal().Store(in, nil)
	}
	p, err := d.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return s.Journal().Store(in, p)
}

// replayed is what a new mount of dir finds.
func replayed(t *testing.T, dir string) (*Stage, []Pending) {
	t.Helper()
	s := newStage(t, dir)
	all, err := s.Replay(func(key string) string { return "path/" + key })
	if err != nil {
		t.Fatal(err)
	}
	return s, all
}

// contents are what is pending, by key, as "id:content".
func contents(t *testing.T, all []Pending) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, p := range all {
		b := make([]byte, p.Draft.Size())
		if _, err := p.Draft.ReadAt(t.Context(), nil, b, 0); err != nil {
			t.Fatal(err)
		}
		got[p.Intent.Key] = p.Intent.ID + ":" + string(b)
	}
	return got
}

func TestJournalSurvivesKill(t *testing.T) {
	dir := t.TempDir()
	s := newStage(t, dir)
	big := strings.Repeat("0123456789", 10_000)
	odd := "odd\xff\n\"key"
	d := promise(t, s, "a", "1", "one")
	mustWrite(t, d, "two", 0)
	if err := promiseAgain(t, s, d, "a", "2"); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, d, "not promised", 0)
	promise(t, s, "gone", "3", "x")
	if err := s.Journal().End("gone", false); err != nil {
		t.Fatal(err)
	}
	promise(t, s, "big", "4", big)
	promise(t, s, odd, "5", "")
	die(t, s)

	next, all := replayed(t, dir)
	want := map[string]string{"a": "2:two", "big": "4:" + big, odd: "5:"}
	if got := contents(t, all); !reflect.DeepEqual(got, want) {
		t.Errorf("replayed %.200v, want %.200v", got, want)
	}
	for _, p := range all {
		in := p.Intent
		if !p.Draft.Dirty() || p.Draft.Pinned() != (in.Key == "big") || *in.Attrs.Mode != 0o100640 || in.Base.ETag != "e" ||
			in.Base.Key != in.Key || in.Since.Nanosecond() != 6 || !slices.Equal(in.Earlier, []string{"before"}) {
			t.Errorf("%q came back as %+v", in.Key, in)
		}
	}
	if subs := mounts(t, dir); len(subs) != 1 {
		t.Errorf("left: %q", subs)
	}
	if st := next.Journal().Status(); st.Files != 3 || st.Bytes != int64(len(big)+3) {
		t.Errorf("status %+v", st)
	}
	// Closed in order, and killed again: it waits for whoever comes next.
	if err := next.Close(); err != nil {
		t.Fatal(err)
	}
	third, all := replayed(t, dir)
	if got := contents(t, all); !reflect.DeepEqual(got, want) {
		t.Errorf("the second time: %.200v", got)
	}
	for key := range want {
		if err := third.Journal().End(key, key == "big"); err != nil {
			t.Fatal(err)
		}
	}
	for _, p := range all {
		p.Draft.Unpin()
	}
	if err := third.Close(); err != nil {
		t.Fatal(err)
	}
	if subs := mounts(t, dir); len(subs) != 0 {
		t.Errorf("left at the end: %q", subs)
	}
}

// Wherever a crash tears the journal, what comes before is whole.
func TestJournalTorn(t *testing.T) {
	dir := t.TempDir()
	s := newStage(t, dir)
	name := filepath.Join(s.dir, journalName)
	var ends []int64
	for i := range 4 {
		promise(t, s, fmt.Sprint("k", i), fmt.Sprint(i), fmt.Sprint("content ", i))
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, info.Size())
	}
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	for n := range data {
		entries, damage := readJournal(data[:n])
		want := 0
		for _, end := range ends {
			if int64(n) >= end {
				want++
			}
		}
		if len(entries) != want || damage != nil {
			t.Fatalf("cut at %d: %d entries, %v; want %d", n, len(entries), damage, want)
		}
	}
	// Zeros or garbage at the end, as some file systems leave.
	for _, tail := range []string{string(make([]byte, 100)), frameMagic, frameMagic + "xxxx"} {
		if entries, damage := readJournal(append(slices.Clone(data), tail...)); len(entries) != 4 || damage != nil {
			t.Errorf("tail %q: %d entries, %v", tail, len(entries), damage)
		}
	}
	// The last was synced by nobody that a later frame knows of, the others were.
	for i, end := range ends {
		bad := slices.Clone(data)
		bad[end-1] ^= 1
		entries, damage := readJournal(bad)
		if want := i < 3; (damage != nil) != want || len(entries) != 3 {
			t.Errorf("frame %d damaged: %d entries, %v", i, len(entries), damage)
		}
	}
}

// What the disk lost before it was synced was not promised, also where it has
// something behind it.
func TestJournalLostBeforeSync(t *testing.T) {
	j := newStage(t, t.TempDir()).Journal()
	for i := range 5 {
		in := Intent{ID: fmt.Sprint("id", i), Key: fmt.Sprint("k", i), Draft: DraftState{ID: fmt.Sprint("d", i)}, Inline: true}
		seq, err := j.write(journalRecord{Key: []byte(in.Key), Intent: &in}, nil, true)
		if err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			if err := j.sync(seq); err != nil {
				t.Fatal(err)
			}
		}
	}
	data, err := os.ReadFile(filepath.Join(j.dir, journalName))
	if err != nil {
		t.Fatal(err)
	}
	frames, _ := scanFrames(data)
	lost := slices.Clone(data)
	clear(lost[frames[3].off : frames[3].off+frames[3].size()])
	if entries, damage := readJournal(lost); len(entries) != 3 || damage != nil {
		t.Errorf("%d entries, %v", len(entries), damage)
	}
	lost = slices.Clone(data)
	clear(lost[:frames[1].off])
	if entries, damage := readJournal(lost); len(entries) != 4 || damage == nil {
		t.Errorf("the first, which was synced: %d entries, %v", len(entries), damage)
	}
}

func TestJournalDamagedIsKept(t *testing.T) {
	dir := t.TempDir()
	s := newStage(t, dir)
	promise(t, s, "a", "1", "one")
	promise(t, s, "b", "2", "two")
	big := strings.Repeat("x", InlineLimit+1)
	promise(t, s, "c", "3", big)
	die(t, s)
	name := filepath.Join(s.dir, journalName)
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	i := bytes.Index(data, []byte("two"))
	data[i] ^= 0x20
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	next, all := replayed(t, dir)
	if len(all) != 0 {
		t.Errorf("to be stored on the word of a damaged journal: %v", contents(t, all))
	}
	kept := next.Kept()
	if len(kept) != 2 {
		t.Fatalf("kept: %+v", kept)
	}
	for _, k := range kept {
		want := map[string]string{"a": "one", "c": big}[k.Key]
		if k.Path != "path/"+k.Key || k.BaseETag != "e" || k.Reason == "" {
			t.Errorf("%+v", k)
		}
		wantKept(t, next, k, want)
	}
}

// Only one of two mounts takes over a journal, and none that of a living one.
func TestJournalIsReplayedOnce(t *testing.T) {
	dir := t.TempDir()
	s := newStage(t, dir)
	promise(t, s, "a", "1", "one")
	if _, all := replayed(t, dir); len(all) != 0 {
		t.Errorf("of a living mount: %v", contents(t, all))
	}
	die(t, s)
	found := make([]int, 8)
	stages := make([]*Stage, len(found))
	for i := range stages {
		stages[i] = newStage(t, dir)
	}
	var wg sync.WaitGroup
	for i, s := range stages {
		wg.Go(func() {
			all, err := s.Replay(func(key string) string { return key })
			if err != nil {
				t.Error(err)
			}
			found[i] = len(all)
		})
	}
	wg.Wait()
	slices.Sort(found)
	if !slices.Equal(found, []int{0, 0, 0, 0, 0, 0, 0, 1}) {
		t.Errorf("taken over: %v", found)
	}
}

// A crash after the new journal is written and before the old one is gone.
func TestJournalReplayIsRepeated(t *testing.T) {
	dir := t.TempDir()
	s := newStage(t, dir)
	big := strings.Repeat("x", InlineLimit+1)
	promise(t, s, "a", "1", "one")
	promise(t, s, "big", "2", big)
	die(t, s)
	old := map[string][]byte{}
	for _, name := range []string{journalName, lockName} {
		p, err := os.ReadFile(filepath.Join(s.dir, name))
		if err != nil {
			t.Fatal(err)
		}
		old[name] = p
	}
	next, _ := replayed(t, dir)
	die(t, next)
	if err := os.Mkdir(s.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, p := range old {
		if err := os.WriteFile(filepath.Join(s.dir, name), p, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	// The content has moved with the first replay, or has two names.
	third, all := replayed(t, dir)
	if got := contents(t, all); got["a"] != "1:one" || got["big"] != "2:"+big || len(all) != 2 {
		t.Errorf("%.100v", got)
	}
	if kept := third.Kept(); len(kept) != 0 {
		t.Errorf("kept: %+v", kept)
	}
}

func TestJournalSharesSyncs(t *testing.T) {
	dir := t.TempDir()
	s := newStage(t, dir)
	var wg sync.WaitGroup
	for i := range 40 {
		wg.Go(func() {
			d := promise(t, s, fmt.Sprint("k", i), "first", "1")
			mustWrite(t, d, "2", 0)
			if err := promiseAgain(t, s, d, fmt.Sprint("k", i), "second"); err != nil {
				t.Error(err)
			}
			if i%2 == 0 {
				if err := s.Journal().End(fmt.Sprint("k", i), i%4 == 0); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	die(t, s)
	_, all := replayed(t, dir)
	if len(all) != 20 {
		t.Errorf("%d are pending, want 20", len(all))
	}
	for key, got := range contents(t, all) {
		if got != "second:2" {
			t.Errorf("%s: %q", key, got)
		}
	}
}

// The file does not grow while what it holds is over, and takes no more than so
// many entries.
func TestJournalIsBounded(t *testing.T) {
	dir := t.TempDir()
	s := newStage(t, dir)
	j := s.Journal()
	j.bounds = journalBounds{files: 100, bytes: 4 << 20, rewrite: 1 << 20}
	content := make([]byte, InlineLimit)
	put := func(key string, content []byte) error {
		in := Intent{ID: "id-" + key, Key: key, Draft: DraftState{ID: "d" + key, Size: int64(len(content))}, Inline: true}
		_, err := j.write(journalRecord{Key: []byte(key), Intent: &in}, content, true)
		return err
	}
	if err := put("stays", []byte("here")); err != nil {
		t.Fatal(err)
	}
	for i := range 10 * int(j.bounds.rewrite) / InlineLimit {
		if err := put(fmt.Sprint(i%5), content); err != nil {
			t.Fatal(err)
		}
		if j.mu.size > j.bounds.rewrite+2*InlineLimit {
			t.Fatalf("the journal has %d bytes after %d entries", j.mu.size, i)
		}
	}
	for i := range 5 {
		if err := j.End(fmt.Sprint(i), false); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Sync(); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(j.dir, journalName))
	if err != nil {
		t.Fatal(err)
	}
	entries, damage := readJournal(data)
	if len(entries) != 1 || string(entries[0].content) != "here" || damage != nil {
		t.Errorf("%d entries, %v", len(entries), damage)
	}
	if err := j.End("stays", true); err != nil || j.mu.size != 0 {
		t.Errorf("nothing is pending: %d bytes, %v", j.mu.size, err)
	}
	for i := range j.bounds.files {
		if err := put(fmt.Sprint(i), nil); err != nil {
			t.Fatal(err)
		}
	}
	if err := put("more", nil); !errors.Is(err, ErrJournalFull) {
		t.Errorf("one more: %v", err)
	}
	if err := put("0", nil); err != nil {
		t.Errorf("again one that is there: %v", err)
	}
	var full error
	for i := 0; full == nil && i < 1000; i++ {
		full = put(fmt.Sprint(i%100), content)
	}
	if !errors.Is(full, ErrJournalFull) || j.mu.size > j.bounds.bytes {
		t.Errorf("%v, with %d bytes", full, j.mu.size)
	}
}

// A disk that fails promises nothing from then on.
func TestJournalThatFails(t *testing.T) {
	s := newStage(t, t.TempDir())
	d := promise(t, s, "a", "1", "one")
	if err := s.Journal().mu.file.Close(); err != nil {
		t.Fatal(err)
	}
	mustWrite(t, d, "two", 0)
	for range 2 {
		if err := promiseAgain(t, s, d, "a", "2"); err == nil {
			t.Error("promised on a disk that fails")
		}
	}
}

func TestPinnedDraft(t *testing.T) {
	s := newStage(t, t.TempDir())
	big := strings.Repeat("x", InlineLimit+1)
	d := promise(t, s, "a", "1", big)
	before := d.Changes()
	if _, err := d.WriteAt(t.Context(), []byte("y"), 0); !errors.Is(err, ErrPinned) {
		t.Errorf("write: %v", err)
	}
	if err := d.Truncate(t.Context(), 1); !errors.Is(err, ErrPinned) {
		t.Errorf("truncate: %v", err)
	}
	if d.Changes() != before {
		t.Error("a refused change counts")
	}
	d.Unpin()
	if err := d.Truncate(t.Context(), 1); err != nil || d.Changes() == before {
		t.Errorf("truncate: %v", err)
	}
}
