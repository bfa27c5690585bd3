package integration

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Random sequences of operations against a reference in memory. How long they
// run is set by PAILFS_MODEL_TIME (a duration, for each of the two tests); a
// run is repeated with -rapid.seed. Without that variable the seed is always
// the same: a gate judges the change and does not look for old faults, make
// model does. See model_ops_test.go for the operations.

// TestModel: no fault is injected.
func TestModel(t *testing.T) {
	s := newModelSession(t, envOptions{})
	s.explore(45 * time.Second)
}

// TestModelFaults: the store fails now and then. What retries hide must not be
// seen; what they cannot hide leaves the old state or the new one.
func TestModelFaults(t *testing.T) {
	s := newModelSession(t, envOptions{lab: true})
	s.faults = &modelFaults{rules: modelRules}
	if file := os.Getenv("PAILFS_MODEL_FILE"); file != "" {
		s.insist(file, 25*time.Second)
		return
	}
	s.explore(25 * time.Second)
}

// insist repeats one sequence with ever other faults until its time is over.
func (s *modelSession) insist(file string, usual time.Duration) {
	seq, err := readSequence(file)
	if err != nil {
		s.t.Fatal(err)
	}
	for end := time.Now().Add(modelTime(s.t, usual)); time.Now().Before(end); s.faults.shift++ {
		if err := s.run(seq); err != nil {
			s.t.Fatalf("with the faults of shift %d: %v", s.faults.shift, err)
		}
	}
	s.report()
}

// TestModelRegressions repeats the sequences that have found something.
func TestModelRegressions(t *testing.T) {
	files, err := filepath.Glob("testdata/model/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no sequences: %v", err)
	}
	s := newModelSession(t, envOptions{})
	if one := os.Getenv("PAILFS_MODEL_FILE"); one != "" {
		files = []string{one}
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			seq, err := readSequence(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := s.run(seq); err != nil {
				t.Error(err)
			}
		})
	}
}

// explore draws and runs sequences until its time is over, and shortens one
// that fails.
func (s *modelSession) explore(usual time.Duration) {
	t := s.t
	for _, k := range modelOps {
		if k.weight == 0 {
			t.Logf("disabled: %s: %s", k.name, k.why)
		}
	}
	usual = modelTime(t, usual)
	end := time.Now().Add(usual)
	setRapid(t)
	var names []string
	for _, m := range modelSetups {
		names = append(names, slices.Repeat([]string{m.name}, m.weight)...)
	}
	var worst *sequence
	var why error
	defer func() {
		s.report()
		if worst != nil {
			s.explain(*worst, why, min(usual, time.Minute))
		}
	}()
	draw := rapid.Custom(func(rt *rapid.T) sequence { return drawSequence(rt, names) })
	rapid.Check(t, func(rt *rapid.T) {
		if worst == nil && time.Now().After(end) {
			return
		}
		seq := draw.Draw(rt, "sequence")
		if err := s.run(seq); err != nil {
			if worst == nil || len(seq.Ops) <= len(worst.Ops) {
				worst, why = &seq, err
			}
			rt.Fatal("the mount differs from the reference") // the same words each time, for rapid
		}
	})
}

func modelTime(t *testing.T, usual time.Duration) time.Duration {
	if testing.Short() {
		usual /= 5
	}
	text := os.Getenv("PAILFS_MODEL_TIME")
	if text == "" {
		return usual
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("PAILFS_MODEL_TIME: %v", err)
	}
	return d
}

// setRapid makes time, and not a number, end the test, and prints the seed.
func setRapid(t *testing.T) {
	set := func(name, value string) {
		f := flag.Lookup(name)
		old := f.Value.String()
		if old != f.DefValue {
			return // by the user
		}
		if err := f.Value.Set(value); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = f.Value.Set(old) })
	}
	set("rapid.checks", "20000")
	set("rapid.nofailfile", "true") // the sequence itself is printed
	set("rapid.shrinktime", "1s")   // explain does better
	seed := int64(1)
	if os.Getenv("PAILFS_MODEL_TIME") != "" {
		seed = time.Now().UnixNano()&0xffffffff | 1
	}
	set("rapid.seed", strconv.FormatInt(seed, 10))
	t.Logf("seed: -rapid.seed=%s", flag.Lookup("rapid.seed").Value)
}

func (s *modelSession) report() {
	total := 0
	var parts []string
	for _, what := range slices.Sorted(maps.Keys(s.steps)) {
		total += s.steps[what]
		parts = append(parts, fmt.Sprintf("%s %d", what, s.steps[what]))
	}
	s.t.Logf("%d sequences, %d steps: %s", s.n, total, strings.Join(parts, ", "))
}

// explain takes steps out of a failing sequence as long as it fails, and prints
// what is left.
func (s *modelSession) explain(seq sequence, why error, limit time.Duration) {
	watched := seq
	watched.Every = 1 // the step that does it, not the end
	if err := s.run(watched); err != nil {
		seq, why = watched, err
	}
	seq, why = s.shorten(seq, why, time.Now().Add(limit))
	s.t.Logf("the mount differs from the reference: %v\n\nSave what follows as testdata/model/NAME.txt:\n\n%s", why, seq)
}

func (s *modelSession) shorten(seq sequence, why error, end time.Time) (sequence, error) {
	for size := len(seq.Ops) / 2; size > 0; size /= 2 {
		for i := 0; i+size <= len(seq.Ops) && time.Now().Before(end); {
			shorter := seq
			shorter.Ops = slices.Concat(seq.Ops[:i], seq.Ops[i+size:])
			if err := s.run(shorter); err != nil {
				seq, why = shorter, err
			} else {
				i += size
			}
		}
	}
	return seq, why
}

// GoString is how rapid prints it.
func (s sequence) GoString() string { return "\n" + s.String() }
