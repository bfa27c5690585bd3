package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
	"testing"
	"time"
)

// racingReader opens, reads and closes $F again and again. Whatever it is given is
// numbers of versions, all the same if WHOLE: a write in place is no unit for those
// who read meanwhile, on any file system.
const racingReader = `
import json
F=MNT+'/f'; n=dict(reads=0,stale=0,versions=0); seen=set(); end=time.time()+SECONDS
while time.time()<end:
    try:
        fd=os.open(F,os.O_RDONLY)
        try:
            size=os.fstat(fd).st_size; data=b''
            while True:
                b=os.read(fd,1<<20)
                if not b: break
                data+=b
        finally: os.close(fd)
    except OSError as e:
        if e.errno==errno.ESTALE and STALE: n['stale']+=1; continue
        raise
    assert len(data)==SIZE and (size==SIZE), 'read %d bytes, fstat says %d'%(len(data),size)
    parts=set(data[i:i+8] for i in range(0,SIZE,8))
    for v in parts: assert v.isdigit() and int(v)<100000, 'not of a version: %r'%v
    assert not WHOLE or len(parts)==1, 'a mix: %r'%(parts,)
    n['reads']+=1; seen|=parts
n['versions']=len(seen)
print(json.dumps(n))`

const racingHead = "SIZE=%d; SECONDS=%g; WHOLE=%s; STALE=%s\n"

// racingWriters put one version after another at f, by ways of their own.
var racingWriters = []struct {
	name, whole, script string
	replaced            bool // an open may lose against two replacements in a row
}{
	{"renames", "True", `open(F+'.new','wb').write(body(i)); os.rename(F+'.new',F)`, true},
	{"writes", "False", `
    fd=os.open(F,os.O_WRONLY); assert os.pwrite(fd,body(i),0)==SIZE; os.close(fd)`, false},
	{"both", "False", `
    if i%2: open(F+'.new','wb').write(body(i)); os.rename(F+'.new',F)
    else:
        with open(F,'r+b',buffering=0) as f: f.write(body(i))`, true},
	{"chmod", "True", `os.chmod(F,0o600+i%2)`, false},
}

// Readers whose reads the kernel does, and a writer, open and close one file all
// the time: nobody is told of an error, and no reader gets a mix.
func TestPassthroughRaces(t *testing.T) {
	const size, seconds = 5 * 4096, 3.0
	for _, c := range racingWriters {
		t.Run(c.name, func(t *testing.T) {
			e := newEnv(t, envOptions{})
			m := e.passMount(t)
			e.s3.put(t, "f", string(bytes.Repeat([]byte("00000000"), size/8)))
			m.warm(t, "f")
			before := m.logged(t, passing)
			head := fmt.Sprintf(racingHead, size, seconds, c.whole, map[bool]string{true: "True", false: "False"}[c.replaced])
			m.race(t, head, func() {
				r := m.tryPy(scriptTimeout, head+`
F=MNT+'/f'; end=time.time()+SECONDS; i=0
def body(i): return b'%08d'%i*(SIZE//8)
while time.time()<end:
    i+=1
    `+c.script+`
    if i%4==0: time.sleep(0.03)
print(i)`)
				if r.code != 0 {
					t.Errorf("writer: %v", r)
				}
				t.Logf("%s versions", r.stdout)
			})
			if n := m.logged(t, passing) - before; n == 0 {
				t.Error("no open was left to the kernel")
			} else {
				t.Logf("%d opens were left to the kernel", n)
			}
		})
	}
}

// The same, where another client replaces the object: a reader may be told ESTALE.
func TestPassthroughReplacedObject(t *testing.T) {
	const size, seconds = 5 * 4096, 4.0
	e := newEnv(t, envOptions{})
	m := e.passMount(t)
	body := func(i int) []byte { return bytes.Repeat(fmt.Appendf(nil, "%08d", i), size/8) }
	e.s3.put(t, "f", string(body(0)))
	m.warm(t, "f")
	m.race(t, fmt.Sprintf(racingHead, size, seconds, "True", "True"), func() {
		for i := range int(seconds * 5) {
			if err := e.s3.putReader("f", bytes.NewReader(body(i+1)), size); err != nil {
				t.Error(err)
			}
			time.Sleep(200 * time.Millisecond)
		}
	})
}

// race runs three readers beside write.
func (m *mount) race(t *testing.T, head string, write func()) {
	t.Helper()
	results := make([]result, 3)
	var wg sync.WaitGroup
	for i := range results {
		wg.Go(func() { results[i] = m.tryPy(scriptTimeout, head+racingReader) })
	}
	write()
	wg.Wait()
	for _, r := range results {
		var n struct{ Reads, Stale, Versions int }
		if err := json.Unmarshal([]byte(r.stdout), &n); r.code != 0 || err != nil {
			t.Errorf("reader: %v (%v)", r, err)
			continue
		}
		t.Logf("%+v", n)
		if n.Reads < 20 || n.Stale > max(n.Reads/10, 40) { // of 20 replacements
			t.Errorf("%+v: too few reads to tell, or too many stale", n)
		}
	}
}
