package integration

import (
	"slices"
	"strings"
	"syscall"
	"testing"
)

// An open file that another client has replaced or removed can be removed and
// renamed over: nothing waits for itself.
func TestRemoveOpenFileThatChanged(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	e.s3.putMany(t, []string{"replaced", "replaced2", "removed", "removed2"}, func(int) string { return "old content" })
	for name, change := range map[string]string{"replaced": `s3 put $F $W/new`, "removed": `s3 rm $F`} {
		m.sh(t, `F=`+name+`; echo new, and longer > $W/new; echo x > $MNT/x
			exec 3<$MNT/$F; head -c 1 <&3 >/dev/null; `+change+`; timeout 20 rm $MNT/$F || [ $? -ne 124 ]; ls $MNT
			F=${F}2; exec 4<>$MNT/$F; printf y >&4; `+change+`
			timeout 20 mv $MNT/x $MNT/$F || [ $? -ne 124 ]; exec 4>&- || true; timeout 20 ls $MNT; rm -f $MNT/x`)
	}
}

// A program that is still writing is not cut off in the middle: the end of the
// mount keeps the old object whole, and the half-written content for recovery.
func TestEndKeepsHalfWrittenFile(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	e.s3.put(t, "f", "the old content, whole\n")
	done := make(chan result, 1)
	go func() {
		// One process: a child that ends would close, and so flush, the descriptor.
		done <- m.tryPy(scriptTimeout, `
fd=os.open(MNT+'/f',os.O_WRONLY|os.O_TRUNC); os.write(fd,bytes(100000)); open(W+'/writing','w').close()
while not os.path.exists(W+'/end'): time.sleep(0.05)`)
	}()
	m.sh(t, `until test -e $W/writing; do sleep 0.05; done`)
	if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	if !m.waitEnded(unmountTimeout) || m.exit == nil {
		t.Errorf("exit %v, want one that says so", m.exit)
	}
	m.sh(t, `touch $W/end`)
	<-done
	if got := e.s3.get(t, "f"); got != "the old content, whole\n" {
		t.Errorf("the object has %d bytes of a half-written file", len(got))
	}
	m.start(t)
	if list := m.sh(t, `$PAILFS recover $MNT`); !strings.Contains(list, "98 KiB") {
		t.Errorf("recover: %q", list)
	}
}

// A handle with stored content of its own does not hide a newer version from
// others; it keeps its own.
func TestOpenSeesNewerThanOpenHandle(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	got := m.py(t, `
fd=os.open(MNT+'/f',os.O_RDWR|os.O_CREAT); os.write(fd,b'mine'); os.fsync(fd)
open(W+'/new','w').write('theirs, newer'); subprocess.run(['s3','put','f',W+'/new'],check=True)
time.sleep(1.1)
print(open(MNT+'/f').read(), os.pread(fd,99,0).decode()); os.close(fd)`)
	if got != "theirs, newer mine" {
		t.Errorf("got %q", got)
	}
}

// Renames of a directory against removals, creations and listings in it: no
// name is lost, none comes back, and nothing is stored at an old key.
func TestRenameAgainstChangesBelow(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	m.sh(t, `mkdir -p $MNT/a/sub; for i in $(seq 60); do echo $i > $MNT/a/$i; done
		( for i in $(seq 12); do mv $MNT/a $MNT/b; mv $MNT/b $MNT/a; done ) &
		( cd $MNT/a; for i in $(seq 60); do rm $i; echo n$i > n$i; echo s$i > sub/s$i; done ) &
		( cd $MNT/a; for i in $(seq 40); do ls -l . sub >/dev/null; done ) & wait
		ls $MNT/a $MNT/a/sub > $W/shown`)
	var want []string
	for _, n := range names("", 60) {
		n = strings.TrimLeft(n, "0")
		want = append(want, "a/n"+n, "a/sub/s"+n)
	}
	want = append(want, "a/", "a/sub/")
	slices.Sort(want)
	if got := e.s3.ls(t, ""); !slices.Equal(got, want) {
		t.Errorf("keys: %d, want %d\n%q", len(got), len(want), got)
	}
	m.remount(t)
	m.wantSh(t, `ls $MNT/a $MNT/a/sub | diff $W/shown - && cat $MNT/a/n* $MNT/a/sub/s* | wc -l`, "120")
}

// A directory that is renamed while it is read shows each name once, and its
// new entries are the ones that work.
func TestRenameWhileListing(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	e.s3.putMany(t, names("a/", 2500), empty)
	got := m.py(t, `
it=os.scandir(MNT+'/a'); seen=[next(it).name for _ in range(100)]
os.rename(MNT+'/a',MNT+'/b'); seen+=[e.name for e in it]
print(len(seen), len(set(seen)))
fd=os.open(MNT+'/b/002400',os.O_WRONLY); os.write(fd,b'x'); os.close(fd)
print(os.path.exists(MNT+'/a'))`)
	if got != "2500 2500\nFalse" {
		t.Errorf("got %q", got)
	}
	if got := e.s3.get(t, "b/002400"); got != "x" {
		t.Errorf("b/002400: %q", got)
	}
	if got := e.s3.ls(t, "a/"); len(got) > 0 {
		t.Errorf("left at the old name: %q", got)
	}
}

// An open with O_CREAT of a name that another client has removed creates it,
// whatever is still believed of it.
func TestCreateWhereOthersRemoved(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{args: []string{"--metadata-ttl", "1h"}})
	m.sh(t, `echo 1 > $MNT/f; cat $MNT/f; s3 rm f; sleep 1.2; echo 2 > $MNT/f; ! cat $MNT/none`)
	if got := e.s3.get(t, "f"); got != "2\n" {
		t.Errorf("object: %q", got)
	}
	m.sh(t, `s3 rm f; sleep 1.2; ! cat $MNT/f; ! ls $MNT | grep f`)
}

// K02 B30: several processes make, read and remove one name. Creating never
// fails, and what was opened can be read. (An open for reading alone may lose
// against two removals in a row, SEMANTICS 11.2.)
func TestOneNameForSeveral(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	m.sh(t, `for p in 1 2 3 4; do (
		for i in $(seq 40); do
			echo $p$i > $MNT/foo || { echo "create failed" >&2; exit 1; }
			if exec 3<$MNT/foo; then cat <&3 >/dev/null || { echo "read failed" >&2; exit 1; }; exec 3<&-; fi 2>/dev/null || true
			rm -f $MNT/foo
		done ) & jobs="${jobs-} $!"; done
		for j in $jobs; do wait $j; done`)
}
