package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pailfs/pailfs/integration/lab"
)

// writebackMount is a mount whose closes are durable on local disk.
func writebackMount(t *testing.T, more ...string) *mount {
	t.Helper()
	e := newEnv(t, envOptions{lab: true})
	return e.mount(t, mountOptions{args: append([]string{"--writeback"}, more...)})
}

// refusing makes the store fail for all that would publish.
func (e *env) refusing(t *testing.T) {
	t.Helper()
	e.setFaults(t, lab.Rule{Kind: lab.KindError500, Probability: 1, Ops: []string{"PutObject", "CreateMultipartUpload"}})
}

// flush is `pailfs flush`, which must succeed.
func (m *mount) flush(t *testing.T) {
	t.Helper()
	m.shFor(t, storeTimeout, `$PAILFS flush --timeout 2m $MNT`)
}

// crash kills the mount and mounts again.
func (m *mount) crash(t *testing.T) {
	t.Helper()
	m.kill9()
	m.start(t)
}

// waitUntil polls.
func waitUntil(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("after a minute: not %s", what)
		}
	}
}

// Closes return though nothing can be stored; what they promised is seen by all
// on this mount, survives kill -9, and reaches the bucket in the end.
func TestWritebackSurvivesKill(t *testing.T) {
	m := writebackMount(t, "--timeout", "2s")
	e := m.e
	e.s3.put(t, "old", "old content\n")
	e.s3.put(t, "d/renamed", "moved\n")
	m.sh(t, `ls -l $MNT $MNT/d; head -c 300000 /dev/urandom > $W/big`)
	e.refusing(t)
	m.sh(t, `cd $MNT; cp /dev/stdin new <<< new; cp /dev/stdin old <<< over; echo more >> old; cp $W/big d/big; : > empty
		chmod 640 new; touch -d @1000000000 new`)
	seen := `cd $MNT; cat new old; cmp $W/big d/big; stat -c '%a %s %Y' new; stat -c %s d/big empty; ls . d`
	const want = "new\nover\nmore\n640 4 1000000000\n300000\n0\n.:\nd\nempty\nnew\nold\n\nd:\nbig\nrenamed"
	m.wantSh(t, seen, want)
	e.s3.wantKeys(t, "", "d/renamed", "old")
	if text := m.statusText(t); !strings.Contains(text, "write-back") || !strings.Contains(text, "4 closed") || !strings.Contains(text, "d/big") {
		t.Errorf("status: %s", text)
	}
	if r := m.try(storeTimeout, `$PAILFS flush --timeout 1s $MNT`); r.code == 0 || !strings.Contains(r.stderr, "d/big") {
		t.Errorf("flush: %v, want a failure that names the files", r)
	}
	m.crash(t)
	m.wantSh(t, seen, want)
	m.crash(t) // before anything could be stored
	m.wantSh(t, seen, want)
	e.lab.ClearFaults()
	m.flush(t)
	e.s3.wantKeys(t, "", "d/big", "d/renamed", "empty", "new", "old")
	if got := e.s3.get(t, "old"); got != "over\nmore\n" {
		t.Errorf("old: %q", got)
	}
	e.s3.wantSame(t, "d/big", filepath.Join(m.work, "big"))
	m.wantSh(t, seen, want)
	m.remount(t)
	m.wantSh(t, seen, want)
	wantNoDrafts(t, m)
}

// What is removed, renamed or written again before it is stored.
func TestWritebackNamesOfPending(t *testing.T) {
	m := writebackMount(t, "--timeout", "2s")
	e := m.e
	m.sh(t, `mkdir $MNT/d; ls $MNT $MNT/d`)
	m.sh(t, `cd $MNT; echo gone > gone; rm gone; echo 1 > again; rm again; echo 2 > again; [ ! -e gone ]
		echo a > a; mv a b; echo old > d/f; if rmdir d 2> /dev/null; then exit 1; fi; echo new > d/.f.tmp; mv d/.f.tmp d/f
		head -c 100000 /dev/zero > big; echo end >> big; rm big; head -c 100000 /dev/zero > big; echo end >> big
		mkdir e; for i in 1 2 3; do echo $i > e/$i; done; mv e d/e; cat again b d/f d/e/*; tail -c 4 big`)
	m.crash(t)
	m.wantSh(t, `cd $MNT; find . -type f | sort; cat again b d/f d/e/*; tail -c 4 big; stat -c %s big`,
		"./again\n./b\n./big\n./d/e/1\n./d/e/2\n./d/e/3\n./d/f\n2\na\nnew\n1\n2\n3\nend\n100004")
	m.flush(t)
	e.s3.wantKeys(t, "", "again", "b", "big", "d/", "d/e/", "d/e/1", "d/e/2", "d/e/3", "d/f")
	wantNoDrafts(t, m)

	// A file that never was in the bucket needs no store to be removed.
	e.refusing(t)
	m.sh(t, `cd $MNT; echo x > pending`)
	e.lab.ClearFaults()
	m.sh(t, `rm $MNT/pending`)
	m.crash(t)
	m.flush(t)
	m.wantSh(t, `ls $MNT`, "again\nb\nbig\nd")
}

