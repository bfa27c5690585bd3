package integration

import (
	"fmt"
	"testing"
	"time"
)

// patterns are write patterns; each runs on a file p of the mount and on a
// local reference file. rnd is seeded alike for both, data(n) gives n bytes.
var patterns = []struct{ name, script string }{
	{"sequential", `
with open(p,'wb',buffering=0) as f:
    for i in range(40): f.write(data(rnd.randrange(1,900000)))`},
	{"odd-blocks", `
d=data(13*MIB+7)
with open(p,'wb',buffering=0) as f:
    for o in range(0,len(d),1000003): f.write(d[o:o+1000003])`},
	{"random-in-new", `
fd=os.open(p,os.O_CREAT|os.O_RDWR,0o644)
for i in range(60): os.pwrite(fd,data(rnd.randrange(1,100000)),rnd.randrange(12*MIB))
os.close(fd)`},
	{"random-in-old", `
old(12*MIB)
fd=os.open(p,os.O_RDWR)
for i in range(40): os.pwrite(fd,data(rnd.randrange(1,70000)),rnd.randrange(12*MIB))
os.close(fd)`},
	{"append", `
old(6*MIB)
for i in range(5):
    with open(p,'ab') as f: f.write(data(rnd.randrange(1,300000)))`},
	{"append-handle", `
fd=os.open(p,os.O_CREAT|os.O_WRONLY|os.O_APPEND,0o644)
for i in range(20): os.write(fd,data(1000)); os.lseek(fd,0,0)
os.close(fd)`},
	{"truncate-down", `
old(9*MIB)
fd=os.open(p,os.O_RDWR); os.ftruncate(fd,4*MIB+5); os.pwrite(fd,b'end',4*MIB); os.close(fd)`},
	{"truncate-up", `
old(3*MIB+1)
fd=os.open(p,os.O_RDWR); os.ftruncate(fd,8*MIB+5); os.pwrite(fd,b'mid',6*MIB); os.close(fd)`},
	{"truncate-down-and-up", `
old(7*MIB)
fd=os.open(p,os.O_RDWR); os.ftruncate(fd,MIB); os.ftruncate(fd,7*MIB); os.pwrite(fd,data(100),6*MIB); os.close(fd)`},
	{"truncate-by-path", `
old(6*MIB); os.truncate(p,5*MIB-1); os.truncate(p,5*MIB+3)`},
	{"truncate-to-zero", `
old(2*MIB); os.truncate(p,0)`},
	{"open-trunc", `
old(6*MIB)
with open(p,'wb') as f: f.write(data(123456))`},
	{"read-modify-write", `
old(11*MIB)
fd=os.open(p,os.O_RDWR)
for i in range(40):
    o=rnd.randrange(11*MIB-5000); b=bytearray(os.pread(fd,4096,o)); b.reverse(); os.pwrite(fd,b,o)
os.close(fd)`},
	{"two-handles", `
a=os.open(p,os.O_CREAT|os.O_RDWR,0o644); b=os.open(p,os.O_RDWR)
for i in range(50):
    os.pwrite(a,data(5000),i*20000); os.pwrite(b,data(5000),i*20000+3000)
    assert os.pread(b,5000,i*20000)==os.pread(a,5000,i*20000)
os.close(a); os.pwrite(b,b'last',77); os.close(b)`},
	{"fsync-between", `
fd=os.open(p,os.O_CREAT|os.O_RDWR,0o644)
for i in range(6): os.pwrite(fd,data(400000),i*350000); os.fsync(fd)
os.pwrite(fd,b'x',17); os.close(fd)`},
	{"mmap-write", `
old(6*MIB)
fd=os.open(p,os.O_RDWR); mm=mmap.mmap(fd,6*MIB)
for i in range(50): o=rnd.randrange(6*MIB-100); mm[o:o+50]=data(50)
mm.flush(); mm.close(); os.close(fd)`},
	{"mmap-after-close", `
old(MIB)
fd=os.open(p,os.O_RDWR); mm=mmap.mmap(fd,MIB); os.close(fd)
mm[500000:500004]=b'late'; mm.flush(); mm.close()`},
	{"sparse", `
fd=os.open(p,os.O_CREAT|os.O_RDWR,0o644); os.pwrite(fd,b'far',20*MIB); os.pwrite(fd,b'near',3); os.close(fd)`},
	{"rewrite-start-of-new", `
with open(p,'wb',buffering=0) as f:
    for i in range(12): f.write(data(MIB))
    f.seek(0); f.write(b'HEADER'); f.seek(0,2); f.write(b'TRAILER')`},
	{"sendfile", `
old(6*MIB)
fd=os.open(p,os.O_RDWR)
n=os.sendfile(fd,os.open(W+'/seedfile',os.O_RDONLY),0,300000)
os.close(fd)`},
}

