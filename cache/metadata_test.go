package cache

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/pailfs/pailfs/bucket"
)

func entry(key, etag string) Entry {
	return Entry{Key: key, Object: bucket.Object{Key: key, ETag: etag}}
}

func full(e Entry) Entry {
	e.Object.Full = true
	e.Object.Metadata = map[string]string{"mode": "33184"}
	return e
}

// testCache is a Metadata whose clock the test moves.
func testCache(t *testing.T) (*Metadata, *time.Time) {
	t.Helper()
	now := time.Now()
	m := NewMetadata(5 * time.Second)
	m.now = func() time.Time { return now }
	return m, &now
}

func list(m *Metadata, dir string, entries ...Entry) []Entry {
	w := m.Walk(dir)
	shown := w.Add(entries, entries[len(entries)-1].Key)
	return append(shown, w.Done()...)
}

func want(t *testing.T, m *Metadata, key string, s State, etag string) {
	t.Helper()
	e, _, got := m.Get(key)
	if got != s || e.Object.ETag != etag {
		t.Errorf("Get(%q) = %v %q, want %v %q", key, got, e.Object.ETag, s, etag)
	}
}

func TestExpiry(t *testing.T) {
	m, now := testCache(t)
	m.Put(entry("d/a", "1"), m.Mark())
	m.PutAbsent("d/b", m.Mark())
	want(t, m, "d/a", Found, "1")
	want(t, m, "d/b", Absent, "")
	want(t, m, "d/c", Unknown, "")
	*now = now.Add(5 * time.Second)
	want(t, m, "d/a", Unknown, "")
	want(t, m, "d/b", Unknown, "")
}

func TestCompleteListingAnswersForAll(t *testing.T) {
	m, now := testCache(t)
	list(m, "d/", entry("d/a", "1"), entry("d/sub/", ""))
	want(t, m, "d/a", Found, "1")
	want(t, m, "d/sub/", Found, "")
	want(t, m, "d/none", Absent, "")
	want(t, m, "d/sub/x", Unknown, "")
	*now = now.Add(5 * time.Second)
	want(t, m, "d/none", Unknown, "")
}

func TestUnfinishedListingIsNotBelieved(t *testing.T) {
	m, _ := testCache(t)
	w := m.Walk("d/")
	w.Add([]Entry{entry("d/a", "1")}, "d/a")
	w.Cancel()
	want(t, m, "d/none", Unknown, "")
	if _, ok := m.List("d/"); ok {
		t.Error("half a listing was installed")
	}
}

// A listing that began before a local change never undoes it.
func TestListingNeverUndoesOwnChange(t *testing.T) {
	m, _ := testCache(t)
	w := m.Walk("d/")
	m.Changed(full(entry("d/new", "n")))
	m.Changed(full(entry("d/edited", "2")))
	m.Removed("d/gone")
	shown := w.Add([]Entry{entry("d/edited", "1"), entry("d/gone", "1"), entry("d/old", "1")}, "d/old")
	if len(shown) != 2 || shown[0].Object.ETag != "2" {
		t.Errorf("shown: %v", shown)
	}
	extra := w.Done()
	if len(extra) != 1 || extra[0].Key != "d/new" {
		t.Errorf("extra: %v", extra)
	}
	want(t, m, "d/new", Found, "n")
	want(t, m, "d/edited", Found, "2")
	want(t, m, "d/gone", Absent, "")
	got, _ := m.List("d/")
	var keys []string
	for _, e := range got {
		keys = append(keys, e.Key+"="+e.Object.ETag)
	}
	if !slices.Equal(keys, []string{"d/edited=2", "d/new=n", "d/old=1"}) {
		t.Errorf("listing: %v", keys)
	}
}

// An answer to a question asked before our own change does not undo it either.
func TestLateAnswer(t *testing.T) {
	m, _ := testCache(t)
	mark := m.Mark()
	m.Changed(entry("k", "2"))
	m.Put(entry("k", "1"), mark)
	want(t, m, "k", Found, "2")
	m.PutAbsent("k", mark)
	want(t, m, "k", Found, "2")
	m.Put(entry("k", "3"), m.Mark())
	want(t, m, "k", Found, "3")
}

func TestListingKeepsWhatAHeadSaid(t *testing.T) {
	m, now := testCache(t)
	m.Put(full(entry("d/a", "1")), m.Mark())
	m.Put(full(entry("d/b", "1")), m.Mark())
	*now = now.Add(time.Minute)
	list(m, "d/", entry("d/a", "1"), entry("d/b", "2"))
	if e, _, _ := m.Get("d/a"); !e.Object.Full || e.Object.Metadata["mode"] == "" {
		t.Error("the attributes of the same version were forgotten")
	}
	if e, _, _ := m.Get("d/b"); e.Object.Full {
		t.Error("the attributes of another version were kept")
	}
}

