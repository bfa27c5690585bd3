package integration

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pailfs/pailfs/integration/lab"
)

// Reported faults of comparable programs when they read over a bad network, or
// with little memory.

// brokenReads are faults of downloads, and what programs get then: the right bytes,
// EIO, or one of these, where it depends on the requests that are made.
var brokenReads = []struct {
	name string
	want string
	rule lab.Rule
}{
	{"reset-once", "bytes", lab.Rule{Kind: lab.KindReset, AfterBytes: mib, Limit: 1}},
	{"short-once", "bytes", lab.Rule{Kind: lab.KindTruncate, AfterBytes: mib / 2, Limit: 1}},
	{"short-twice-at-the-beginning", "bytes", lab.Rule{Kind: lab.KindTruncate, AfterBytes: 5000, Limit: 2}},
	{"reset-each", "", lab.Rule{Kind: lab.KindReset, AfterBytes: 300_000}}, // all but the last byte arrives
	{"reset-at-once", "EIO", lab.Rule{Kind: lab.KindReset, AfterBytes: -1}},
	{"reset-later", "EIO", lab.Rule{Kind: lab.KindReset, AfterBytes: -1, Skip: 1}},
	{"short-later", "EIO", lab.Rule{Kind: lab.KindTruncate, AfterBytes: 0, Skip: 1}},
}

// readingTools copy $F to $O. The last shows no other hash than the right one.
var readingTools = map[string]string{
	"cp": `cp $F $O`, "cat": `cat $F > $O`, "dd": `dd if=$F of=$O bs=1M status=none`,
	"md5sum": `s=$(md5sum < $F) || exit 1; [ "$s" = "$(md5sum < $W/o)" ] || exit 9; cp $W/o $O`,
}

// K17 B138: a body that breaks off is never a short file, for any program: it gets
// the right bytes or an error, in time. What failed leaves nothing behind.
func TestBrokenReads(t *testing.T) {
	t.Parallel() // it waits more than it works
	e := newEnv(t, envOptions{lab: true})
	patient := e.mount(t, mountOptions{})
	hasty := e.mount(t, mountOptions{args: []string{"--timeout", "2s"}})
	src := patient.local(t, "o", 9*mib+123)
	hasty.sh(t, `cp `+src+` $W/o`)
	for _, c := range brokenReads {
		t.Run(c.name, func(t *testing.T) {
			m := patient
			if c.want != "bytes" {
				m = hasty
			}
			c.rule.Probability, c.rule.Ops, c.rule.Phase = 1, []string{"GetObject"}, lab.PhaseResponse
			var rules []lab.Rule // each tool meets its own
			for tool := range readingTools {
				c.rule.Key = c.name + "-" + tool
				rules = append(rules, c.rule)
				e.s3.putFile(t, c.rule.Key, src)
				m.sh(t, `stat $MNT/`+c.rule.Key)
			}
			e.setFaults(t, rules...)
			e.lab.Reset()
			var wg sync.WaitGroup
			for tool, script := range readingTools {
				wg.Go(func() { m.readBroken(t, c.name+"-"+tool, script, c.want) })
			}
			wg.Wait()
			if hit := e.lab.Reset().FaultsApplied[c.rule.Kind]; hit < int64(len(readingTools)) {
				t.Errorf("%d requests were broken: too few to tell", hit)
			}
			e.lab.ClearFaults()
			for tool := range readingTools {
				m.sh(t, `cmp $W/o $MNT/`+c.name+"-"+tool)
			}
		})
	}
}

// readBroken runs script on a file whose downloads break.
func (m *mount) readBroken(t *testing.T, name, script, want string) {
	r := m.try(scriptTimeout, fmt.Sprintf("F=$MNT/%s; O=$W/%[1]s\n%s", name, script))
	switch {
	case r.code == 0 && want != "EIO":
		if r := m.try(scriptTimeout, `cmp $W/o $W/`+name); r.code != 0 {
			t.Errorf("%s: it ended well, with other bytes: %v", name, r)
		}
	case r.code == 0 || want == "bytes" || !strings.Contains(r.stderr, "nput/output error"):
		t.Errorf("%s: %v, want %s", name, r, cmp.Or(want, "the right bytes, or EIO"))
	}
}

