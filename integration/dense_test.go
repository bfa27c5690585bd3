package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pailfs/pailfs/integration/lab"
)

// A dense random reader: its object is fetched whole, in parallel, and goes to
// the kernel's page cache. Another program that writes to the file meanwhile is
// seen by all, and its bytes stay.
func TestDenseReader(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	m := e.mount(t, mountOptions{args: []string{"--memory-limit=64MiB"}})
	const size = 48 * mib
	e.s3.put(t, "f", stampedBlocks(size))
	m.sh(t, `ls -l $MNT`)
	e.takeRequests()
	const read = `
import random
def check(fd, n):
    for _ in range(n):
        i=random.randrange(SIZE//4096); b=os.pread(fd,4096,i*4096)
        want=(b'%011d\n'%i)*341+b'....'
        assert b==want or b==b'W'*4096, (i,b[:24],len(b))
SIZE=50331648
fd=os.open(MNT+'/f',os.O_RDONLY)
`
	m.py(t, read+`check(fd,20000)`)
	cost := e.takeRequests()
	if n := cost["GetObject"]; n > 400 {
		t.Errorf("20,000 reads of %d MiB cost %d GETs: %s", size>>20, n, cost)
	}
	m.remount(t) // nothing of it is in the page cache any more
	e.lab.SetShape(lab.Shape{LatencyMS: 10, StreamMBps: 4})
	m.py(t, read+`
check(fd,300)
w=os.open(MNT+'/f',os.O_RDWR)
for i in range(0,SIZE//4096,61):
    os.pwrite(w,b'W'*4096,i*4096)
    assert os.pread(fd,4096,i*4096)==b'W'*4096, i
check(fd,200)
for i in range(0,SIZE//4096,61):
    assert os.pread(fd,4096,i*4096)==b'W'*4096, i
`)
}

// stampedBlocks is content in which each block of 4 KiB says which one it is.
func stampedBlocks(size int) string {
	var b strings.Builder
	b.Grow(size)
	for i := range size / 4096 {
		b.WriteString(strings.Repeat(fmt.Sprintf("%011d\n", i), 341) + "....")
	}
	return b.String()
}

// Files that are read at once have the same speed, also where memory is little.
func TestManyFilesAtOnceAreFair(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	keys := names("many/", 64)
	content := strings.Repeat("0123456789abcdef", 2*mib/16)
	e.s3.putMany(t, keys, func(int) string { return content })
	m := e.mount(t, mountOptions{args: []string{"--memory-limit=64MiB"}})
	e.lab.SetShape(lab.Shape{LatencyMS: 25, JitterMS: 5, StreamMBps: 60})
	m.py(t, `
import threading,time
names=sorted(os.listdir(MNT+'/many')); assert len(names)==64
took={}; bad=[]; gate=threading.Barrier(64)
def read(n):
    gate.wait(); t=time.time(); size=0
    with open(MNT+'/many/'+n,'rb',buffering=0) as f:
        while True:
            b=f.read(1<<20)
            if not b: break
            size+=len(b)
    took[n]=time.time()-t
    if size!=2097152: bad.append((n,size))
ts=[threading.Thread(target=read,args=(n,)) for n in names]
[x.start() for x in ts]; [x.join() for x in ts]
assert not bad, bad
# Nobody starves: the bench has the figure, this is far beyond any noise.
assert max(took.values()) < 10*sorted(took.values())[32], sorted(took.values())
`)
}