func TestOwnChangesShowInCachedListing(t *testing.T) {
	m, _ := testCache(t)
	list(m, "d/", entry("d/a", "1"))
	if empty, known := m.Empty("d/"); empty || !known {
		t.Error("d/ has an entry")
	}
	m.Removed("d/a")
	m.Removed("d/never")
	if empty, known := m.Empty("d/"); !empty || !known {
		t.Error("d/ is empty now")
	}
	m.Changed(entry("d/b", "1"))
	m.Changed(entry("d/b", "2"))
	if got, _ := m.List("d/"); len(got) != 1 || got[0].Object.ETag != "2" {
		t.Errorf("listing: %v", got)
	}
	if empty, _ := m.Empty("d/"); empty {
		t.Error("d/ has an entry again")
	}
}

func TestForgetTreeVoidsWalks(t *testing.T) {
	m, _ := testCache(t)
	w := m.Walk("d/e/")
	m.Put(entry("d/e/a", "1"), m.Mark())
	m.ForgetTree("d/")
	w.Add([]Entry{entry("d/e/a", "1")}, "d/e/a")
	w.Done()
	want(t, m, "d/e/a", Unknown, "")
}

func TestAttrsOfADirectory(t *testing.T) {
	m, now := testCache(t)
	old := entry("d/a", "1")
	old.Object.LastModified = *now
	list(m, "d/", old)
	m.SetAttrs("d/", AttrsNone)
	if m.Attrs("d/") != AttrsNone {
		t.Error("not remembered")
	}
	newer := entry("d/b", "1")
	newer.Object.LastModified = now.Add(time.Second)
	list(m, "d/", old, newer)
	if m.Attrs("d/") != AttrsUnknown {
		t.Error("believed although there is a newer object")
	}
	m.SetAttrs("d/", AttrsSome)
	m.SetAttrs("d/", AttrsNone)
	if m.Attrs("d/") != AttrsSome {
		t.Error("taken back")
	}
}

func TestBounded(t *testing.T) {
	m, _ := testCache(t)
	const dirs, each = 30, 10_000
	for d := range dirs {
		entries := make([]Entry, each)
		for i := range entries {
			entries[i] = entry(fmt.Sprintf("d%d/%05d", d, i), "1")
		}
		list(m, fmt.Sprintf("d%d/", d), entries...)
	}
	if m.mu.listed > maxListed || m.mu.listed <= maxListed-each {
		t.Errorf("%d entries are listed, at most %d may be", m.mu.listed, maxListed)
	}
	if _, ok := m.List("d0/"); ok {
		t.Error("the oldest listing is still there")
	}
	if got, ok := m.List("d29/"); !ok || len(got) != each {
		t.Error("the newest listing is not there")
	}
}

// The pages of a listing under way answer for the names that they reach.
func TestWalkAnswers(t *testing.T) {
	m, now := testCache(t)
	w := m.Walk("d/")
	w.Add([]Entry{entry("d/b", "1"), entry("d/f", "1"), entry("d/d/", "")}, "d/f")
	want(t, m, "d/b", Found, "1")
	want(t, m, "d/d/", Found, "")
	want(t, m, "d/b/", Absent, "")
	want(t, m, "d/a", Absent, "")
	want(t, m, "d/g", Unknown, "")
	want(t, m, "e/b", Unknown, "")

	m.Changed(entry("d/c", "own")) // where its page had no such key
	m.Removed("d/f")
	want(t, m, "d/c", Found, "own")
	want(t, m, "d/f", Absent, "")
	m.PutAbsent("d/b", m.Mark()) // what was learnt since counts
	want(t, m, "d/b", Absent, "")

	*now = now.Add(4 * time.Second)
	w.Add([]Entry{entry("d/h", "1"), entry("d/k", "1")}, "d/k")
	*now = now.Add(2 * time.Second) // each page has its own age
	want(t, m, "d/a", Unknown, "")
	want(t, m, "d/g", Absent, "")
	want(t, m, "d/h", Found, "1")
	m.Forget("d/h")
	want(t, m, "d/h", Unknown, "")
	w.Done()
	want(t, m, "d/k", Unknown, "") // a listing that was wrong in one is not believed
}

// A page without the order of keys says nothing of the names between.
func TestWalkWithoutOrder(t *testing.T) {
	m, _ := testCache(t)
	w := m.Walk("d/")
	w.Add([]Entry{entry("d/k", "1"), entry("d/b", "1")}, "d/k")
	want(t, m, "d/c", Unknown, "")
	w.Add([]Entry{entry("d/c", "1")}, "d/c")
	want(t, m, "d/c", Unknown, "")
	w.Done()
	want(t, m, "d/c", Found, "1")
	want(t, m, "d/e", Absent, "")
}