// K17 B138: a download that falls silent is asked for again from where it stopped,
// long before all time is used up; other files can be read meanwhile.
func TestStalledReads(t *testing.T) {
	t.Parallel() // it waits more than it works
	e := newEnv(t, envOptions{lab: true})
	const deadline = 18 * time.Second // of which one attempt may be silent for a third
	m := e.mount(t, mountOptions{args: []string{"--timeout", deadline.String(), "--metadata-ttl", shortTTL}})
	src := m.local(t, "o", 12*mib)
	for _, c := range []struct {
		name  string
		after int64
		skip  int
	}{{"before-the-head", -1, 0}, {"in-the-first", 1000, 0}, {"in-a-later-one", 100_000, 2}} {
		e.s3.putFile(t, c.name, src)
		e.s3.put(t, c.name+"-other", "other\n")
		time.Sleep(expired)
		m.sh(t, `stat $MNT/`+c.name)
		e.setFaults(t, lab.Rule{Kind: lab.KindStall, Probability: 1, Limit: 1, Skip: c.skip, AfterBytes: c.after, DelayMS: 120_000, Key: c.name, Ops: []string{"GetObject"}})
		e.lab.Reset()
		begin := time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			time.Sleep(500 * time.Millisecond) // in the middle of the silence
			if r := m.try(deadline, `cat $MNT/`+c.name+`-other; ls $MNT >/dev/null`); r.code != 0 {
				t.Errorf("%s: another file meanwhile: %v", c.name, r)
			}
		})
		r := m.try(scriptTimeout, `cmp $W/o $MNT/`+c.name)
		took := time.Since(begin)
		wg.Wait()
		// Right bytes are the proof that it did not wait for the deadline, at which it
		// would have failed.
		if r.code != 0 || took > 2*deadline {
			t.Errorf("%s: %v after %v, want the right bytes well before the silence ends", c.name, r, took)
		}
		if hit := e.lab.Stats().FaultsApplied[lab.KindStall]; hit != 1 {
			t.Errorf("%s: %d requests were silent, want 1", c.name, hit)
		}
		t.Logf("%s: %v", c.name, took.Round(time.Millisecond))
	}
}

// K17 B140: a store that asks to slow down is asked seldom, by all together, and
// all of it succeeds in the end.
func TestSlowDownOfAll(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	e.s3.putMany(t, names("r/", 50), func(i int) string { return fmt.Sprint(i) })
	m := e.mount(t, mountOptions{})
	m.sh(t, `ls -l $MNT/r; echo x > $W/x; echo x > $MNT/warm`)
	e.takeRequests()
	e.setFaults(t, lab.Rule{Kind: lab.KindSlowDown, Probability: 1})
	begin := time.Now()
	const slow = 5 * time.Second
	stop := time.AfterFunc(slow, e.lab.ClearFaults)
	defer stop.Stop()
	m.wantSh(t, `jobs=
		for i in $(seq 50); do cp $W/x $MNT/w$i & jobs="$jobs $!"; cat $MNT/r/$(printf %06d $i) > $W/r$i & jobs="$jobs $!"; done
		for j in $jobs; do wait $j; done
		for i in $(seq 50); do [ $(cat $W/r$i) = $((i-1)) ]; done; ls $MNT | grep -c w`, "51")
	took := time.Since(begin)
	cost := e.takeRequests()
	t.Logf("%v, %v", took.Round(time.Millisecond), cost)
	if took < slow || took > 18*slow {
		t.Errorf("took %v, want a little more than %v", took, slow)
	}
	if n := cost.total(); n > 600 { // some 150 are the work itself
		t.Errorf("%v: too many tries", cost)
	}
}

// K17 B141: one upload that hangs is no obstacle to anything else, ends in time,
// and can be unmounted.
func TestOneUploadHangs(t *testing.T) {
	t.Parallel() // it waits more than it works
	e := newEnv(t, envOptions{lab: true})
	m := e.mount(t, mountOptions{args: []string{"--timeout", "15s"}})
	e.setFaults(t, lab.Rule{Kind: lab.KindStall, Probability: 1, Phase: lab.PhaseRequest, DelayMS: 240_000, Key: "stuck", Ops: []string{"PutObject"}})
	begin := time.Now()
	r := m.during(t, func() result {
		return m.try(scriptTimeout, `touch $W/held; cp /etc/hostname $MNT/stuck || { touch $W/over; exit 1; }`)
	}, func() {
		time.Sleep(500 * time.Millisecond)
		m.sh(t, `cp /etc/hostname $MNT/ok; cat $MNT/ok; ls $MNT; test ! -e $W/over`)
	})
	if took := time.Since(begin); r.code == 0 || !strings.Contains(r.stderr, "nput/output error") || took > time.Minute {
		t.Errorf("cp: %v after %v, want EIO within --timeout", r, took)
	}
	if e.s3.head(t, "ok") == nil {
		t.Error("ok is not stored")
	}
	m.unmount(t)
}

