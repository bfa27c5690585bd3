package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pailfs/pailfs/integration/lab"
)

// storeTimeout is above all retries of one operation.
const storeTimeout = 6 * time.Minute

// during runs a script that makes the file $W/held and waits for $W/go; in
// between, meanwhile runs.
func (m *mount) during(t *testing.T, script func() result, meanwhile func()) result {
	t.Helper()
	held, gone := filepath.Join(m.work, "held"), filepath.Join(m.work, "go")
	_ = os.Remove(held)
	_ = os.Remove(gone)
	done := make(chan result, 1)
	go func() { done <- script() }()
	for end := time.Now().Add(scriptTimeout); ; time.Sleep(10 * time.Millisecond) {
		if _, err := os.Stat(held); err == nil {
			break
		}
		if time.Now().After(end) {
			t.Error("the script did not come to its hold")
			break
		}
	}
	meanwhile()
	if err := os.WriteFile(gone, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	return <-done
}

// holding is during for a bash script, which calls hold.
func (m *mount) holding(t *testing.T, limit time.Duration, script string, meanwhile func()) result {
	t.Helper()
	const hold = `hold() { touch $W/held; while [ ! -e $W/go ]; do sleep 0.02; done; }` + "\n"
	return m.during(t, func() result { return m.try(limit, hold+script) }, meanwhile)
}

// statusText is what `pailfs status` says of this mount.
func (m *mount) statusText(t *testing.T) string {
	t.Helper()
	return m.sh(t, `$PAILFS status $MNT; $PAILFS status $MNT --json`)
}

// The server dies before close: cp fails, there is no half object, and the
// draft is kept. A new server on the old data finds the mount working again.
func TestServerStopsBeforeClose(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]string{"small": "100K", "large": "40M"} {
		t.Run(name, func(t *testing.T) {
			e := newEnv(t, envOptions{backend: "posix", lab: true})
			e.s3.put(t, "old", "old content\n")
			m := e.mount(t, mountOptions{args: []string{"--timeout", "10s"}})
			m.sh(t, `head -c `+size+` /dev/urandom > $W/src; cat $MNT/old`)
			r := m.holding(t, storeTimeout, `( cat $W/src; hold ) | cp /dev/stdin $MNT/new`, e.server.Kill)
			if r.code == 0 {
				t.Errorf("cp: %v, want a failure", r)
			}
			if text := m.statusText(t); !strings.Contains(text, "new") {
				t.Errorf("status does not name the kept draft: %s", text)
			}
			e.server = startServer(t, e.dir, envOptions{backend: "posix"})
			e.lab.SetUpstream(e.server.URL)
			e.s3 = newOutside(e.server.URL, e.bucket, accessKey, secretKey)
			e.s3.wantKeys(t, "", "old")
			m.wantSh(t, `cat $MNT/old; echo works > $MNT/after; cat $MNT/after`, "old content\nworks")
			if got := e.s3.get(t, "after"); got != "works\n" {
				t.Errorf("after: %q", got)
			}
		})
	}
}

// K01 B02, B03: both tools see the error, and nothing claims to be stored.
func TestRefusedUploadFailsClose(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	e.s3.put(t, "f", "old\n")
	m := e.mount(t, mountOptions{args: []string{"--metadata-ttl", "1s"}})
	e.setFaults(t, lab.Rule{Kind: lab.KindStatus, Status: 403, Code: "AccessDenied", Probability: 1, Ops: []string{"PutObject", "CreateMultipartUpload"}})
	for _, script := range []string{
		`cp /etc/hostname $MNT/dead`,
		`python3 -c "import os;fd=os.open('$MNT/dead2',os.O_CREAT|os.O_WRONLY);os.write(fd,b'x');os.close(fd)"`,
		`head -c 20M /dev/zero > $W/z; cp $W/z $MNT/f`,
		`echo new > $W/n; cp $W/n $MNT/f`,
	} {
		if r := m.try(storeTimeout, script); r.code == 0 || !strings.Contains(r.stderr, "ermission denied") {
			t.Errorf("%s: %v, want EACCES", script, r)
		}
	}
	e.lab.ClearFaults()
	e.s3.wantKeys(t, "", "f")
	m.wantFile(t, "f", "old\n")
	time.Sleep(1500 * time.Millisecond)
	m.wantSh(t, `ls $MNT; echo again > $MNT/dead; cat $MNT/dead`, "f\nagain")
	m.wantFile(t, "dead", "again\n")
}

