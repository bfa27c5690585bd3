package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pailfs/pailfs/integration/lab"
)

const writerTimeout = 6 * time.Minute

// crashRow is one crash: the script does its setting up, holds, and does the
// work in whose requests the mount is killed.
type crashRow struct {
	name   string
	script string
	op     string
	key    string // end of it
	nth    int
}

const (
	crashFile = "mkdir w0\nwrite w0/old 5000\nhold\n"
	crashDir  = "mkdir w0\nmkdir w0/d\nwrite w0/d/a 10\nwrite w0/d/b 9000000\nwrite w0/d/c 0\nwrite w0/d/d 100\nhold\nmvdir w0/d w0/e\n"
)

func crashTable() []crashRow {
	return []crashRow{
		{"new file", crashFile + "write w0/new 100", "PutObject", "", 1},
		{"overwritten file", crashFile + "write w0/old 200", "PutObject", "", 1},
		{"appended file", crashFile + "append w0/old 200", "PutObject", "", 1},
		{"second fsync", crashFile + "sync w0/old 200\nsync w0/old 300", "PutObject", "", 3},
		{"truncate", crashFile + "cut w0/old 20", "PutObject", "", 1},
		{"mkdir", crashFile + "mkdir w0/d", "PutObject", "", 1},
		{"large new file", crashFile + "write w0/new 20000000", "CreateMultipartUpload", "", 1},
		{"large new file", crashFile + "write w0/new 20000000", "UploadPart", "", 1},
		{"large new file", crashFile + "write w0/new 20000000", "UploadPart", "", 3},
		{"large new file", crashFile + "write w0/new 20000000", "CompleteMultipartUpload", "", 1},
		{"large overwritten file", crashFile + "write w0/old 9000000", "CompleteMultipartUpload", "", 1},
		{"rename", crashFile + "mv w0/old w0/new", "CopyObject", "", 1},
		{"rename", crashFile + "mv w0/old w0/new", "DeleteObject", "", 1},
		{"rename over a file", "mkdir w0\nwrite w0/to 77\nwrite w0/old 99\nhold\nmv w0/old w0/to", "CopyObject", "", 1},
		{"rename over a file", "mkdir w0\nwrite w0/to 77\nwrite w0/old 99\nhold\nmv w0/old w0/to", "DeleteObject", "", 1},
		{"rename of a dirty file", crashFile + "mvopen w0/old w0/new", "PutObject", "", 1},
		{"rename of a dirty file", crashFile + "mvopen w0/old w0/new", "PutObject", "", 2},
		{"rename of a dirty file", crashFile + "mvopen w0/old w0/new", "CopyObject", "", 1},
		{"unlink", crashFile + "rm w0/old", "DeleteObject", "", 1},
		{"rmdir", crashFile + "mkdir w0/d\nrmdir w0/d", "DeleteObject", "", 1},
		{"rename of a directory", crashDir, "CopyObject", "", 1},
		{"rename of a directory", crashDir, "CopyObject", "", 3},
		{"rename of a directory", crashDir, "PutObject", "w0/e/", 1},
		{"rename of a directory", crashDir, "DeleteObjects", "", 1},
		{"rename of a directory: what to copy", crashDir, "ListObjectsV2", "w0/d/", 1},
		{"rename of a directory: what is left", crashDir, "ListObjectsV2", "w0/d/", 2},
	}
}

// A mount that is killed at any request of its work, before the server knows of
// it or after it has done its part, has lost nothing that was acknowledged and
// left nothing half.
func TestCrashAtEachRequest(t *testing.T) {
	m := crashMount(t)
	for i, row := range crashTable() {
		for _, answered := range []bool{false, true} {
			side := map[bool]string{false: "before", true: "after"}[answered]
			name := fmt.Sprintf("%s: %s %d, %s", row.name, row.op, row.nth, side)
			tr := newTrial(t, m, fmt.Sprintf("at%d-%s", i, side))
			tr.crash = true
			var k *killer
			m.during(t, func() result {
				return m.write(t, writerTimeout, tr.options(writerOptions{Seed: 1, Script: row.script}))
			}, func() {
				k = m.killAt(t, killPoint{row.op, row.key, row.nth, answered})
			})
			m.restart(t)
			if !k.fired() {
				t.Errorf("%s: the request did not come", name)
			}
			bad, note := tr.check(t)
			tr.fail(t, bad, name)
			t.Logf("%s: %s", name, note)
		}
	}
	wantNoDrafts(t, m)
	t.Logf("multipart uploads left open by the dead mounts: %d", len(m.e.s3.mpus(t)))
}

// crashMount is a mount whose requests go through the lab.
func crashMount(t *testing.T) *mount {
	t.Helper()
	e := newEnv(t, envOptions{lab: true})
	return e.mount(t, mountOptions{})
}

