package integration

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/pailfs/pailfs/integration/lab"
)

// pyBoth does the same to a new file of the mount and to a local one.
const pyBoth = `
M=1<<20
P=8*M
import hashlib
def data(n, seed=0): return hashlib.shake_256(b'%d' % seed).digest(65536)*(n//65536+1)
def both(do, flags=os.O_WRONLY|os.O_CREAT|os.O_TRUNC):
    for d in (MNT, W):
        fd=os.open(d+'/f', flags, 0o644)
        do(fd, d+'/f')
        os.close(fd)
def write(fd, n, seed=0):
    p=memoryview(data(n, seed))[:n]
    while p: p=p[os.write(fd, p):]
def same(a, b):
    if a!=b: raise Exception('%r is not %r' % (a, b))
`

// What is written at once goes in parts, and is what a local file would be:
// whatever the program does before it closes the file.
func TestStreamedFiles(t *testing.T) {
	for _, backend := range []string{"memory", "posix"} {
		t.Run(backend, func(t *testing.T) {
			e := newEnv(t, envOptions{backend: backend})
			m := e.mount(t, mountOptions{})
			for _, c := range []struct{ name, script string }{
				{"a part and a byte", `both(lambda fd, _: write(fd, P+1))`},
				{"over what is there", `both(lambda fd, _: write(fd, 3*P+1, 3))`},
				{"seek back", `both(lambda fd, _: (write(fd, 2*P+5), os.pwrite(fd, b'back'*5, P-10), os.pwrite(fd, b'x', 0), write(fd, P, 1)))`},
				{"read back", `both(lambda fd, _: (write(fd, 2*P+5), same(os.pread(fd, 100, P-50), data(3*P)[P-50:P+50]), write(fd, P, 1)), os.O_RDWR|os.O_CREAT|os.O_TRUNC)`},
				{"cut off", `both(lambda fd, _: (write(fd, 3*P+5), os.ftruncate(fd, P+7)))`},
				{"cut off and written on", `both(lambda fd, _: (write(fd, 2*P+5), os.ftruncate(fd, P+7), os.lseek(fd, 0, 2), write(fd, P, 1)))`},
				{"emptied and written anew", `both(lambda fd, _: (write(fd, 2*P+5), os.ftruncate(fd, 0), os.lseek(fd, 0, 0), write(fd, P+9, 1)))`},
				{"a hole", `both(lambda fd, _: (write(fd, P+5), os.lseek(fd, P, 1), write(fd, 5, 1)))`},
				{"append", `both(lambda fd, _: (write(fd, P), write(fd, P+5, 1)), os.O_WRONLY|os.O_CREAT|os.O_APPEND)`},
				{"two handles", `
def do(fd, name):
    other=os.open(name, os.O_RDWR)
    for i in range(12):
        write(fd, M, i)
        same(os.fstat(other).st_size, (i+1)*M)
        same(os.pread(other, 100, i*M+M-50), data(M, i)[M-50:M])
    os.pwrite(other, b'other', 5*M)
    os.close(other)
    write(fd, P, 1)
both(do)`},
				{"fsync", `both(lambda fd, _: (write(fd, P+5), os.fsync(fd), write(fd, P+5, 1)))`},
				{"fork", `
def do(fd, name):
    write(fd, 2*P+5)
    if not os.fork():
        write(fd, P, 1)
        os._exit(0)
    os.wait()
    write(fd, P, 2)
both(do)`},
			} {
				if backend == "posix" && c.name == "cut off" {
					break // no need to have it all from both
				}
				if c.name != "over what is there" {
					m.sh(t, `rm -f $MNT/f $W/f`)
				}
				m.py(t, pyBoth+c.script)
				m.sh(t, `[ $(stat -c %s $MNT/f) = $(stat -c %s $W/f) ]; tail -c 9M $MNT/f | cmp - <(tail -c 9M $W/f)`)
				e.s3.wantSame(t, "f", m.work+"/f")
				if t.Failed() {
					t.Fatalf("so far: %s", c.name)
				}
			}
			m.unmount(t)
			e.wantNoUploads(t)
		})
	}
}

