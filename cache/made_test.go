package cache

import (
	"testing"
	"time"

	"github.com/pailfs/pailfs/bucket"
)

func made(key string) Entry { return Entry{Key: key, Object: bucket.Object{Key: key, ETag: "e"}} }

func TestMadeDirectoryIsEmpty(t *testing.T) {
	now := time.Now()
	m := NewMetadata(5 * time.Second)
	m.now = func() time.Time { return now }
	state := func(key string) State { _, _, s := m.Get(key); return s }

	m.PutAbsent("d/", m.Mark())
	m.Made(made("d/"))
	for i := range makingFiles {
		if s := state("d/b"); s != Unknown {
			t.Errorf("after %d files: %v, want Unknown", i, s)
		}
		m.Changed(made("d/a"))
	}
	if s := state("d/b"); s != Absent {
		t.Errorf("after %d files: %v, want Absent", makingFiles, s)
	}
	if _, known := m.List("d/"); known {
		t.Error("a listing that nobody has asked for is shown")
	}
	for range 3 { // each change of our own opens the window anew
		now = now.Add(makingWindow - 1)
		m.Changed(made("d/a"))
		if s := state("d/b"); s != Absent {
			t.Fatalf("%v, want Absent", s)
		}
	}
	if s := state("d/a"); s != Found {
		t.Errorf("our own file: %v, want Found", s)
	}
	now = now.Add(makingWindow)
	if s := state("d/b"); s != Unknown {
		t.Errorf("after the window: %v, want Unknown", s)
	}
	m.Changed(made("d/c"))
	if s := state("d/b"); s != Unknown {
		t.Errorf("after a single file: %v, want Unknown", s)
	}
	now = now.Add(5*time.Second - 3*makingWindow)
	for range makingFiles {
		m.Changed(made("d/c"))
	}
	if s := state("d/b"); s != Unknown {
		t.Errorf("after the time to live: %v, want Unknown", s)
	}
}

// A listing that comes while a new directory is filled ends nothing.
func TestMadeDirectoryIsListed(t *testing.T) {
	m := NewMetadata(time.Minute)
	m.PutAbsent("d/", m.Mark())
	m.Made(made("d/"))
	for range makingFiles {
		m.Changed(made("d/a"))
	}
	w := m.Walk("d/")
	w.Hint(false)
	w.Add([]Entry{made("d/a"), made("d/x")}, "d/x")
	w.Done()
	if _, _, s := m.Get("d/b"); s != Absent {
		t.Errorf("%v, want Absent", s)
	}
	if _, _, s := m.Get("d/x"); s != Found {
		t.Errorf("what the listing has: %v, want Found", s)
	}
}

func TestMadeWhereSomethingMayBe(t *testing.T) {
	for name, before := range map[string]func(m *Metadata){
		"nothing is known": func(*Metadata) {},
		"removed by us":    func(m *Metadata) { m.Removed("d/") },
		"it is there":      func(m *Metadata) { m.Put(made("d/"), m.Mark()) },
	} {
		m := NewMetadata(time.Minute)
		before(m)
		m.Made(made("d/"))
		for range makingFiles {
			m.Changed(made("d/x"))
		}
		if _, _, s := m.Get("d/a"); s != Unknown {
			t.Errorf("%s: %v, want Unknown", name, s)
		}
	}
}

func TestHintNeverTellsOfAbsence(t *testing.T) {
	m := NewMetadata(time.Minute)
	w := m.Walk("d/")
	w.Hint(false)
	w.Add([]Entry{made("d/x")}, "d/x")
	w.Done()
	for range 2 * makingFiles {
		m.Changed(made("d/y"))
		if _, _, s := m.Get("d/a"); s != Unknown {
			t.Errorf("%v, want Unknown", s)
		}
	}
}
