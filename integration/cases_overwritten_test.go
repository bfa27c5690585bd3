package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"
)

// unit is what version n of an object of size bytes consists of, again and again.
// It is 23 bytes long: no shift by whole pages or blocks goes unseen.
func unit(n, size int) []byte { return fmt.Appendf(nil, "%010d %011d\n", n, size) }

// versionSize is the size of version n, in bytes: most are small, some need several
// requests, and half have the size of the one before.
func versionSize(n int) int {
	n /= 2
	switch {
	case n%128 == 0:
		return 3*mib - n%1000
	case n%16 == 0:
		return 200*1024 + n*7919%mib
	}
	return 100 + n*7919%(40*1024)
}

func versionBody(n int) []byte {
	u := unit(n, versionSize(n))
	return bytes.Repeat(u, versionSize(n)/len(u)+1)[:versionSize(n)]
}

// overwrittenReader reads F again and again until $W/stop is there. Whatever it is
// given must be one version, whole. Its last line says how often it was what.
const overwrittenReader = `
import json,random
rnd=random.Random(SEED); F=MNT+'/f'; n=dict(whole=0,kept=0,stale=0,first=0,last=0)
def version(head):
    assert len(head)>=23 and head[22:23]==b'\n', 'not a version: %r'%head[:40]
    return int(head[:10]),int(head[11:22])
def check(data,off,v,size):
    skip=off%23; u=(b'%010d %011d\n'%(v,size))
    want=(u*(len(data)//23+2))[skip:skip+len(data)]
    if data!=want:
        i=next(i for i in range(len(data)) if data[i]!=want[i])
        raise SystemExit('version %d of %d bytes: at %d: %r, want %r'%(v,size,off+i,data[i:i+46],want[i:i+46]))
def stale(f):
    try: return f()
    except OSError as e:
        if e.errno!=errno.ESTALE: raise SystemExit('%s: %s'%(f,e))
        n['stale']+=1
def whole():
    fd=os.open(F,os.O_RDONLY)
    try:
        size=os.fstat(fd).st_size; parts=[]
        while True:
            b=os.read(fd,1<<20)
            if not b: break
            parts.append(b)
        data=b''.join(parts); v,want=version(data)
        if not len(data)==want==size: raise SystemExit('version %d: read %d, fstat %d, want %d'%(v,len(data),size,want))
        check(data,0,v,size); n['whole']+=1; n['first']=n['first'] or v
        if v<n['last']: raise SystemExit('version %d after %d'%(v,n['last']))
        n['last']=v
    finally: os.close(fd)
def kept():
    fd=os.open(F,os.O_RDONLY)
    try:
        v,size=version(os.pread(fd,23,0))
        for _ in range(20):
            off=rnd.randrange(size+100); data=os.pread(fd,rnd.choice((10,5000,200000)),off)
            if off<size and not data or data and off+len(data)>size: raise SystemExit('version %d of %d bytes: %d bytes at %d'%(v,size,len(data),off))
            check(data,off,v,size); n['kept']+=1
            if os.fstat(fd).st_size!=size: raise SystemExit('version %d: the size of its handle is not %d any more'%(v,size))
    finally: os.close(fd)
while not os.path.exists(W+'/stop'):
    for _ in range(5): stale(whole)
    stale(kept)
time.sleep(1.1); whole()
print(json.dumps(n))`

// K02 B20, B21, B22: a program that reads an object which another client overwrites
// ten thousand times gets one whole version each time, or ESTALE.
func TestReadWhileOverwritten(t *testing.T) {
	e := newEnv(t, envOptions{})
	versions := 10_000
	if testing.Short() {
		versions = 500
	}
	put := func(n int) error {
		return e.s3.putReader("f", bytes.NewReader(versionBody(n)), int64(versionSize(n)))
	}
	if err := put(1); err != nil {
		t.Fatal(err)
	}
	m := e.mount(t, mountOptions{})
	const limit = 15 * time.Minute // no measure of speed
	results := make([]result, 2)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() { results[i] = m.tryPy(limit, fmt.Sprintf("SEED=%d", i)+overwrittenReader) })
	}
	begin := time.Now()
	for n := 2; n <= versions; n++ {
		if err := put(n); err != nil {
			t.Error(err)
			break
		}
	}
	t.Logf("%d versions in %v", versions, time.Since(begin).Round(time.Millisecond))
	m.sh(t, `touch $W/stop`)
	wg.Wait()
	for _, r := range results {
		var n struct{ Whole, Kept, Stale, First, Last int }
		if err := json.Unmarshal([]byte(r.stdout), &n); r.code != 0 || err != nil {
			t.Fatalf("reader: %v (%v)", r, err)
		}
		t.Logf("%+v", n)
		if n.Last != versions || n.Whole < versions/50 || n.Kept < versions/50 {
			t.Errorf("%+v, want the last version %d, and enough reads to tell", n, versions)
		}
	}
}
