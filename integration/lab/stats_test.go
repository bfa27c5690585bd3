package lab

import (
	"context"
	"net/http"
	"testing"
	"time"
)

func TestCountsAreExactOnReturn(t *testing.T) {
	l := start(t, Shape{}, echo)
	c := client(t, true)
	for i := range int64(100) {
		if r := do(t, c, "GET", l.URL()+"/b/k", 0); r.err != nil {
			t.Fatal(r.err)
		}
		if s := l.Stats(); s.Count() != i+1 || s.BytesDown != (i+1)*mib || s.Ops["GetObject"].BytesDown != s.BytesDown {
			t.Fatalf("after %d: %+v", i+1, s)
		}
	}
}

func TestReset(t *testing.T) {
	release := make(chan struct{})
	l := start(t, Shape{}, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/b/slow" {
			<-release
		}
		if r.Method == http.MethodHead {
			w.WriteHeader(http.StatusNotFound)
		}
	})
	c := client(t, true)
	do(t, c, "GET", l.URL()+"/b/k", 0)
	do(t, c, "HEAD", l.URL()+"/b/k", 0)
	done := make(chan reply)
	go func() { done <- do(t, client(t, true), "GET", l.URL()+"/b/slow", 0) }()
	eventually(t, "the slow request", func() bool { return l.Stats().Count("GetObject") == 2 })

	old := l.Reset()
	if old.Count() != 3 || old.Count("GetObject") != 2 || old.Count("GetObject", "HeadObject") != 3 ||
		old.Ops["HeadObject"].Status4xx != 1 || old.InFlight != 1 || old.Connections != 2 {
		t.Errorf("old: %+v", old)
	}
	if s := l.Stats(); s.Count() != 0 || s.InFlight != 1 || s.MaxInFlight != 1 {
		t.Errorf("new: %+v", s)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Millisecond)
	defer cancel()
	if err := l.Quiet(ctx); err == nil {
		t.Error("quiet with a request under way")
	}
	close(release)
	if r := <-done; r.err != nil {
		t.Error(r.err)
	}
	if err := l.Quiet(t.Context()); err != nil {
		t.Error(err)
	}
	if s := l.Stats(); s.Count() != 0 || len(s.Ops) != 0 || s.InFlight != 0 {
		t.Errorf("the slow request ended in the new counters: %+v", s)
	}
}
