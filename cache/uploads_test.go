package cache

import (
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/pailfs/pailfs/bucket"
)

// aborts is a store whose uploads are given up.
type aborts struct {
	mu   sync.Mutex
	ids  []string
	errs map[string]error
}

func (a *aborts) AbortUpload(_ context.Context, key, id string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.ids = append(a.ids, key+" "+id)
	return a.errs[id]
}

func openUploads(t *testing.T, dir string) *Uploads {
	t.Helper()
	u, err := OpenUploads(dir, "store bucket", slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// What a process leaves is found by the next, which aborts what it knows the id
// of. What could not be aborted is there for the one after.
func TestUploadsOfDeadMount(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "uploads")
	u := openUploads(t, dir) // and it dies
	u.Begin("ended").Ended()
	done := u.Begin("done")
	done.Begun("1")
	done.Ended()
	u.Begin("never answered")
	for _, id := range []string{"2", "3", "4"} {
		u.Begin("left\n" + id).Begun(id)
	}
	if err := os.WriteFile(filepath.Join(dir, "torn"+uploadSuffix), nil, 0o600); err != nil {
		t.Fatal(err)
	}

	next := openUploads(t, dir)
	mine := next.Begin("mine")
	mine.Begun("5")
	store := &aborts{errs: map[string]error{"3": bucket.ErrNotExist, "4": bucket.ErrPermission}}
	next.AbortOld(store)
	next.wg.Wait()
	slices.Sort(store.ids)
	if want := []string{"left\n2 2", "left\n3 3", "left\n4 4"}; !slices.Equal(store.ids, want) {
		t.Errorf("aborted %q, want %q", store.ids, want)
	}
	mine.Ended()
	next.Close()

	left, err := ReadUploads(dir)
	if err != nil {
		t.Fatal(err)
	}
	var keys []string
	for _, r := range left {
		keys = append(keys, r.Key+" "+r.ID)
		if r.Store != "store bucket" || r.Asked.IsZero() {
			t.Errorf("record %+v", r)
		}
		if err := errors.Join(r.Forget(), r.Forget()); err != nil {
			t.Error(err)
		}
	}
	slices.Sort(keys)
	if want := []string{"left\n4 4", "never answered "}; !slices.Equal(keys, want) {
		t.Errorf("left %q, want %q", keys, want)
	}
}

// A mount of which nothing is left removes the directory; one that cannot write
// its records uploads all the same.
func TestUploadsWithoutRecord(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "uploads")
	u := openUploads(t, dir)
	u.Close()
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the empty record: %v", err)
	}
	r := u.Begin("k")
	r.Begun("1")
	r.Ended()
	if all, err := ReadUploads(dir); err != nil || len(all) > 0 {
		t.Errorf("%v, %v", all, err)
	}
}