// An fsync is S3, also of what a close has promised before.
func TestWritebackFsync(t *testing.T) {
	m := writebackMount(t)
	m.sh(t, `python3 -c "
import os
fd = os.open('$MNT/f', os.O_CREAT | os.O_RDWR)
os.write(fd, b'one')
os.close(os.dup(fd))
os.fsync(fd)
"`)
	if got := m.e.s3.get(t, "f"); got != "one" {
		t.Errorf("after fsync: %q", got)
	}
}

// What the store refuses for good is kept, and told to whoever asks.
func TestWritebackRefused(t *testing.T) {
	m := writebackMount(t, "--timeout", "2s")
	e := m.e
	e.setFaults(t, lab.Rule{Kind: lab.KindStatus, Status: 403, Code: "AccessDenied", Probability: 1, Ops: []string{"PutObject"}})
	m.sh(t, `echo denied > $MNT/denied`)
	waitUntil(t, "kept", func() bool { return strings.Contains(m.sh(t, `$PAILFS recover $MNT`), "denied") })
	if r := m.try(storeTimeout, `$PAILFS flush $MNT`); r.code == 0 || !strings.Contains(r.stderr, "denied") {
		t.Errorf("flush: %v, want a failure that names the file", r)
	}
	e.lab.ClearFaults()
	m.sh(t, `$PAILFS recover $MNT --upload; $PAILFS flush $MNT`)
	if got := e.s3.get(t, "denied"); got != "denied\n" {
		t.Errorf("denied: %q", got)
	}
}

// Another client's version is not overwritten by what was promised before.
func TestWritebackConflict(t *testing.T) {
	for _, killed := range []bool{false, true} {
		m := writebackMount(t, "--timeout", "2s")
		e := m.e
		e.refusing(t)
		m.sh(t, `echo ours > $MNT/f`)
		e.s3.put(t, "f", "theirs\n")
		if killed {
			m.kill9()
		}
		e.lab.ClearFaults()
		if killed {
			m.start(t)
		}
		waitUntil(t, "kept", func() bool { return strings.Contains(m.sh(t, `$PAILFS recover $MNT`), "conflict") })
		if got := e.s3.get(t, "f"); got != "theirs\n" {
			t.Errorf("killed %v: the bucket has %q", killed, got)
		}
		m.wantSh(t, `$PAILFS recover $MNT --save-to $W > /dev/null; cat $W/f`, "ours")
	}
}

// An upload that was done and whose answer nobody got is no conflict for what
// was written after it.
func TestWritebackLostAnswer(t *testing.T) {
	m := writebackMount(t, "--timeout", "2s")
	e := m.e
	e.setFaults(t,
		lab.Rule{Kind: lab.KindReset, AfterBytes: -1, Probability: 1, Ops: []string{"PutObject"}},
		lab.Rule{Kind: lab.KindError500, Probability: 1, Ops: []string{"HeadObject"}, KeyPrefix: "f"})
	m.sh(t, `ls $MNT; echo one > $MNT/f`)
	waitUntil(t, "stored without an answer", func() bool { return e.s3.exists(t, "f") })
	m.shFor(t, storeTimeout, `echo two >> $MNT/f`)
	m.crash(t)
	e.lab.ClearFaults()
	m.flush(t)
	if got := e.s3.get(t, "f"); got != "one\ntwo\n" {
		t.Errorf("the bucket has %q", got)
	}
	m.wantSh(t, `cat $MNT/f; $PAILFS recover $MNT`, "one\ntwo\nnothing is kept: everything is stored or still waiting")
}

