package integration

import (
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pailfs/pailfs/integration/lab"
)

// A call that is not answered ends the mount, and says what it was doing.
func TestWorkerHang(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	m := e.mount(t, mountOptions{})
	w := newWorker(t, m)
	if _, errno := w.Lstat("nothing"); errno != "ENOENT" {
		t.Fatalf("lstat: %q", errno)
	}
	e.setFaults(t, lab.Rule{Kind: lab.KindStall, Probability: 1, AfterBytes: -1, DelayMS: 15_000})
	w.limit = time.Second
	err := hangOf(func() { w.Lstat("elsewhere") })
	var h hang
	if !errors.As(err, &h) || !strings.Contains(h.text, "elsewhere") || !strings.Contains(h.text, "fs.(*node).Lookup") {
		t.Errorf("got %v", err)
	}
	if _, mounted := findMount(m.dir); mounted {
		t.Error("it is still mounted")
	}
	if err := hangOf(func() { w.Lstat("again") }); !errors.As(err, &h) {
		t.Errorf("a call after that: %v", err)
	}
	// The dump is wanted here; the mount's clean-up would take it for a crash.
	if err := os.Truncate(m.logFile, 0); err != nil {
		t.Fatal(err)
	}
}

func hangOf(f func()) (err error) {
	defer func() { err, _ = recover().(error) }()
	f()
	return nil
}
