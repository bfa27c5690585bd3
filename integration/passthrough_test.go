package integration

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/pailfs/pailfs/integration/internal/testkit"
)

// passing is what the debug log says of an open whose reads the kernel does.
const passing = "open: the kernel reads the disk cache"

// passMount is a mount that tells what the kernel reads by itself. It skips the
// test where it cannot.
func (e *env) passMount(t *testing.T, more ...string) *mount {
	t.Helper()
	m := e.diskMount(t, append(more, "--log-level", "debug")...)
	for end := time.Now().Add(scriptTimeout); m.logged(t, "passthrough") == 0; time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("the log does not say whether the kernel takes files of the disk cache")
		}
	}
	if m.logged(t, "passthrough: completely cached files") == 0 {
		text, _ := os.ReadFile(m.logFile)
		_, why, _ := strings.Cut(string(text), "no passthrough")
		why, _, _ = strings.Cut(why, "\n")
		if os.Geteuid() != 0 {
			t.Skip("only root may let the kernel read files by itself: " + why)
		}
		testkit.SkipOrFail(t, "the kernel has no passthrough (it came with Linux 6.9), or not for this file system: "+why)
	}
	return m
}

// warm reads a file until it is cached completely, and the kernel reads it.
func (m *mount) warm(t *testing.T, name string) {
	t.Helper()
	for end := time.Now().Add(scriptTimeout); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		before := m.logged(t, passing)
		m.sh(t, `cat $MNT/`+name+` > /dev/null`)
		if m.logged(t, passing) > before {
			return
		}
	}
	t.Fatalf("the kernel does not come to read %s by itself", name)
}

// What is completely cached is read by the kernel, whatever the program and its
// way of reading. That costs no GET.
func TestPassthroughReads(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	m := e.passMount(t)
	e.s3.putFile(t, "f", m.local(t, "f", 9*mib+1234))
	m.sh(t, `cmp $W/f $MNT/f`)
	if m.logged(t, passing) > 0 {
		t.Error("the kernel has read what was not cached yet")
	}
	m.warm(t, "f")
	reads := map[string]string{
		"cat": `cat $MNT/f | cmp - $W/f`, "cp": `cp $MNT/f $W/copy; cmp $W/f $W/copy`, "dd": `dd if=$MNT/f bs=12345 status=none | cmp - $W/f`,
		"md5sum": `[ "$(md5sum < $MNT/f)" = "$(md5sum < $W/f)" ]`, "direct": `dd if=$MNT/f bs=1M iflag=direct status=none | cmp - $W/f`,
		"tail": `[ "$(tail -c 5000 $MNT/f | md5sum)" = "$(tail -c 5000 $W/f | md5sum)" ]`,
	}
	for _, when := range []string{"warm", "after a remount"} {
		for name, script := range reads {
			e.gets()
			before := m.logged(t, passing)
			m.sh(t, script)
			e.wantGets(t, name+", "+when, 0)
			if m.logged(t, passing) == before {
				t.Errorf("%s, %s: the kernel did not read by itself", name, when)
			}
		}
		m.py(t, `
want=open(W+'/f','rb').read()
fd=os.open(MNT+'/f',os.O_RDONLY); p=mmap.mmap(fd,0,prot=mmap.PROT_READ); os.close(fd)
assert p[:]==want; assert os.stat(MNT+'/f').st_size==len(want)
fd=os.open(MNT+'/f',os.O_RDONLY); assert os.pread(fd,100,len(want))==b'' and os.pread(fd,100,len(want)-7)==want[-7:]`)
		e.wantGets(t, "mmap, "+when, 0)
		m.remount(t)
		m.sh(t, `cat $MNT/f > /dev/null`) // a read of all of it has checked it
	}
	e.gets()
	before := m.logged(t, passing)
	m.py(t, `
want=open(W+'/f','rb').read()
fd=os.open(MNT+'/f',os.O_RDONLY); os.unlink(MNT+'/f')
assert os.pread(fd,len(want)+1,0)==want`)
	if m.logged(t, passing) == before {
		t.Error("the removed file was not read by the kernel")
	}
	e.wantGets(t, "removed", 0) // else it would have been fetched first
}

// passWriters change $D/f, which another process has open and the kernel reads.
var passWriters = map[string]string{
	"append": `echo more >> $D/f`, "overwrite": `cp $W/other $D/f`, "echo": `echo short > $D/f`,
	"truncate": `truncate -s 1000 $D/f`, "extend": `truncate -s 3000000 $D/f`, "empty": `: > $D/f`,
	"sed": `sed -i s/77/-/ $D/f`, "rename": `mv $D/f $D/g`, "rename-over": `cp $W/other $D/tmp; mv $D/tmp $D/f`,
	"rename-twice": `mv $D/f $D/g; mv $D/g $D/f; echo x >> $D/f`, "chmod": `chmod 600 $D/f`, "touch": `touch -d @1000 $D/f`,
	"unlink": `rm $D/f`, "anew": `rm $D/f; echo new > $D/f`, "middle": `printf ABC | dd of=$D/f bs=1 seek=100000 conv=notrunc status=none`,
	"fallocate": `fallocate -l 2500000 $D/f`, "append-twice": `echo a >> $D/f; echo b >> $D/f`,
}

