package integration

import (
	"encoding/binary"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pailfs/pailfs/integration/lab"
)

// diskMount mounts with a disk cache, which two mounts of one env share.
func (e *env) diskMount(t *testing.T, more ...string) *mount {
	t.Helper()
	args := []string{"--cache-dir", e.cacheDir(), "--cache-min-free", "0", "--metadata-ttl", shortTTL}
	return e.mount(t, mountOptions{args: slices.Concat(args, more)})
}

func (e *env) cacheDir() string { return filepath.Join(e.dir, "cache") }

// cacheFiles are all files of the disk cache whose name ends in suffix. Those that
// go away meanwhile are left out.
func (e *env) cacheFiles(t *testing.T, suffix string) (list []string) {
	t.Helper()
	_ = filepath.WalkDir(e.cacheDir(), func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && strings.HasSuffix(path, suffix) {
			list = append(list, path)
		}
		return nil
	})
	return list
}

// cachedBlocks counts blocks that the disk cache has, by its index files.
func (e *env) cachedBlocks(t *testing.T) (n int) {
	t.Helper()
	const header = 64
	for _, path := range e.cacheFiles(t, ".index") {
		p, err := os.ReadFile(path)
		if err != nil || len(p) < header {
			continue // evicted, or being made
		}
		for p = p[header:]; len(p) >= 4; p = p[4:] {
			if binary.LittleEndian.Uint32(p) != 0 {
				n++
			}
		}
	}
	return n
}

// waitCached waits until the disk cache has so many blocks: reads do not wait for
// what they brought to be stored.
func (e *env) waitCached(t *testing.T, blocks int) {
	t.Helper()
	got := 0
	for end := time.Now().Add(scriptTimeout); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if got = e.cachedBlocks(t); got >= blocks {
			return
		}
	}
	t.Fatalf("%d blocks are cached, want %d", got, blocks)
}

// waitStored waits until the disk cache has these blocks of its only version, given
// as numbers with spaces between.
func (e *env) waitStored(t *testing.T, blocks string) {
	t.Helper()
	missing := 0
	for end := time.Now().Add(scriptTimeout); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		missing = 0
		for _, word := range strings.Fields(blocks) {
			i, err := strconv.Atoi(word)
			if err != nil {
				t.Fatal(err)
			}
			if !e.isStored(t, i) {
				missing++
			}
		}
		if missing == 0 {
			return
		}
	}
	t.Fatalf("%d blocks that were read are not cached", missing)
}

func (e *env) isStored(t *testing.T, block int) bool {
	t.Helper()
	const header = 64
	for _, path := range e.cacheFiles(t, ".index") {
		if p, err := os.ReadFile(path); err == nil && len(p) >= header+4*block+4 {
			return binary.LittleEndian.Uint32(p[header+4*block:]) != 0
		}
	}
	return false
}

func blocksOf(sizes ...int64) (n int) {
	for _, size := range sizes {
		n += int((size + 4095) / 4096)
	}
	return n
}

// gets is how many GETs were sent since the last call.
func (e *env) gets() int64 { return e.takeRequests()["GetObject"] }

// wantGets checks it.
func (e *env) wantGets(t *testing.T, when string, want int64) {
	t.Helper()
	if cost := e.takeRequests(); cost["GetObject"] != want {
		t.Errorf("%s: %v, want %d GETs", when, cost, want)
	}
}

// logged is how often the mount's log has what.
func (m *mount) logged(t *testing.T, what string) int {
	t.Helper()
	text, err := os.ReadFile(m.logFile)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Count(string(text), what)
}

// uncache drops what the kernel's page cache has of the files of a mount.
const uncache = `
def uncache(path):
    fd=os.open(path,os.O_RDONLY); os.posix_fadvise(fd,0,0,os.POSIX_FADV_DONTNEED); os.close(fd)
`

// What was read once is not fetched again, also after a remount. Nobody else can
// read it in the cache.
func TestDiskCacheSurvivesRemount(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	m := e.diskMount(t)
	e.s3.putFile(t, "f", m.local(t, "f", 20*mib+5))
	m.sh(t, `cmp $W/f $MNT/f`)
	if n := e.gets(); n == 0 {
		t.Error("the first read sent no GET: nothing is counted")
	}
	e.waitCached(t, blocksOf(20*mib+5))
	for range 2 {
		m.remount(t)
		m.sh(t, `cmp $W/f $MNT/f`)
		e.wantGets(t, "after a remount", 0)
	}
	other := e.diskMount(t)
	other.sh(t, `cmp `+m.work+`/f $MNT/f`)
	e.wantGets(t, "by another mount", 0)
	// Also below a draft: of what is written to, the rest is there.
	other.py(t, `
fd=os.open(MNT+'/f',os.O_RDWR); os.pwrite(fd,b'x',5)
want=open('`+m.work+`/f','rb').read()
for off in range(1<<20,20<<20,3<<20): assert os.pread(fd,5000,off)==want[off:off+5000]
os.ftruncate(fd,0)`)
	e.wantGets(t, "below a draft", 0)
	e.wantPrivateCache(t)
}

