package main

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

func TestScale(t *testing.T) {
	full, err := scaled(1)
	if err != nil {
		t.Fatal(err)
	}
	want := sizes{Big: 1 << 30, Par: 256 << 20, Small: 1000, Flat: 50_000, Deep: 10_000, Dirs: 500, Repo: 120, Samples: 50}
	if full != want {
		t.Errorf("full size: %+v", full)
	}
	for _, by := range []int{1, 3, 64, 100_000} {
		s, err := scaled(by)
		if err != nil {
			t.Fatal(err)
		}
		if s.Big < minBig || s.Big%mib != 0 || s.Par*parallelFiles != s.Big || s.Small < 1 || s.Samples > s.Small || s.Dirs > s.Deep {
			t.Errorf("scale %d: %+v", by, s)
		}
		if s.many()%stampEvery != 0 || s.many() < stampEvery || s.many() > partSize { // limit reads each in one request
			t.Errorf("scale %d: %d bytes in each of many", by, s.many())
		}
		if m := s.middle(); m%8 != 0 || m+fileSize > s.Big/2+5*mib { // within the part that limit replaces
			t.Errorf("scale %d: middle %d", by, m)
		}
	}
	if s, _ := scaled(64); s.Big != 16*mib || s.Small != 15 {
		t.Errorf("scale 64: %+v", s)
	}
	if _, err := scaled(0); err == nil {
		t.Error("scale 0 is accepted")
	}
}

func TestDeepKeys(t *testing.T) {
	s, _ := scaled(1)
	keys, dirs := map[string]bool{}, map[string]bool{}
	for i := range s.Deep {
		keys[s.deepKey(i)] = true
		dirs[filepath.Dir(s.deepKey(i))] = true
	}
	if len(keys) != s.Deep || len(dirs) != s.Dirs {
		t.Errorf("%d keys in %d directories", len(keys), len(dirs))
	}
}

func TestPattern(t *testing.T) {
	const size = 3*stampEvery + 5
	whole := make([]byte, size)
	if n, err := (&pattern{size: size, seed: 3}).ReadAt(whole, 0); n != size || err != nil {
		t.Fatal(n, err)
	}
	if err := iotest.TestReader(&pattern{size: size, seed: 3}, whole); err != nil {
		t.Error(err)
	}
	for _, off := range []int64{0, 1, 7, 8, stampEvery - 3, size - 1} {
		b := make([]byte, min(100, size-off))
		if _, err := (&pattern{size: size, seed: 3}).ReadAt(b, off); err != nil || !bytes.Equal(b, whole[off:off+int64(len(b))]) {
			t.Errorf("at %d: %v", off, err)
		}
	}
	if _, err := (&pattern{size: size}).ReadAt(make([]byte, 1), size); !errors.Is(err, io.EOF) {
		t.Errorf("at the end: %v", err)
	}
}

func TestChecks(t *testing.T) {
	const off = 5*stampEvery + 16
	b := make([]byte, 2*stampEvery)
	fill(b, off, 9)
	for name, check := range map[string]checker{"stamped": stamped, "exact": exact} {
		if err := check(b, off, 9); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if err := check(b, off, 10); !errors.Is(err, errBadData) {
			t.Errorf("%s, another object: %v", name, err)
		}
		if err := check(b, off+stampEvery, 9); !errors.Is(err, errBadData) {
			t.Errorf("%s, another place: %v", name, err)
		}
	}
	b[len(b)-1]++
	if err := exact(b, off, 9); !errors.Is(err, errBadData) {
		t.Errorf("a wrong byte: %v", err)
	}
}

func TestParallel(t *testing.T) {
	seen := make([]bool, 100)
	if err := parallel(7, len(seen), func(i int) error { seen[i] = true; return nil }); err != nil || slices.Contains(seen, false) {
		t.Error(err, seen)
	}
	boom := errors.New("boom")
	calls := 0
	if err := parallel(1, 100, func(i int) error { calls++; return boom }); !errors.Is(err, boom) || calls != 1 {
		t.Error(err, calls)
	}
}

func TestAtOnce(t *testing.T) {
	const n = 50
	var here sync.WaitGroup
	here.Add(n)
	boom := errors.New("boom")
	ended := make(chan int, n)
	// Each waits for all others: none may be left for later.
	err := atOnce(n, func(i int, start time.Time) error {
		defer func() { ended <- i }()
		here.Done()
		here.Wait()
		if start.IsZero() || i == 7 {
			return boom
		}
		return nil
	})
	if !errors.Is(err, boom) || len(ended) != n {
		t.Error(err, len(ended))
	}
}

func TestAwait(t *testing.T) {
	looks := 0
	_, waited, err := await(t.Context(), func() error {
		if looks++; looks < 3 {
			return errors.New("not yet")
		}
		return nil
	})
	if err != nil || !waited {
		t.Error(err, waited)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Millisecond)
	defer cancel()
	why := errors.New("x is missing")
	_, _, err = await(ctx, func() error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return why
	})
	if !errors.Is(err, why) {
		t.Errorf("the reason is lost: %v", err)
	}
}