// Parts are with the store before the file is closed, and nothing is published
// before that: not what is new, and no beginning of it in place of what was there.
func TestStreamedBeforeClose(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	m := e.mount(t, mountOptions{})
	e.s3.put(t, "old", "former content")
	for _, key := range []string{"new", "old"} {
		e.lab.Reset()
		r := m.during(t, func() result {
			return m.tryPy(scriptTimeout, pyBoth+fmt.Sprintf(`
fd=os.open(MNT+'/%s', os.O_WRONLY|os.O_CREAT|os.O_TRUNC)
write(fd, 5*P)
open(W+'/held', 'w')
while not os.path.exists(W+'/go'): time.sleep(0.02)
write(fd, 5, 1)
os.close(fd)
`, key))
		}, func() {
			waitFor(t, func() bool { return e.lab.Stats().Ops["UploadPart"].Count >= 5 })
			if key == "new" && e.s3.exists(t, key) {
				t.Error("it is there already")
			}
			if got := e.s3.get(t, "old"); got != "former content" {
				t.Errorf("the old object is %q", clip(got))
			}
		})
		if r.code != 0 {
			t.Fatalf("%s: %s", key, r.stderr)
		}
		if s := e.lab.Stats(); s.Ops["UploadPart"].Count != 6 || s.Ops["CompleteMultipartUpload"].Count != 1 || s.Ops["CreateMultipartUpload"].Count != 1 {
			t.Errorf("%s: %v", key, s.Ops)
		}
	}
}

// Attributes that are set while the file is sent are there in the end.
func TestStreamedAttributes(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	m.sh(t, `
		head -c 20M /dev/urandom > $W/f; chmod 640 $W/f; touch -d '2001-02-03 04:05:06 UTC' $W/f
		cp -p $W/f $MNT/f; cp $W/f $MNT/g; chmod 600 $MNT/g`)
	look := `cmp $W/f $MNT/f; stat -c '%a %Y' $MNT/f; cmp $W/f $MNT/g; stat -c %a $MNT/g`
	m.wantSh(t, look, "640 981173106\n600")
	m.remount(t)
	m.wantSh(t, look, "640 981173106\n600")
	// The mtime of a file that is sent is that of some moment of its being written.
	m.wantSh(t, `touch $W/before; cp $W/f $MNT/h; touch $W/after
		[ $MNT/h -ot $W/before ] && echo early; [ $MNT/h -nt $W/after ] && echo late; stat -c %y $MNT/h > $W/t`, "")
	m.remount(t)
	m.wantSh(t, `stat -c %y $MNT/h | cmp - $W/t && echo same`, "same")
}

