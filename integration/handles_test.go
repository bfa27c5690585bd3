package integration

import (
	"fmt"
	"strings"
	"testing"
)

// K11 B104: a flush comes at every close of a dup, and from other processes.
func TestForkedAndDuplicatedDescriptors(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	m.py(t, `
fd=os.open(MNT+'/f',os.O_CREAT|os.O_WRONLY); os.set_inheritable(fd,True)
for i in range(20):
    os.write(fd,bytes([65+i])*700000); subprocess.run(['true'],close_fds=False); os.close(os.dup(fd))
os.close(fd)`)
	var want strings.Builder
	for i := range 20 {
		want.WriteString(strings.Repeat(string(rune('A'+i)), 700000))
	}
	if got := e.s3.get(t, "f"); got != want.String() {
		t.Errorf("object has %d bytes, want %d, or other content", len(got), want.Len())
	}
	m.wantSh(t, `stat -c %s $MNT/f`, "14000000")
	m.wantSh(t, `( echo a; echo b | cat; echo c ) > $MNT/g; cat $MNT/g`, "a\nb\nc")
	m.wantFile(t, "g", "a\nb\nc\n")
	if open := e.s3.mpus(t); len(open) != 0 {
		t.Errorf("open uploads: %q", open)
	}
}

// K11 B107: a reader's handle is no obstacle for a writer.
func TestWriteWhileReaderIsOpen(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	got := m.sh(t, `echo old > $MNT/f; exec 4<$MNT/f; echo new > $MNT/f; cat $MNT/f; cat <&4 || echo error; exec 4<&-`)
	first, rest, _ := strings.Cut(got, "\n")
	if first != "new" {
		t.Errorf("after the write: %q, want new", first)
	}
	if rest != "old" && rest != "new" && rest != "" {
		t.Errorf("the older handle read %q, want old, new or nothing", rest)
	}
	m.wantFile(t, "f", "new\n")
}

// K11 B108: what was just closed can be opened for writing, renamed, removed.
func TestReopenAtOnce(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	n, k := 400, 100
	if testing.Short() {
		n, k = 100, 20
	}
	got := m.sh(t, fmt.Sprintf(`
		for i in $(seq %d); do : > $MNT/f; echo $i > $MNT/f || echo BAD $i; read -r x < $MNT/f; [ "$x" = $i ] || echo STALE $i; done`, n))
	if got != "" {
		t.Errorf("%s", clip(got))
	}
	m.wantFile(t, "f", fmt.Sprintln(n))
	m.sh(t, fmt.Sprintf(`for i in $(seq %d); do echo $i > $MNT/k; mv $MNT/k $MNT/k2; rm $MNT/k2; done`, k))
	e.s3.wantKeys(t, "k")
}

// K11 B109: fsync and fdatasync store; fsync of a directory returns 0.
func TestFsync(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	got := m.py(t, `
def size():
    return subprocess.run(['s3','head','s'],capture_output=True,text=True).stdout.split(' ')[0]
fd=os.open(MNT+'/s',os.O_CREAT|os.O_WRONLY)
os.write(fd,b'x'*100000); os.fsync(fd); print(size())
os.write(fd,b'y'*7); os.fdatasync(fd); print(size())
os.close(fd)
d=os.open(MNT,os.O_RDONLY|os.O_DIRECTORY); os.fsync(d); os.close(d)`)
	if want := "100000\n100007"; got != want {
		t.Errorf("sizes in the bucket after each sync: %q, want %q", got, want)
	}
	m.sh(t, `sync -f $MNT`)
	m.wantFile(t, "s", strings.Repeat("x", 100000)+"yyyyyyy")
}

// Who opens a file to read and truncates it by that, has truncated it.
func TestTruncatedByReader(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	e.s3.put(t, "f", strings.Repeat("0123456789", 1000))
	m.py(t, `
F=MNT+'/f'
fd=os.open(F,os.O_RDONLY|os.O_TRUNC)
assert os.fstat(fd).st_size==0 and os.read(fd,100)==b''
os.close(fd)
assert os.stat(F).st_size==0 and open(F,'rb').read()==b''`)
	if got := e.s3.get(t, "f"); got != "" {
		t.Errorf("the bucket has %d bytes", len(got))
	}
}