// A few failures are retried and nobody notices.
func TestShortFaultsAreRetried(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	m := e.mount(t, mountOptions{})
	m.sh(t, `head -c 30M /dev/urandom > $W/src`)
	e.setFaults(t,
		lab.Rule{Kind: lab.KindSlowDown, Probability: 0.1},
		lab.Rule{Kind: lab.KindError500, Probability: 0.05},
		lab.Rule{Kind: lab.KindReset, Probability: 0.1, Ops: []string{"GetObject", "UploadPart"}, AfterBytes: 300000})
	m.shFor(t, storeTimeout, `
		for i in $(seq 30); do echo $i > $MNT/f$i; mv $MNT/f$i $MNT/g$i; [ $(cat $MNT/g$i) = $i ]; done
		cp $W/src $MNT/big; cmp $W/src $MNT/big; ls -l $MNT | grep -c g`)
	e.lab.ClearFaults()
	want := fileHash(t, filepath.Join(m.work, "src"))
	if got, _ := e.s3.hash(t, "big"); got != want {
		t.Error("the object differs from what cp stored")
	}
	if keys := e.s3.ls(t, "f"); len(keys) != 0 {
		t.Errorf("left at the source of mv: %q", keys)
	}
}

// The answer of a commit that was done is lost: the retry recognises its own
// object, and no conflict is reported.
func TestLostAnswerOfCommit(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	m := e.mount(t, mountOptions{})
	m.sh(t, `echo warm > $MNT/warm; head -c 20M /dev/urandom > $W/src`)
	e.setFaults(t, lab.Rule{Kind: lab.KindReset, Probability: 1, Limit: 2, AfterBytes: -1, Ops: []string{"PutObject", "CompleteMultipartUpload"}})
	m.shFor(t, storeTimeout, `echo one > $MNT/f; cp $W/src $MNT/big; cmp $W/src $MNT/big; cat $MNT/f`)
	e.setFaults(t, lab.Rule{Kind: lab.KindReset, Probability: 1, Limit: 1, AfterBytes: -1, Ops: []string{"PutObject"}})
	m.shFor(t, storeTimeout, `echo two > $MNT/f`)
	e.lab.ClearFaults()
	m.wantFile(t, "f", "two\n")
	if got := e.s3.head(t, "big"); got == nil || *got.ContentLength != 20*mib {
		t.Errorf("big: %+v", got)
	}
}

// A killed program leaves no half object; the mount point can be used again.
func TestKilledProgram(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	m.sh(t, `echo done > $MNT/done`)
	r := m.holding(t, scriptTimeout, `( head -c 20M /dev/zero; hold ) | cp /dev/stdin $MNT/half`, m.kill9)
	if r.code == 0 {
		t.Errorf("cp: %v, want a failure", r)
	}
	e.s3.wantKeys(t, "", "done")
	m.start(t)
	m.wantSh(t, `ls $MNT; cat $MNT/done`, "done\ndone")
}

// A change that failed may have happened all the same, its answer lost, and the
// retry refused as well as the HEAD that would tell: what was known of the name
// before does not count any more.
func TestFailedChangeIsLookedAtAgain(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	m := e.mount(t, mountOptions{args: []string{"--metadata-ttl=1h"}})
	m.sh(t, `mkdir $MNT/d $MNT/gone; echo old > $MNT/f; echo x > $MNT/d/x; ls -l $MNT $MNT/d`)
	for _, c := range []struct{ op, change, look, want string }{
		{"PutObject", `mkdir $MNT/new`, `ls -d $MNT/new`, "$MNT/new"},
		{"PutObject", `ln -s x $MNT/link`, `readlink $MNT/link`, "x"},
		{"DeleteObject", `rmdir $MNT/gone`, `ls $MNT`, "d\nf\nlink\nnew"},
		{"DeleteObject", `rm $MNT/f`, `ls $MNT`, "d\nlink\nnew"},
		{"CopyObject", `mv $MNT/d/x $MNT/d/y`, `ls $MNT/d`, "x\ny"},
		{"CopyObject", `mv $MNT/d $MNT/e`, `ls $MNT`, "d\ne\nlink\nnew"},
	} {
		m.sh(t, `stat $MNT/new $MNT/link >/dev/null 2>&1 || true; ls $MNT $MNT/d`)
		e.setFaults(t,
			lab.Rule{Kind: lab.KindReset, Probability: 1, Limit: 1, AfterBytes: -1, Ops: []string{c.op}},
			lab.Rule{Kind: lab.KindStatus, Status: 403, Code: "AccessDenied", Probability: 1, Ops: []string{c.op, "HeadObject"}})
		r := m.try(scriptTimeout, c.change)
		e.lab.ClearFaults()
		if r.code == 0 {
			t.Errorf("%s: succeeded, want it refused", c.change)
		}
		m.wantSh(t, c.look+` | sed "s|^$MNT|\$MNT|"`, c.want)
	}
}