// What becomes of a file that is sent and then removed, renamed, or whose sending
// fails; no upload is left.
func TestStreamedAndNotClosed(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	m := e.mount(t, mountOptions{})
	local := m.local(t, "f", 30*mib)
	m.sh(t, `exec 3> $MNT/gone; head -c 20M $W/f >&3; rm $MNT/gone; head -c 20M $W/f >&3; exec 3>&-`)
	m.sh(t, `exec 3> $MNT/a; head -c 20M $W/f >&3; mv $MNT/a $MNT/b; tail -c +$((20*1024*1024+1)) $W/f >&3; exec 3>&-`)
	e.s3.wantSame(t, "b", local)
	m.sh(t, `mkdir $MNT/d; exec 3> $MNT/d/a; head -c 20M $W/f >&3; mv $MNT/d $MNT/e; tail -c +$((20*1024*1024+1)) $W/f >&3; exec 3>&-`)
	e.s3.wantSame(t, "e/a", local)

	for name, rule := range map[string]lab.Rule{
		"begin": {Kind: lab.KindStatus, Status: 403, Code: "AccessDenied", Ops: []string{"CreateMultipartUpload"}, Probability: 1, Limit: 1},
		"gone":  {Kind: lab.KindStatus, Status: 404, Code: "NoSuchUpload", Ops: []string{"CompleteMultipartUpload"}, Probability: 1, Limit: 1},
	} {
		e.setFaults(t, rule)
		m.sh(t, `rm -f $MNT/f; cp $W/f $MNT/f`)
		e.setFaults(t)
		e.s3.wantSame(t, "f", local)
		if t.Failed() {
			t.Fatalf("with a failure of %s", name)
		}
	}
	// A part that fails while the file is written is sent again when it is closed.
	e.lab.Reset()
	e.setFaults(t, lab.Rule{Kind: lab.KindStatus, Status: 403, Code: "AccessDenied", Ops: []string{"UploadPart"}, Probability: 1, Limit: 1})
	r := m.holding(t, scriptTimeout, `exec 3> $MNT/g; head -c 20M $W/f >&3; hold; tail -c +$((20*1024*1024+1)) $W/f >&3; exec 3>&-`, func() {
		waitFor(t, func() bool { return e.lab.Stats().Ops["UploadPart"].Count > 0 })
	})
	if r.code != 0 {
		t.Fatal(r)
	}
	e.s3.wantSame(t, "g", local)
	// All parts fail: close says so, the object is as it was, and the draft is kept.
	m.sh(t, `rm $MNT/b; printf former > $MNT/b`)
	e.setFaults(t, lab.Rule{Kind: lab.KindStatus, Status: 403, Code: "AccessDenied", Ops: []string{"UploadPart"}, Probability: 1})
	if r := m.try(scriptTimeout, `cp $W/f $MNT/b`); r.code == 0 || !strings.Contains(r.stderr, "ermission") {
		t.Errorf("cp: %d, %s", r.code, r.stderr)
	}
	e.setFaults(t)
	m.wantSh(t, `cat $MNT/b`, "former")
	m.sh(t, `id=$($PAILFS recover $MNT | awk '/b/ {print $1; exit}'); mkdir $W/saved; $PAILFS recover $MNT $id --save-to $W/saved && cmp $W/saved/* $W/f`)
	m.unmount(t)
	e.wantNoUploads(t)
}

// K16: a stage that is full fails write and close, and the object stays as it was;
// what is written anew is stored.
func TestFullStage(t *testing.T) {
	e := newEnv(t, envOptions{})
	disk := filepath.Join(e.dir, "small")
	tinyDisk(t, disk, "12m")
	m := e.mount(t, mountOptions{args: []string{"--stage-dir", filepath.Join(disk, "stage")}})
	e.s3.put(t, "old", "former content")
	const script = `
def fails(do):
    try: do()
    except OSError as e: return e.errno
    return 0
def fill():
    for i in range(20): os.write(fd, bytes([i+1])*(1<<20))
fd=os.open(MNT+'/old', os.O_WRONLY|os.O_CREAT|os.O_TRUNC)
if fails(fill)!=errno.ENOSPC: raise Exception('all of it was taken')
if fails(lambda: os.fsync(fd))!=errno.ENOSPC: raise Exception('fsync')
`
	// Room for the record of what is kept: a disk without any leaves it pending.
	ballast := filepath.Join(disk, "ballast")
	m.sh(t, "head -c 1M /dev/zero > "+ballast)
	m.py(t, script+fmt.Sprintf(`
os.unlink('%s')
if fails(lambda: os.close(fd))!=errno.ENOSPC: raise Exception('close')
`, ballast))
	if got := e.s3.get(t, "old"); got != "former content" {
		t.Errorf("%q is stored", clip(got))
	}
	waitFor(t, func() bool { return strings.Contains(m.sh(t, `$PAILFS recover $MNT`), "MiB") }) // at the release, after close
	m.sh(t, `mkdir $W/saved; $PAILFS recover $MNT --save-to $W/saved; [ $(stat -c %s $W/saved/*) -gt 10000000 ]`)
	m.py(t, script+`
os.ftruncate(fd, 0)
os.lseek(fd, 0, 0)
os.write(fd, b'anew')
os.close(fd)
`)
	m.wantFile(t, "old", "anew")
}

func waitFor(t *testing.T, is func() bool) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !is(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Error("waited in vain")
			return
		}
	}
}