func TestGroups(t *testing.T) {
	ids := func(names ...string) []string {
		list, err := chosen(names)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, group := range groups(list) {
			var part []string
			for _, w := range group {
				part = append(part, w.id)
			}
			out = append(out, strings.Join(part, "+"))
		}
		return out
	}
	for _, tc := range []struct{ in, want []string }{
		{[]string{"W2", "W1"}, []string{"W1", "W2"}},
		{[]string{"w11", "W1"}, []string{"W1+W11"}},
		{[]string{"W11", "W5"}, []string{"W5", "W1+W11"}},
	} {
		if got := ids(tc.in...); !slices.Equal(got, tc.want) {
			t.Errorf("%v: %v, want %v", tc.in, got, tc.want)
		}
	}
	if _, err := chosen([]string{"W99"}); err == nil {
		t.Error("W99 is accepted")
	}
	if got := ids(); len(got) != len(workloads())-1 {
		t.Errorf("all: %v", got)
	}
}

func TestDatasets(t *testing.T) {
	list, err := chosen([]string{"W1", "W3a", "W5", "W6"})
	if err != nil {
		t.Fatal(err)
	}
	if got := datasets(groups(list)); !slices.Equal(got, []dataset{dataBig, dataSmall}) {
		t.Errorf("datasets %v", got)
	}
}

func TestPrograms(t *testing.T) {
	builtin, err := loadPrograms("")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "more.json")
	more := `[{"name": "new", "command": ["x", "{mnt}"]}, {"name": "s3fs", "command": ["mine"]}]`
	if err := os.WriteFile(name, []byte(more), 0o644); err != nil {
		t.Fatal(err)
	}
	all, err := loadPrograms(name)
	if err != nil {
		t.Fatal(err)
	}
	if len(all) != len(builtin)+1 || all[len(all)-1].Name != "new" {
		t.Errorf("%+v", all)
	}
	if s3fs := all[programIndex(all, "s3fs")]; s3fs.Command[0] != "mine" {
		t.Errorf("not replaced: %+v", s3fs)
	}
	for _, bad := range []string{`[{"command": ["x"]}]`, `[{"name": "x"}]`, `[{"name": "x", "command": ["x"], "typo": 1}]`,
		`[{"name": "x", "command": ["x"], "workloads": ["W0"]}]`,
		`[{"name": "x", "command": ["x"]}, {"name": "x", "command": ["x"]}]`} {
		if _, err := parsePrograms([]byte(bad)); err == nil {
			t.Errorf("accepted: %s", bad)
		}
	}
	if _, err := choosePrograms(all, []string{"nobody"}); err == nil {
		t.Error("an unknown program is accepted")
	}
}

// TestEnvironment keeps the user's settings of AWS out of mounts.
func TestEnvironment(t *testing.T) {
	t.Setenv("AWS_PROFILE", "private")
	t.Setenv("AWS_SESSION_TOKEN", "private")
	env := places{account: account{Access: "a", Secret: "s"}, home: "/h"}.environ(map[string]string{"X": "{home}/x"})
	if slices.ContainsFunc(env, func(s string) bool { return strings.Contains(s, "private") }) || !slices.Contains(env, "X=/h/x") {
		t.Error(env)
	}
}

func TestSplitCopies(t *testing.T) {
	got := splitCopies([]piece{{off: 0, n: 300 * mib}, bytesPiece([]byte("x")), {off: 300 * mib, n: 10 * mib}})
	var next int64
	copies := 0
	for _, p := range got {
		if p.body == nil {
			if p.off != next || p.n > 128*mib || p.n < 5*mib {
				t.Errorf("piece at %d with %d bytes", p.off, p.n)
			}
			next += p.n
			copies++
		}
	}
	if next != 310*mib || copies != 5 {
		t.Errorf("%d bytes in %d copies", next, copies)
	}
}

func TestOptions(t *testing.T) {
	good := options{repeat: 1, timeout: time.Second, randSeconds: 1, backend: "memory"}
	if err := good.check(); err != nil {
		t.Error(err)
	}
	for _, spoil := range []func(*options){
		func(o *options) { o.repeat = 0 }, func(o *options) { o.timeout = 0 },
		func(o *options) { o.randSeconds = 0 }, func(o *options) { o.backend = "tape" },
	} {
		o := good
		if spoil(&o); o.check() == nil {
			t.Errorf("accepted: %+v", o)
		}
	}
}

func TestUsage(t *testing.T) {
	u := usageOf(os.Getpid())
	if u.peak <= 0 || u.cpu < 0 {
		t.Errorf("%+v", u)
	}
	if all := machineCPU(); all <= 0 || all < u.cpu {
		t.Errorf("the machine used %v s, this process %v s", all, u.cpu)
	}
}