// A listing that nobody asked for tells what is there, and not what is absent:
// somebody may have put it there since, for a reader who looks the first time.
func TestHintedListing(t *testing.T) {
	m := NewMetadata(time.Minute)
	w := m.Walk("d/")
	w.Hint(false)
	w.Add([]Entry{{Key: "d/a", Object: bucket.Object{Key: "d/a", ETag: "1"}}, {Key: "d/s/"}}, "d/s/")
	w.Done()
	for key, want := range map[string]State{"d/a": Found, "d/a/": Absent, "d/s/": Found, "d/s": Unknown, "d/b": Unknown, "d/b/": Unknown} {
		if _, _, s := m.Get(key); s != want {
			t.Errorf("%s: %v, want %v", key, s, want)
		}
	}
	if _, ok := m.List("d/"); ok {
		t.Error("readdir shows it")
	}
	m.PutAbsent("d/b", m.Mark())
	m.Changed(Entry{Key: "d/c", Object: bucket.Object{Key: "d/c", ETag: "2"}})
	m.Removed("d/a")
	for key, want := range map[string]State{"d/b": Absent, "d/c": Found, "d/a": Absent} {
		if _, _, s := m.Get(key); s != want {
			t.Errorf("%s, learnt since: %v, want %v", key, s, want)
		}
	}
}

// hinted lists a page that nobody asked for; more says that others follow it.
func hinted(t *testing.T, m *Metadata, goOn, more bool, last string, entries ...Entry) {
	t.Helper()
	w := m.Walk("d/")
	w.Hint(goOn)
	w.Add(entries, last)
	if !more {
		w.Done()
	} else if !w.Part() {
		t.Error("not to be continued")
	}
}

// The pages of such a listing may come one by one. What each tells stays, and a
// name counts once it is known that no directory has it as well.
func TestHintInParts(t *testing.T) {
	m, now := testCache(t)
	check := func(when string, states map[string]State) {
		t.Helper()
		for key, want := range states {
			if _, _, s := m.Get(key); s != want {
				t.Errorf("%s: %s: %v, want %v", when, key, s, want)
			}
		}
	}
	hinted(t, m, false, true, "d/b", entry("d/a", "1"), entry("d/a-", "1"), entry("d/b", "1"))
	check("first page", map[string]State{"d/a": Found, "d/a/": Absent, "d/b": Found, "d/b/": Unknown, "d/aa": Unknown, "d/c": Unknown})
	if _, complete := m.LastList("d/"); complete {
		t.Error("it is taken for complete")
	}
	m.Removed("d/a")
	m.PutAbsent("d/bb", m.Mark())
	m.Changed(entry("d/b", "2"))
	*now = now.Add(time.Second)
	hinted(t, m, true, true, "d/c", Entry{Key: "d/b/"}, entry("d/c", "1"))
	check("second page", map[string]State{"d/a": Absent, "d/b": Found, "d/b/": Found, "d/c": Found, "d/c/": Unknown, "d/bb": Absent, "d/d": Unknown})
	want(t, m, "d/b", Found, "2")
	hinted(t, m, true, false, "d/e", entry("d/e", "1"))
	check("last page", map[string]State{"d/a-": Found, "d/c/": Absent, "d/e": Found, "d/e/": Absent, "d/f": Unknown})
	if _, ok := m.List("d/"); ok {
		t.Error("readdir shows it")
	}
	*now = now.Add(m.TTL() - time.Second) // the first page has aged, and all of it with that
	check("later", map[string]State{"d/a-": Unknown, "d/e": Unknown})
	hinted(t, m, true, true, "d/g", entry("d/g", "1")) // by itself
	check("by itself", map[string]State{"d/g": Found, "d/a-": Unknown})
}

// What a program has listed is not replaced by what was listed for names.
func TestHintBesideCompleteListing(t *testing.T) {
	m, _ := testCache(t)
	hint, asked := m.Walk("d/"), m.Walk("d/")
	hint.Hint(false)
	hint.Add([]Entry{entry("d/a", "1")}, "d/a")
	asked.Add([]Entry{entry("d/a", "1"), entry("d/b", "1")}, "d/b")
	asked.Done()
	m.Removed("d/b")
	hint.Part()
	if list, ok := m.List("d/"); !ok || len(list) != 1 {
		t.Errorf("listed %v, %v", list, ok)
	}
	want(t, m, "d/c", Absent, "")
}

// A hint in no order, or one that turned out to be wrong, is not continued.
func TestHintThatIsOfNoUse(t *testing.T) {
	m, _ := testCache(t)
	for name, spoil := range map[string]func(*Walk){
		"order":     func(w *Walk) { w.Add([]Entry{entry("d/k", "1"), entry("d/b", "1")}, "d/k") },
		"forgotten": func(w *Walk) { w.Add([]Entry{entry("d/b", "1")}, "d/b"); m.Forget("d/b") },
		"nothing":   func(*Walk) {},
	} {
		w := m.Walk("d/")
		w.Hint(false)
		if spoil(w); w.Part() {
			t.Errorf("%s: to be continued", name)
		}
		want(t, m, "d/b", Unknown, "")
	}
}
