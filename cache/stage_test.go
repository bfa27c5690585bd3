package cache

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"syscall"
	"testing"
	"time"

	"github.com/pailfs/pailfs/bucket"
)

// die does what a killed process does: the locks are gone, the files stay.
func die(t *testing.T, s *Stage) {
	t.Helper()
	if err := s.lock.Close(); err != nil {
		t.Fatal(err)
	}
}

func keepDraft(t *testing.T, s *Stage, content, key string) Kept {
	t.Helper()
	d, err := s.Create(0)
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, d, content, 0)
	k, err := d.Keep(Kept{
		Key: key, Path: "dir/" + key, Reason: "conflict", BaseETag: "e1",
		Since:    time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
		Metadata: map[string]string{"mode": "33188"}, Headers: bucket.Headers{ContentType: "text/plain"},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.WriteAt(t.Context(), []byte("x"), 0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("WriteAt of a kept draft: %v", err)
	}
	d.Drop() // nothing to a kept one
	return k
}

func wantKept(t *testing.T, s *Stage, want Kept, content string) {
	t.Helper()
	f, k, err := s.OpenKept(want.ID)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	got, err := io.ReadAll(f)
	if err != nil || string(got) != content {
		t.Errorf("kept content = %q, %v", got, err)
	}
	if !reflect.DeepEqual(k, want) {
		t.Errorf("kept = %+v, want %+v", k, want)
	}
}

func mounts(t *testing.T, dir string) []string {
	t.Helper()
	subs, err := filepath.Glob(filepath.Join(dir, mountPrefix+"*"))
	if err != nil {
		t.Fatal(err)
	}
	return subs
}

func TestKeptSurvivesClose(t *testing.T) {
	dir := t.TempDir()
	s := newStage(t, dir)
	k := keepDraft(t, s, "precious", "a")
	wantKept(t, s, k, "precious")
	if _, err := s.Create(10); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(0); !errors.Is(err, os.ErrClosed) {
		t.Errorf("Create after Close: %v", err)
	}

	s = newStage(t, dir)
	wantKept(t, s, k, "precious")
	if err := s.DropKept(k.ID); err != nil {
		t.Fatal(err)
	}
	if err := s.DropKept(k.ID); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("second DropKept: %v", err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if left := mounts(t, dir); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

func TestKeptOfDeadMountIsAdopted(t *testing.T) {
	dir := t.TempDir()
	dead := newStage(t, dir)
	k := keepDraft(t, dead, "precious", "a")
	d, err := dead.Create(0)
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, d, "never closed", 0)

	alive := newStage(t, dir)
	if got := alive.Kept(); len(got) != 0 {
		t.Fatalf("adopted from a live mount: %v", got)
	}
	die(t, dead)
	next := newStage(t, dir)
	if got := next.Kept(); len(got) != 1 {
		t.Fatalf("Kept = %v", got)
	}
	wantKept(t, next, k, "precious")
	if left := mounts(t, dir); len(left) != 2 {
		t.Errorf("directories: %v", left)
	}
	if got := alive.Kept(); len(got) != 0 {
		t.Errorf("the other mount has it too: %v", got)
	}
}

// A crash in the middle of an adoption leaves the pair whole where it was.
func TestAdoptionAfterCrashedAdoption(t *testing.T) {
	dir := t.TempDir()
	dead := newStage(t, dir)
	k := keepDraft(t, dead, "precious", "a")
	half := newStage(t, dir)
	if err := os.Link(dead.path(k.ID, draftSuffix), half.path(k.ID, draftSuffix)); err != nil {
		t.Fatal(err)
	}
	die(t, half)
	die(t, dead)
	wantKept(t, newStage(t, dir), k, "precious")
}

func TestUnreadableRecordIsLeftAlone(t *testing.T) {
	dir := t.TempDir()
	dead := newStage(t, dir)
	k := keepDraft(t, dead, "precious", "a")
	if err := os.WriteFile(dead.path(k.ID, keptSuffix), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	die(t, dead)
	newStage(t, dir)
	if _, err := os.Stat(dead.path(k.ID, draftSuffix)); err != nil {
		t.Error(err)
	}
}

func TestForeignFilesAreLeftAlone(t *testing.T) {
	dir := t.TempDir()
	foreign := filepath.Join(dir, mountPrefix+"x", "thesis.doc")
	if err := os.Mkdir(filepath.Dir(foreign), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(foreign, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	newStage(t, dir)
	if _, err := os.Stat(foreign); err != nil {
		t.Error(err)
	}
}

func TestKeepIncomplete(t *testing.T) {
	dir := t.TempDir()
	s := newStage(t, dir)
	d, err := s.Create(10)
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, d, "XY", 4)
	k, err := d.Keep(Kept{Key: "a", BaseETag: "e"})
	if err != nil {
		t.Fatal(err)
	}
	if want := []Range{{0, 4}, {6, 10}}; !reflect.DeepEqual(k.Missing, want) || k.Size != 10 || k.Since.IsZero() {
		t.Errorf("Keep = %+v", k)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = newStage(t, dir)
	if _, _, err := s.OpenKept(k.ID); !errors.Is(err, ErrIncomplete) {
		t.Fatalf("OpenKept = %v", err)
	}
	if err := s.FillKept(t.Context(), k.ID, &memBase{data: []byte("0123456789")}); err != nil {
		t.Fatal(err)
	}
	got := s.Kept()[0]
	if got.Missing != nil {
		t.Errorf("still missing: %v", got.Missing)
	}
	wantKept(t, s, got, "0123XY6789")
}

func TestKeepFailsAndDraftGoesOn(t *testing.T) {
	s := newStage(t, t.TempDir())
	d, err := s.Create(0)
	if err != nil {
		t.Fatal(err)
	}
	mustWrite(t, d, "a", 0)
	block := s.path(d.id, keptSuffix)
	if err := os.MkdirAll(filepath.Join(block, "x"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := d.Keep(Kept{Key: "a"}); err == nil {
		t.Fatal("Keep did not fail")
	}
	mustWrite(t, d, "b", 1)
	wantContent(t, d, nil, []byte("ab"))
	if err := os.RemoveAll(block); err != nil {
		t.Fatal(err)
	}
	if k, err := d.Keep(Kept{Key: "a"}); err != nil || k.Size != 2 {
		t.Errorf("Keep = %+v, %v", k, err)
	}
}

func TestStageModes(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "stage")
	s := newStage(t, dir)
	d, err := s.Create(1 << 30)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]os.FileMode{dir: 0o700, s.dir: 0o700, d.file.Name(): 0o600} {
		info, err := os.Stat(name)
		if err != nil {
			t.Fatal(err)
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s: mode %o, want %o", name, got, want)
		}
	}
	info, err := os.Stat(d.file.Name())
	if err != nil {
		t.Fatal(err)
	}
	if used := info.Sys().(*syscall.Stat_t).Blocks * 512; used > 1<<20 {
		t.Errorf("an untouched draft of 1 GiB takes %d bytes", used)
	}
}

func TestStageNotUsable(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := OpenStage(file, slog.New(slog.DiscardHandler)); err == nil {
		s.Close()
		t.Error("a file is no stage directory")
	}
	for _, dir := range []string{"/proc", "/sys"} {
		if s, err := OpenStage(dir, slog.New(slog.DiscardHandler)); err == nil {
			s.Close()
			t.Errorf("%s is no stage directory", dir)
		}
	}
}