// passHolder keeps the file open while WRITER runs. The old handle has the old
// bytes, a new one the new bytes.
const passHolder = `
old=open(W+'/old','rb').read(); F=D+'/f'
fd=os.open(F,os.O_RDONLY); p=mmap.mmap(fd,0,prot=mmap.PROT_READ)
assert os.pread(fd,1<<20,0)==old[:1<<20]
def run(d): return subprocess.run(['bash','-euc',WRITER],env=dict(os.environ,D=d),capture_output=True,text=True)
r=run(D); assert r.returncode==0, r.stderr
assert run(L).returncode==0
def same(when):
    assert sorted(os.listdir(D))==sorted(os.listdir(L)), (when,os.listdir(D))
    for name in os.listdir(L):
        got,want=open(D+'/'+name,'rb').read(),open(L+'/'+name,'rb').read()
        assert got==want, '%s: %s has %d bytes, want %d'%(when,name,len(got),len(want))
        a,b=os.stat(D+'/'+name),os.stat(L+'/'+name)
        assert (a.st_size,a.st_mode)==(b.st_size,b.st_mode), (when,a,b)
same('while the old handle is open')
assert os.fstat(fd).st_size==len(old), os.fstat(fd)
assert os.pread(fd,len(old)+1,0)==old, 'the old handle has other bytes'
assert p[:]==old, 'the old mapping has other bytes'
os.lseek(fd,len(old)-10,0); assert os.read(fd,100)==old[-10:]
p.close(); os.close(fd)
for i in range(2): same('after it, %d'%i)
for d in (D,L): open(d+'/f','a').write('tail\n')
same('with a tail')
print('done')`

// Whoever changes a file that the kernel reads by itself succeeds, and is seen by
// the next open. Who has it open keeps the version that he opened.
func TestPassthroughAndWriters(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.passMount(t)
	m.sh(t, `seq 300000 > $W/old; seq 200000 -1 1 > $W/other`)
	old := m.work + "/old"
	for name, script := range passWriters {
		t.Run(name, func(t *testing.T) {
			e.s3.putFile(t, name+"/f", old)
			m.warm(t, name+"/f")
			before := m.logged(t, passing)
			head := fmt.Sprintf("WRITER=%q; D=MNT+'/%s'; L=W+'/l-%[2]s'\nos.mkdir(L); open(L+'/f','wb').write(open(W+'/old','rb').read())\n", script, name)
			if r := m.tryPy(scriptTimeout, head+passHolder); r.code != 0 || strings.TrimSpace(r.stdout) != "done" {
				t.Errorf("%v", r)
			}
			if m.logged(t, passing) == before {
				t.Error("the kernel did not read by itself")
			}
			if got := m.sh(t, fmt.Sprintf(`sha256sum < $W/l-%s/f | cut -d' ' -f1`, name)); e.s3.exists(t, name+"/f") {
				if sum, _ := e.s3.hash(t, name+"/f"); sum != got {
					t.Error("the bucket has other bytes")
				}
			} else {
				t.Error("nothing is stored at the name")
			}
		})
	}
}

// Who opens a file that is being written reads what has been written, from us.
func TestPassthroughAfterWriter(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.passMount(t)
	e.s3.put(t, "f", strings.Repeat("0123456789", 100_000))
	m.warm(t, "f")
	before := m.logged(t, passing)
	m.py(t, `
F=MNT+'/f'; old=b'0123456789'*100000
w=os.open(F,os.O_RDWR)
r0=os.open(F,os.O_RDONLY); assert os.pread(r0,len(old)+1,0)==old
os.pwrite(w,b'WRITTEN',500000); want=old[:500000]+b'WRITTEN'+old[500007:]
r1=os.open(F,os.O_RDONLY)
for fd in (r0,r1,w): assert os.pread(fd,len(old)+1,0)==want; assert os.fstat(fd).st_size==len(want)
assert open(F,'rb').read()==want
os.fsync(w); assert open(F,'rb').read()==want
os.ftruncate(w,10); assert open(F,'rb').read()==old[:10]==os.pread(r1,100,0)
for fd in (w,r0,r1): os.close(fd)
assert open(F,'rb').read()==old[:10]`)
	if n := m.logged(t, passing) - before; n > 0 {
		t.Errorf("%d opens were left to the kernel while a writer had the file open", n)
	}
	m.wantFile(t, "f", "0123456789")
}
