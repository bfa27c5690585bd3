package integration

import (
	"fmt"
	"strings"
	"testing"
)

// K10 B101, between machines: with --exclusive=open, of two mounts that create one
// name with O_EXCL at once, exactly one succeeds, and the other is told EEXIST.
func TestLockFilesBetweenMounts(t *testing.T) {
	e := newEnv(t, envOptions{})
	const locks = 40
	var mounts [2]*mount
	for i := range mounts {
		mounts[i] = e.mount(t, mountOptions{args: []string{"--exclusive=open"}})
	}
	results := make([]chan result, len(mounts))
	for i, m := range mounts {
		results[i] = make(chan result, 1)
		go func() {
			results[i] <- m.tryPy(scriptTimeout, fmt.Sprintf(`
for i in range(%d):
    try: fd=os.open(MNT+'/lock%%d'%%i,os.O_CREAT|os.O_EXCL|os.O_WRONLY)
    except FileExistsError: print('lost'); continue
    os.write(fd,b'owner %d'); os.close(fd); print('won')`, locks, i))
		}()
	}
	var outcome [2][]string
	for i := range mounts {
		r := <-results[i]
		if r.code != 0 {
			t.Fatalf("mount %d: %v", i, r)
		}
		if outcome[i] = strings.Fields(r.stdout); len(outcome[i]) != locks {
			t.Fatalf("mount %d: %q", i, r.stdout)
		}
	}
	for k := range locks {
		if outcome[0][k] == outcome[1][k] {
			t.Errorf("lock %d: both %s", k, outcome[0][k])
			continue
		}
		winner := 0
		if outcome[1][k] == "won" {
			winner = 1
		}
		if got := e.s3.get(t, fmt.Sprintf("lock%d", k)); got != fmt.Sprintf("owner %d", winner) {
			t.Errorf("lock %d holds %q, and mount %d won", k, got, winner)
		}
	}
	// Who has lost sees whose it is, and who removes the lock frees it for all.
	mounts[0].sh(t, `for i in $(seq 300); do grep -q owner $MNT/lock0 && break; sleep 0.1; done; rm $MNT/lock0`)
	mounts[1].sh(t, `set -o noclobber; for i in $(seq 300); do (: > $MNT/lock0) 2>/dev/null && exit 0; sleep 0.1; done; exit 1`)
}

// What is opened with O_EXCL and not written to is there, empty; and a name that
// others have taken since it was looked up is EEXIST at open.
func TestExclusiveOpen(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{args: []string{"--exclusive=open", "--metadata-ttl", "1h"}})
	got := m.py(t, `
fd=os.open(MNT+'/empty',os.O_CREAT|os.O_EXCL|os.O_RDWR,0o640)
print(subprocess.run(['s3','get','empty'],check=True,capture_output=True).stdout)
os.close(fd); print(oct(os.stat(MNT+'/empty').st_mode), os.listdir(MNT))
print(os.path.exists(MNT+'/taken'))
subprocess.run(['s3','put','taken','/etc/hostname'],check=True)
try: os.open(MNT+'/taken',os.O_CREAT|os.O_EXCL|os.O_WRONLY); print('BAD')
except FileExistsError: print('EEXIST')
fd=os.open(MNT+'/new',os.O_CREAT|os.O_EXCL|os.O_RDWR); os.write(fd,b'12345'); os.fsync(fd); os.write(fd,b'6'); os.close(fd)
print(open(MNT+'/new').read()); os.rename(MNT+'/new',MNT+'/moved'); os.unlink(MNT+'/empty'); print(sorted(os.listdir(MNT)))`)
	want := "b''\n0o100640 ['empty']\nFalse\nEEXIST\n123456\n['moved', 'taken']"
	if got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}