func (e *env) wantPrivateCache(t *testing.T) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(e.cacheDir(), func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err != nil {
			return err
		}
		want := os.FileMode(0o600)
		if d.IsDir() {
			want = 0o700
		} else {
			files++
		}
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%s has mode %o, want %o", path, got, want)
		}
		return nil
	})
	if err != nil || files < 2 {
		t.Errorf("%d files in the cache: %v", files, err)
	}
}

// A mount that is killed while it stores leaves no wrong byte to the next.
func TestDiskCacheSurvivesKill(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	m := e.diskMount(t)
	const size = 24*mib + 77
	e.s3.putFile(t, "f", m.local(t, "f", size))
	for i := range 4 {
		done := make(chan result, 1)
		go func() { done <- m.try(scriptTimeout, `cat $MNT/f > /dev/null`) }()
		e.waitCached(t, (i+1)*blocksOf(size)/5) // the store is in full swing
		m.kill9()
		<-done
		m.start(t)
		t.Logf("killed with %d of %d blocks cached", e.cachedBlocks(t), blocksOf(size))
	}
	m.sh(t, `cmp $W/f $MNT/f`)
	e.waitCached(t, blocksOf(size))
	m.remount(t)
	e.gets()
	m.sh(t, `cmp $W/f $MNT/f`)
	e.wantGets(t, "when all is cached", 0)
	if n := m.logged(t, "damaged"); n > 0 {
		t.Errorf("%d blocks were damaged by a mere kill", n)
	}
}

// Single pages that were read are there the next time, and no others are needed.
func TestDiskCacheRandomReads(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	m := e.diskMount(t)
	e.s3.putFile(t, "f", m.local(t, "f", 20*mib+5))
	// Fewer than make a reader fetch all of the object behind its reads.
	const read = uncache + `
import random
rnd=random.Random(7); fd=os.open(MNT+'/f',os.O_RDONLY); want=os.open(W+'/f',os.O_RDONLY)
os.posix_fadvise(fd,0,0,os.POSIX_FADV_RANDOM)
blocks=[rnd.randrange(5120) for _ in range(60)]
for i in blocks: assert os.pread(fd,4096,i*4096)==os.pread(want,4096,i*4096), i
os.close(fd); uncache(MNT+'/f'); print(*blocks)`
	e.waitStored(t, m.py(t, read))
	first := e.gets()
	t.Logf("%d GETs at first", first)
	if first < 30 {
		t.Errorf("%d GETs: too few to tell", first)
	}
	m.py(t, read)
	e.wantGets(t, "again", 0)
	m.remount(t)
	m.py(t, read)
	e.wantGets(t, "after a remount", 0)
	m.sh(t, `cmp $W/f $MNT/f`)
}

// Another client's version is another content: it is shown by the next open, and
// the one before never again.
func TestDiskCacheOfReplacedObject(t *testing.T) {
	t.Parallel() // it waits more than it works
	e := newEnv(t, envOptions{lab: true})
	m := e.diskMount(t)
	for i, size := range []int{3*mib + 1, 3*mib + 1, 2*mib + 5, 5 * mib} {
		content := strings.Repeat(fmt.Sprintf("version %07d\n", i), size/16)
		e.s3.put(t, "f", content)
		time.Sleep(expired)
		for _, when := range []string{"new", "again", "after a remount"} {
			if when == "after a remount" {
				e.waitCached(t, blocksOf(int64(len(content))))
				m.remount(t)
				e.gets()
			}
			if r := m.try(scriptTimeout, `cat $MNT/f`); r.code != 0 || r.stdout != content {
				t.Errorf("version %d, %s: %v", i, when, r)
			}
		}
		e.wantGets(t, "after a remount", 0)
	}
}

