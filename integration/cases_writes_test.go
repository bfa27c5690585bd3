package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pailfs/pailfs/integration/internal/testkit"
	"github.com/pailfs/pailfs/integration/lab"
)

// Reported faults of comparable programs with writes that looked done. B02, B03 and
// B07 are in failure_test.go and lifecycle_test.go.

// failing is a mount that gives a store up after 10 s, and its store.
func failing(t *testing.T) (*env, *mount) {
	t.Helper()
	t.Parallel() // it waits, mostly
	e := newEnv(t, envOptions{lab: true})
	return e, e.mount(t, mountOptions{args: []string{"--timeout", "10s", "--metadata-ttl", "1s"}})
}

// K01 B01, B17, B19: while uploads fail, fsync and close say so, each time; a later
// fsync stores all of it; a new open is not poisoned by the old error; and what was
// given up takes no descriptor, and no space once it is discarded.
func TestFailedUploadsAreNotForgotten(t *testing.T) {
	e, m := failing(t)
	m.sh(t, `head -c 20M /dev/urandom > $W/old; head -c 20M /dev/urandom > $W/new`)
	e.s3.putFile(t, "f", m.work+"/old")
	e.setFaults(t, lab.Rule{Kind: lab.KindError500, Probability: 1,
		Ops: []string{"PutObject", "UploadPart", "UploadPartCopy", "CreateMultipartUpload", "CompleteMultipartUpload"}})
	got := m.conflicting(t, `
def dd(i): return subprocess.Popen(['dd','if=/dev/zero','of=%s/l%d'%(MNT,i),'bs=1M','count=2','status=none'],stderr=subprocess.DEVNULL)
dds=[dd(i) for i in range(5)]
fd=os.open(MNT+'/f',os.O_RDWR); os.write(fd,open(W+'/new','rb').read())
g=os.open(MNT+'/g',os.O_CREAT|os.O_RDWR); os.write(g,b'A'*100)
end(fd,os.fsync); end(g,os.fsync)
print(all(p.wait()!=0 for p in dds))
hold()
end(fd,os.fsync); end(fd); end(g,os.fsync); end(g)`, func() {
		e.s3.wantSame(t, "f", m.work+"/old")
		if n := m.draftsOpen(t); n > 2 {
			t.Errorf("%d stage files are open, and only two files", n)
		}
		e.lab.ClearFaults()
	})
	if got != "EIO\nEIO\nTrue\nok\nok\nok\nok" {
		t.Errorf("got %q", got)
	}
	e.s3.wantSame(t, "f", m.work+"/new")
	if got := e.s3.get(t, "g"); got != strings.Repeat("A", 100) {
		t.Errorf("g: %q", got)
	}
	m.sh(t, `cmp $W/new $MNT/f; echo again > $MNT/g; grep -x again $MNT/g; echo again > $MNT/l0; grep -x again $MNT/l0
		ids=$($PAILFS status --json $MNT | python3 -c 'import json,sys; print(*[k["id"] for k in json.load(sys.stdin)[0]["kept"]])')
		[ $(wc -w <<<"$ids") = 5 ]; $PAILFS recover $MNT --discard $ids; ! find $CACHEDIR -name '*.draft' -size +0 | grep .`)
	e.wantNoUploads(t)
}

// draftsOpen counts the stage files that the program has open, once it has closed
// those of files that were released.
func (m *mount) draftsOpen(t *testing.T) (n int) {
	t.Helper()
	for end := time.Now().Add(scriptTimeout); ; time.Sleep(50 * time.Millisecond) {
		text := m.sh(t, `ls -l /proc/$PID/fd | grep -c '\.draft' || true`)
		if _, err := fmt.Sscan(text, &n); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if n <= 2 || time.Now().After(end) {
			return n
		}
	}
}

// K01 B15, B16: a store that throttles its answers about a name is never taken for
// one that has no such name: nothing is made anew over what is there.
func TestThrottledIsNotMissing(t *testing.T) {
	e, m := failing(t)
	m.sh(t, `head -c 3M /dev/urandom > $W/f`)
	e.s3.putFile(t, "f", m.work+"/f")
	e.s3.put(t, "d/hi", "hi\n")
	e.setFaults(t, lab.Rule{Kind: lab.KindSlowDown, Probability: 1, Ops: []string{"HeadObject"}, Key: "f"},
		lab.Rule{Kind: lab.KindSlowDown, Probability: 1, Ops: []string{"HeadObject", "ListObjectsV2"}, KeyPrefix: "d"})
	// Side by side: each takes as long as the store is given.
	r := m.try(scriptTimeout, `(printf x >> $MNT/f; echo f=$?) & (stat $MNT/d/hi; echo stat=$?) & (ls $MNT/d; echo ls=$?) & wait`)
	for _, bad := range []string{"No such file", "stat=0", "ls=0"} {
		if strings.Contains(r.stderr+r.stdout, bad) {
			t.Errorf("%q: %v", bad, r)
		}
	}
	appended := strings.Contains(r.stdout, "f=0")
	e.lab.ClearFaults()
	if appended {
		m.sh(t, `printf x >> $W/f`)
	}
	e.s3.wantSame(t, "f", m.work+"/f")
	// The mount goes on slowing down for some seconds, but never says that it is not there.
	m.wantSh(t, `for i in $(seq 250); do stat -c %s $MNT/d/hi 2>$W/err && break; if grep 'No such' $W/err; then exit 1; fi; sleep 0.2; done
		ls $MNT/d; cmp $MNT/f $W/f`, "3\nhi")
}