const patternHead = `
import random
MIB=1<<20
def run(p):
    rnd=random.Random(%q); data=rnd.randbytes
    def old(n):
        with open(p,'wb') as f: f.write(data(n))
%s
if not os.path.exists(W+'/seedfile'): open(W+'/seedfile','wb').write(random.Random(1).randbytes(400000))
run(W+'/ref'); run(MNT+'/%s')
print(hashlib.sha256(open(W+'/ref','rb').read()).hexdigest(), os.stat(W+'/ref').st_size, os.stat(MNT+'/%s').st_size)
`

// After close, the object is what a local file would be.
func TestWritePatterns(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	for _, p := range patterns {
		t.Run(p.name, func(t *testing.T) {
			m.sh(t, `rm -f $W/ref`)
			out := m.py(t, fmt.Sprintf(patternHead, p.name, indent(p.script), p.name, p.name))
			var want string
			var local, mounted int64
			if _, err := fmt.Sscan(out, &want, &local, &mounted); err != nil {
				t.Fatalf("%q: %v", out, err)
			}
			got, n := e.s3.hash(t, p.name)
			for wait := 0; got != want && p.name == "mmap-after-close" && wait < 600; wait++ {
				time.Sleep(100 * time.Millisecond) // Release comes after munmap returned
				got, n = e.s3.hash(t, p.name)
			}
			if got != want || n != local || mounted != local {
				t.Errorf("the object has %d bytes, the file %d, want %d; same content: %v", n, mounted, local, got == want)
			}
			if got := m.sh(t, `sha256sum < $MNT/`+p.name+` | cut -c 1-64`); got != want {
				t.Errorf("read back: other content")
			}
		})
	}
	if open := e.s3.mpus(t); len(open) != 0 {
		t.Errorf("open uploads: %q", open)
	}
	m.remount(t)
	m.sh(t, `cat $MNT/* > /dev/null`)
}

// indent makes a script the body of a function.
func indent(script string) string {
	var b []byte
	for i := range len(script) {
		b = append(b, script[i])
		if script[i] == '\n' {
			b = append(b, "    "...)
		}
	}
	return string(b)
}

// Writers beside each other in one file, and many files at once.
func TestParallelWriters(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	m.sh(t, `
		truncate -s 8M $MNT/shared
		for w in 0 1 2 3; do
			python3 -c "
import os
fd=os.open('$MNT/shared',os.O_RDWR)
for i in range(64): os.pwrite(fd,bytes([65+$w])*32768,(i*4+$w)*32768)
os.close(fd)" &
		done
		for i in $(seq 16); do ( head -c $((i*400000)) /dev/urandom > $W/n$i; cp $W/n$i $MNT/n$i; cmp $W/n$i $MNT/n$i ) & done
		for job in $(jobs -p); do wait $job; done`)
	for i := range 16 {
		name := fmt.Sprintf("n%d", i+1)
		if got, _ := e.s3.hash(t, name); got != fileHash(t, m.work+"/"+name) {
			t.Errorf("%s differs", name)
		}
	}
	shared := e.s3.get(t, "shared")
	if len(shared) != 8*mib {
		t.Fatalf("shared has %d bytes", len(shared))
	}
	for i := range len(shared) {
		if want := byte('A' + (i/32768)%4); shared[i] != want {
			t.Fatalf("shared: byte %d is %q, want %q", i, shared[i], want)
		}
	}
}