// Two mounts read the same and other files at the same time, in a cache that is
// far too small for them. It keeps its bound all the while.
func TestDiskCacheSharedAndSmall(t *testing.T) {
	e := newEnv(t, envOptions{})
	const size = 16 * mib
	mounts := []*mount{e.diskMount(t, "--cache-size", "16MiB"), e.diskMount(t, "--cache-size", "16MiB")}
	src := t.TempDir()
	for i, n := range []int64{3 * mib, 6*mib + 1, 3*mib + 4097, 9 * mib, 100, 4 * mib, 2*mib + 3} {
		name := fmt.Sprintf("f%d", i)
		path := mounts[0].local(t, name, n)
		e.s3.putFile(t, name, path)
		if err := os.Rename(path, filepath.Join(src, name)); err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan result, 4)
	for i := range cap(done) {
		go func() { done <- mounts[i%2].tryPy(scriptTimeout, fmt.Sprintf(smallCacheReader, i, src)) }()
	}
	most, evicted := e.watchCache(done, cap(done), func(r result) {
		if r.code != 0 {
			t.Errorf("reader: %v", r)
		}
	})
	// One process more than one, and both before their first look; and what is on its
	// way to the disk when the limit is looked at.
	if bound := int64(size + 3*size/16 + 2*mib); most > bound {
		t.Errorf("the cache took %d KiB, want at most %d", most/1024, bound/1024)
	}
	t.Logf("at most %d KiB of %d", most/1024, size/1024)
	if !evicted || most < size/2 {
		t.Errorf("most %d KiB, evicted %v: too little to tell", most/1024, evicted)
	}
	for _, m := range mounts {
		if n := m.logged(t, "damaged"); n > 0 {
			t.Errorf("%d blocks were damaged", n)
		}
	}
}

// smallCacheReader reads all files again and again, from the mount and not from
// the kernel's page cache. Half of the readers go in the other direction.
const smallCacheReader = uncache + `
import random
seed,src=%d,%q; rnd=random.Random(seed); names=sorted(os.listdir(src),reverse=seed//2==1)
end=time.time()+6; n=0
while time.time()<end:
    for name in names:
        want=open(src+'/'+name,'rb').read(); uncache(MNT+'/'+name)
        with open(MNT+'/'+name,'rb',buffering=0) as f:
            if rnd.random()<0.3: f.seek(rnd.randrange(len(want)))
            at=f.tell(); got=b''.join(iter(lambda: f.read(1<<20),b''))
        assert got==want[at:], 'wrong bytes: %%s from %%d: %%d of %%d' %% (name,at,len(got),len(want)-at)
        n+=1
print(n)`

// watchCache measures the cache until so many results are there.
func (e *env) watchCache(done <-chan result, n int, check func(result)) (most int64, shrank bool) {
	last := int64(0)
	for n > 0 {
		select {
		case r := <-done:
			check(r)
			n--
		case <-time.After(5 * time.Millisecond):
		}
		now := diskUsage(e.cacheDir())
		most, shrank, last = max(most, now), shrank || now < last, now
	}
	return most, shrank
}

// diskUsage is what du would say, in bytes.
func diskUsage(dir string) (sum int64) {
	_ = filepath.WalkDir(dir, func(path string, _ fs.DirEntry, _ error) error {
		var st syscall.Stat_t
		if syscall.Lstat(path, &st) == nil { // what is gone takes nothing
			sum += st.Blocks * 512
		}
		return nil
	})
	return sum
}

// What was to be read ahead of one version, and comes when this mount has stored the
// next, is not kept as the first one's: somebody may put that back.
func TestDiskCacheOfOwnNewVersion(t *testing.T) {
	t.Parallel() // it waits more than it works
	e := newEnv(t, envOptions{lab: true})
	m := e.diskMount(t)
	const size = 4 * mib
	before, after := strings.Repeat("before..", size/8), strings.Repeat("after...", size/8)
	e.s3.put(t, "f", before)
	m.sh(t, `ls $MNT`)
	// The first GET passes; what is read ahead has to wait.
	e.setFaults(t, lab.Rule{Kind: lab.KindError500, Probability: 1, Skip: 1, Key: "f", Ops: []string{"GetObject"}})
	done := make(chan result, 1)
	go func() {
		done <- m.tryPy(scriptTimeout, `
import time
F=MNT+'/f'; SIZE=4<<20; new=b'after...'*(SIZE//8)
r=os.open(F,os.O_RDONLY); os.posix_fadvise(r,0,0,os.POSIX_FADV_RANDOM)
for i in range(6): assert os.pread(r,1<<17,i<<17)==b'before..'*(1<<14)
w=os.open(F,os.O_WRONLY); assert os.pwrite(w,new,0)==SIZE; os.close(w)
open(W+'/written','w').close()
while not os.path.exists(W+'/end'): time.sleep(0.05)
assert os.pread(r,SIZE,0)==new
os.close(r)`)
	}()
	m.sh(t, `until test -e $W/written; do sleep 0.05; done`)
	e.lab.ClearFaults()
	time.Sleep(6 * time.Second) // longer than a request waits before it is sent again
	m.sh(t, `touch $W/end`)
	if r := <-done; r.code != 0 {
		t.Errorf("reader and writer: %v", r)
	}
	m.wantFile(t, "f", after)
	e.s3.put(t, "f", before)
	m.remount(t)
	m.wantFile(t, "f", before)
}