// wantNoDrafts: nothing of these runs was promised to be kept, so the mounts
// that came after have removed it.
func wantNoDrafts(t *testing.T, m *mount) {
	t.Helper()
	var left []string
	err := filepath.WalkDir(m.stage, func(name string, _ os.DirEntry, err error) error {
		if strings.HasSuffix(name, ".draft") || strings.HasSuffix(name, ".json") {
			left = append(left, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(left) > 0 {
		t.Errorf("left in the stage directory: %q", left)
	}
}

const (
	crashRunsEnv = "PAILFS_CRASH_RUNS" // how many runs; default: what fits in crashTime
	crashSeedEnv = "PAILFS_CRASH_SEED" // of the first run; those after it count up
	crashTime    = 30 * time.Second
)

// number of an environment variable; otherwise what it is without it.
func envNumber(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// Random work of several goroutines, and a kill at a random request. What was
// acknowledged is there, nothing is there that nobody wrote, and of the uploads
// that the dead mounts had begun none is left after a cleanup.
func TestCrashRandom(t *testing.T) {
	runs := envNumber(t, crashRunsEnv, 0)
	seed := envNumber(t, crashSeedEnv, uint64(time.Now().UnixNano())%1e9)
	m := crashMount(t)
	begin, done, killed := time.Now(), uint64(0), 0
	for ; !t.Failed() && (done < runs || runs == 0 && time.Since(begin) < crashTime); done++ {
		if m.crashOnce(t, seed+done) {
			killed++
		}
	}
	wantNoDrafts(t, m)
	took := time.Since(begin).Round(time.Second)
	m.unmount(t)
	left := len(m.e.s3.mpus(t))
	m.cleanupVerb(t, 0, "--older-than", "0s")
	m.e.wantUploads(t)
	t.Logf("%d runs from seed %d on, %d of them killed at a request, in %v; uploads left to cleanup: %d", done, seed, killed, took, left)
}

// crashOnce is one run; it reports whether the kill came before the work was done.
func (m *mount) crashOnce(t *testing.T, seed uint64) bool {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	o := writerOptions{Seed: seed, Lanes: 1 + rng.IntN(4), Deeds: 40}
	at := killPoint{nth: 1 + rng.IntN(60*o.Lanes), answered: rng.IntN(2) == 0}
	if seed%5 == 0 { // the work of a large file is many requests
		o = writerOptions{Seed: seed, Lanes: 1 + rng.IntN(2), Deeds: 12, Huge: true}
		at.nth = 1 + rng.IntN(30*o.Lanes)
	}
	tr := newTrial(t, m, fmt.Sprintf("seed%d", seed))
	tr.crash = true
	k := m.killAt(t, at)
	m.write(t, writerTimeout, tr.options(o))
	m.restart(t)
	if slices.Contains(m.o.args, "--writeback") {
		m.settleCrash(t)
	}
	bad, note := tr.check(t)
	tr.fail(t, bad, fmt.Sprintf("%s=%d %s=1: killed at request %d", crashSeedEnv, seed, crashRunsEnv, at.nth))
	if testing.Verbose() {
		t.Logf("seed %d: %d lanes, huge %v, request %d (answered: %v, killed: %v): %s", seed, o.Lanes, o.Huge, at.nth, at.answered, k.fired(), note)
	}
	return k.fired()
}

// Answers are lost, and the work was done: nothing fails, no commit is taken
// for somebody else's, and what is there is what was written.
func TestLostResponses(t *testing.T) {
	seed := envNumber(t, crashSeedEnv, uint64(time.Now().UnixNano())%1e9)
	m := crashMount(t)
	for _, op := range []string{"PutObject", "CompleteMultipartUpload", "CopyObject", "DeleteObject", "DeleteObjects"} {
		tr := newTrial(t, m, "lost"+op)
		m.e.setFaults(t, lab.Rule{Kind: lab.KindReset, Probability: 0.4, AfterBytes: -1, Ops: []string{op}})
		r := m.write(t, writerTimeout, tr.options(writerOptions{Seed: seed, Lanes: 2, Deeds: 30, Large: op == "CompleteMultipartUpload"}))
		lost := m.e.lab.Stats().FaultsApplied[lab.KindReset]
		m.e.lab.ClearFaults()
		bad, note := tr.check(t)
		if r.code != 0 {
			bad = append(bad, "the writer: "+r.String())
		}
		tr.fail(t, bad, fmt.Sprintf("%s=%d, %s", crashSeedEnv, seed, op))
		t.Logf("%s: %d answers lost; %s", op, lost, note)
		m.e.takeRequests()
	}
}