// An unmount waits for --drain-timeout at most, names what is left, and leaves
// it to the next mount.
func TestWritebackUnmountWithDeadStore(t *testing.T) {
	m := writebackMount(t, "--timeout", "5s", "--drain-timeout", "1s")
	e := m.e
	m.sh(t, `ls $MNT; head -c 200000 /dev/urandom > $W/big`)
	e.setFaults(t, lab.Rule{Kind: lab.KindRefuse, Probability: 1})
	m.sh(t, `echo small > $MNT/small; cp $W/big $MNT/large`)
	r := runChild(30*time.Second, m.work, nil, func() { m.kill9() }, "fusermount3", "-u", m.dir)
	if r.code != 0 || !m.waitEnded(unmountTimeout) {
		t.Fatalf("the process does not end: %v", r)
	}
	if m.exit == nil {
		t.Error("the process ended as if all were stored")
	}
	text, err := os.ReadFile(m.logFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"small", "large"} {
		if !strings.Contains(string(text), name) {
			t.Errorf("the log does not name %q", name)
		}
	}
	e.lab.ClearFaults()
	// A mount that may not write leaves it; one without --writeback stores it.
	m.o.args = append(m.o.args, "--read-only")
	m.start(t)
	m.wantSh(t, `ls $MNT`, "")
	m.unmount(t)
	m.o.args = []string{"--writeback=false"}
	m.start(t)
	m.wantSh(t, `cat $MNT/small; cmp $W/big $MNT/large`, "small")
	m.unmount(t)
	e.s3.wantKeys(t, "", "large", "small")
	e.s3.wantSame(t, "large", filepath.Join(m.work, "big"))
	wantNoDrafts(t, m)
}

// Many files at once, more than there are uploads.
func TestWritebackManyFiles(t *testing.T) {
	m := writebackMount(t)
	m.sh(t, `mkdir $MNT/d; for i in $(seq 200); do echo $i > $MNT/d/$i; done; [ $(ls $MNT/d | wc -l) = 200 ]; cat $MNT/d/* | sort -n | sha256sum > $W/sum`)
	m.unmount(t)
	if got := len(m.e.s3.ls(t, "d/")); got != 201 {
		t.Errorf("%d keys, want 201", got)
	}
	m.start(t)
	m.sh(t, `cat $MNT/d/* | sort -n | sha256sum | cmp - $W/sum`)
}

// writebackDeeds is work whose requests are the places of a crash.
const writebackDeeds = "mkdir w0\nwrite w0/old 5000\nwrite w0/big 200000\nhold\n" +
	"write w0/new 100\nwrite w0/old 300\nappend w0/old 70\nwrite w0/.tmp 99\nmv w0/.tmp w0/old\nappend w0/big 50\n" +
	"write w0/gone 10\nrm w0/gone\nmv w0/new w0/newer\nrm w0/big\nwrite w0/big 70000\ncut w0/big 66000\n"

// A mount that is killed at any request has lost no close that was acknowledged.
func TestWritebackCrashAtEachRequest(t *testing.T) {
	m := writebackMount(t)
	for _, answered := range []bool{false, true} {
		for nth := map[bool]int{false: 1, true: 2}[answered]; ; nth += 2 {
			name := fmt.Sprintf("request %d, answered %v", nth, answered)
			tr := newTrial(t, m, fmt.Sprintf("at%d-%v", nth, answered))
			tr.crash = true
			var k *killer
			m.during(t, func() result {
				return m.write(t, writerTimeout, tr.options(writerOptions{Seed: 1, Script: writebackDeeds}))
			}, func() {
				k = m.killAt(t, killPoint{nth: nth, answered: answered})
			})
			m.try(storeTimeout, `$PAILFS flush $MNT`)
			m.restart(t)
			m.settleCrash(t)
			bad, note := tr.check(t)
			tr.fail(t, bad, name)
			t.Logf("%s: killed %v: %s", name, k.fired(), note)
			if !k.fired() || t.Failed() {
				break
			}
			if nth > 60 {
				t.Fatal("the work does not end")
			}
		}
	}
}

// settleCrash has all stored that a dead mount has promised. What was removed by
// a call under way may be kept, as its object is gone.
func (m *mount) settleCrash(t *testing.T) {
	t.Helper()
	if r := m.try(storeTimeout, `$PAILFS flush $MNT`); r.code != 0 {
		if !strings.Contains(r.stderr, "kept for pailfs recover: conflict") {
			t.Errorf("flush: %v", r)
		}
		m.sh(t, `$PAILFS recover $MNT --discard $($PAILFS recover $MNT | awk 'NR > 2 { print $1 }')`)
	}
}

const writebackCrashTime = 15 * time.Second

// Random work of several goroutines, and a kill at a random request.
func TestWritebackCrashRandom(t *testing.T) {
	runs := envNumber(t, crashRunsEnv, 0)
	seed := envNumber(t, crashSeedEnv, uint64(time.Now().UnixNano())%1e9)
	m := writebackMount(t)
	begin, done, killed := time.Now(), uint64(0), 0
	for ; !t.Failed() && (done < runs || runs == 0 && time.Since(begin) < writebackCrashTime); done++ {
		if m.crashOnce(t, seed+done) {
			killed++
		}
	}
	t.Logf("%d runs from seed %d on, %d of them killed at a request, in %v", done, seed, killed, time.Since(begin).Round(time.Second))
}