// K01 B18: a store that was away is used again as soon as it is back.
func TestStoreComesBack(t *testing.T) {
	e, m := failing(t)
	e.s3.put(t, "old", "old\n")
	m.wantSh(t, `cat $MNT/old`, "old")
	e.setFaults(t, lab.Rule{Kind: lab.KindRefuse, Probability: 1})
	if r := m.try(scriptTimeout, `cp /etc/hostname $MNT/a`); r.code == 0 {
		t.Errorf("cp without a store: %v", r)
	}
	e.lab.ClearFaults()
	m.sh(t, `cp /etc/hostname $MNT/b; cmp /etc/hostname $MNT/b; cmp /etc/hostname <(s3 get b)`)
}

// K01 B05, B06, B09, B10: what is done to a file right after it was written happens
// to its content: attributes, renames over another, renames of its directory, removals.
func TestRightAfterWriting(t *testing.T) {
	testkit.NeedTool(t, "rsync", "rsync")
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	m.sh(t, `for i in $(seq 40); do ( echo data$i > $MNT/f$i; chmod 640 $MNT/f$i; touch -d 2020-01-01 $MNT/f$i ) & done; wait`)
	for i := range 40 {
		if got, want := e.s3.get(t, fmt.Sprintf("f%d", i+1)), fmt.Sprintf("data%d\n", i+1); got != want {
			t.Errorf("f%d: %q", i+1, got)
		}
	}
	m.sh(t, `head -c 12M /dev/urandom > $W/src; : > $MNT/a.pdf; cp $W/src $MNT/a.part; mv $MNT/a.part $MNT/a.pdf
		mkdir $MNT/old; echo x > $MNT/old/f; mv $MNT/old $MNT/new; rm -rf $MNT/new
		mkdir -p $W/tree/sub $MNT/.tmp $MNT/dst; for i in $(seq 12); do head -c $((i*9000)) /dev/urandom > $W/tree/sub/$i; done
		rsync -a --temp-dir=$MNT/.tmp $W/tree/ $MNT/dst/`)
	e.s3.wantSame(t, "a.pdf", m.work+"/src")
	for _, prefix := range []string{"a.part", "old", "new"} {
		if keys := e.s3.ls(t, prefix); len(keys) != 0 {
			t.Errorf("left: %q", keys)
		}
	}
	m.remount(t)
	m.wantSh(t, `diff -r $W/tree $MNT/dst; cmp $W/src $MNT/a.pdf; ls -A $MNT/.tmp
		for i in $(seq 40); do stat -c '%a %y' $MNT/f$i; done | cut -c1-14 | sort | uniq -c | sed 's/^ *//'`, "40 640 2020-01-01")
}

// K01 B11, B12: large files are stored whole: of sizes about the part's, written in
// odd steps, many at once, with little memory.
func TestLargeWritesAreWhole(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{args: []string{"--memory-limit", "16MiB"}})
	m.py(t, `
for n in (8*2**20-1, 8*2**20, 8*2**20+1, 16*2**20, 13*2**20+7):
    d=os.urandom(n); open(W+'/%d'%n,'wb').write(d)
    with open(MNT+'/%d'%n,'wb',buffering=0) as f:
        for o in range(0,n,1000003): f.write(d[o:o+1000003])`)
	m.sh(t, `for i in 1 2 3 4; do for f in $W/[0-9]*; do cp $f $MNT/$i-$(basename $f) & done; done; wait`)
	for _, size := range []int{8*mib - 1, 8 * mib, 8*mib + 1, 16 * mib, 13*mib + 7} {
		file := fmt.Sprintf("%s/%d", m.work, size)
		e.s3.wantSame(t, fmt.Sprint(size), file)
		for i := range 4 {
			e.s3.wantSame(t, fmt.Sprintf("%d-%d", i+1, size), file)
		}
	}
}
