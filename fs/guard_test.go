package fs

import (
	"context"
	"errors"
	"testing"
	"time"
)

// within runs f and reports whether it ended soon.
func within(d time.Duration, f func()) bool {
	done := make(chan struct{})
	go func() { f(); close(done) }()
	select {
	case <-done:
		return true
	case <-time.After(d):
		return false
	}
}

func TestGuardOverlap(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want bool
	}{
		{"d/x", "d/x", true}, {"d/x", "d/y", false}, {"d/", "d/x", true}, {"d/x", "d/", true},
		{"d/", "d/e/f", true}, {"d", "d/x", false}, {"d/", "dd/x", false}, {"d/x/", "d/x", false},
	} {
		if overlap(c.a, c.b) != c.want {
			t.Errorf("overlap(%q, %q) = %v", c.a, c.b, !c.want)
		}
	}
}

func TestGuardShareAndOwn(t *testing.T) {
	g, ctx := newGuard(), context.Background()
	r1, _ := g.share(ctx, "d/x")
	if !within(time.Minute, func() {
		r, _ := g.share(ctx, "d/x")
		r()
	}) {
		t.Fatal("two sharers exclude each other")
	}
	owned := make(chan func())
	go func() {
		r, _ := g.own(ctx, "d", "d/")
		owned <- r
	}()
	select {
	case <-owned:
		t.Fatal("owned while shared")
	case <-time.After(30 * time.Millisecond):
	}
	// A waiting owner keeps new sharers out: it cannot be starved.
	short, cancel := context.WithTimeout(ctx, 30*time.Millisecond)
	defer cancel()
	if _, err := g.share(short, "d/y"); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("shared past a waiting owner: %v", err)
	}
	r1()
	release := <-owned
	if _, err := g.own(short, "d/e/f"); err == nil {
		t.Error("owned twice")
	}
	r, err := g.share(ctx, "e/x")
	if err != nil {
		t.Fatal(err)
	}
	r()
	release()
	if r, err := g.share(ctx, "d/y"); err != nil {
		t.Error(err)
	} else {
		r()
	}
	if len(g.owned)+len(g.shared) != 0 {
		t.Errorf("claims are left: %v %v", g.owned, g.shared)
	}
}