// K18 B142: many files read at once share the memory that there is.
func TestManyReadersLittleMemory(t *testing.T) {
	e := newEnv(t, envOptions{})
	const limit = 32 * mib
	m := e.mount(t, mountOptions{plain: true, args: []string{"--memory-limit", "32MiB"}})
	const files = 16
	for i := range files {
		name := fmt.Sprintf("big%d", i)
		e.s3.putFile(t, name, m.local(t, name, 12*mib+int64(i)))
	}
	m.sh(t, `cd $W; md5sum big* > $W/sums; cd $MNT; jobs=
		for f in $W/big*; do ( grep " ${f##*/}\$" $W/sums | md5sum -c --quiet - ) & jobs="$jobs $!"; done; for j in $jobs; do wait $j; done`)
	peak := m.peakRSS(t)
	t.Logf("peak memory %d MiB", peak/mib)
	if peak >= limit+80*mib {
		t.Errorf("peak memory %d MiB, want under %d", peak/mib, limit/mib+80)
	}
}

// K18 B143: handles that rest hold nothing that others wait for.
func TestRestingHandles(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{args: []string{"--memory-limit", "32MiB"}})
	content := strings.Repeat("0123456789abcde\n", 5*mib/16)
	e.s3.putMany(t, names("h/", 50), func(int) string { return content })
	r := m.tryPy(scriptTimeout, `
f=[open(MNT+'/h/%06d'%(i+1),'rb',buffering=0) for i in range(50)]
want=b'0123456789abcde\n'*(1<<16)
for r in range(5):
    for x in f: assert x.read(1<<20)==want
for x in f[::2]: x.seek(1<<20); assert x.read(1<<20)==want
print('done')`)
	if r.code != 0 || strings.TrimSpace(r.stdout) != "done" {
		t.Fatalf("50 handles in turn: %v", r)
	}
	m.sh(t, `timeout 200 dd if=/dev/zero of=$MNT/w bs=1M count=20 status=none; [ $(stat -c %s $MNT/w) = 20971520 ]`)
}

// K18 B145: files that are made, read and removed leave no descriptor and no space
// in use.
func TestNothingIsLeftOpen(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	const look = `ls -l /proc/$PID/fd | grep -c -e deleted -e draft || true; find $CACHEDIR -name '*.draft' | wc -l`
	before := m.sh(t, `echo x > $MNT/x; cat $MNT/x; rm $MNT/x; `+look)
	m.sh(t, `head -c 5M /dev/urandom > $W/c; for i in $(seq 30); do cp $W/c $MNT/c; cat $MNT/c | cmp - $W/c; rm $MNT/c; done`)
	var after string
	for end := time.Now().Add(scriptTimeout); time.Now().Before(end); { // the kernel tells of the last close after it
		if after = m.sh(t, `echo x > $MNT/x; cat $MNT/x; rm $MNT/x; `+look); after == before {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Errorf("before %q, after %q", before, after)
}

// K18 B146: a mount that nobody uses does nothing.
func TestIdleMount(t *testing.T) {
	t.Parallel()
	e := newEnv(t, envOptions{lab: true})
	m := e.mount(t, mountOptions{plain: true})
	m.sh(t, `cp -r /etc/skel $MNT/skel; for i in $(seq 50); do echo $i > $MNT/f$i; done; ls -lR $MNT >/dev/null; cat $MNT/f* >/dev/null; sleep 2`)
	e.takeRequests()
	const idle = 12 * time.Second // two sweeps and more
	before := m.ticks(t)
	time.Sleep(idle)
	if used := m.ticks(t) - before; used > 5*int64(idle/time.Second) { // of 100 a second: 5 %
		t.Errorf("%d ticks in %v", used, idle)
	}
	if cost := e.takeRequests(); cost.total() != 0 {
		t.Errorf("an idle mount sent %v", cost)
	}
}

// ticks is the processor time of the process, in hundredths of a second.
func (m *mount) ticks(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(m.pid()), "stat"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), ") ") // after the name of the program
	fields := strings.Fields(rest)
	var sum int64
	for _, f := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		sum += n
	}
	return sum
}

// Who opens a file while the store is silent gets away soon when interrupted: the
// first bytes come with the open. At a read the kernel sees to that.
func TestInterruptedOpen(t *testing.T) {
	t.Parallel() // it waits more than it works
	e := newEnv(t, envOptions{lab: true})
	e.s3.put(t, "f", strings.Repeat("0123456789", 1000))
	m := e.mount(t, mountOptions{})
	m.sh(t, `ls -l $MNT; sleep 1.2`) // what was asked a second before is not asked again
	e.setFaults(t, lab.Rule{Kind: lab.KindStall, Probability: 1, AfterBytes: -1, DelayMS: 60_000, Ops: []string{"GetObject"}})
	begin := time.Now()
	r := m.try(scriptTimeout, `timeout -s INT 0.5 cat $MNT/f`)
	if took := time.Since(begin); r.code == 0 || took > 40*time.Second {
		t.Errorf("%v after %v, want an end soon after the interrupt, long before the store's answer", r, took)
	}
}
