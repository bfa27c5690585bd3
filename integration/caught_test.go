package integration

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pailfs/pailfs/integration/lab"
)

// Tests that came of deliberately broken builds: see mutants/.

// When close() or fsync() has returned 0 the object is there, however slow the
// store is to begin.
func TestCloseIsTheUpload(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	m := e.mount(t, mountOptions{})
	m.sh(t, `echo content > $W/small; head -c 9M /dev/zero > $W/large`)
	e.lab.Observe(func(op, _ string) {
		if op == "PutObject" || op == "CompleteMultipartUpload" {
			time.Sleep(400 * time.Millisecond)
		}
	})
	m.wantSh(t, `cp $W/small $MNT/f; s3 get f`, "content")
	m.wantSh(t, `cp $W/large $MNT/g; s3 get g | wc -c`, fmt.Sprint(9*mib))
	got := m.py(t, `
fd=os.open(MNT+'/s',os.O_RDWR|os.O_CREAT); os.write(fd,b'synced'); os.fsync(fd)
print(subprocess.run(['s3','get','s'],capture_output=True,text=True).stdout); os.close(fd)`)
	if got != "synced" {
		t.Errorf("after fsync the object is %q", got)
	}
	e.lab.Observe(nil)
}

// K17 B138: bodies that end too early are taken up where they stopped: for readers,
// and for an edit that needs the rest of the file.
func TestCutDownloads(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	m := e.mount(t, mountOptions{})
	e.s3.putFile(t, "f", m.local(t, "src", 12*mib))
	m.sh(t, `ls $MNT`)
	e.setFaults(t, lab.Rule{Kind: lab.KindTruncate, Probability: 0.5, AfterBytes: 300_001, Ops: []string{"GetObject"}})
	m.shFor(t, storeTimeout, `cmp $W/src $MNT/f; [ $(stat -c %s $MNT/f) = $(stat -c %s $W/src) ]`)
	m.remount(t)
	m.shFor(t, storeTimeout, `echo more >> $MNT/f; echo more >> $W/src`)
	if n := e.lab.Stats().FaultsApplied[lab.KindTruncate]; n < 3 {
		t.Errorf("%d bodies were cut: too few to tell", n)
	}
	e.lab.ClearFaults()
	if got, _ := e.s3.hash(t, "f"); got != m.sh(t, `sha256sum < $W/src | cut -d' ' -f1`) {
		t.Error("the object differs from what it was, and the edit")
	}
}

// What somebody else puts at the source while a rename has copied it, and not
// removed it yet, is not removed. For a file the kernel tries the rename once
// more, as of a file that was stale, so that it may arrive at the target.
func TestRenameKeepsForeignSource(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	e.s3.putMany(t, []string{"f", "d/a", "d/b"}, func(int) string { return "old" })
	m := e.mount(t, mountOptions{})
	const theirs = "theirs, newer"
	var file, dir sync.Once
	overwrite := func(key string) {
		if err := e.s3.putReader(key, strings.NewReader(theirs), int64(len(theirs))); err != nil {
			t.Error(err)
		}
	}
	e.lab.Observe(func(op, _ string) {
		switch op {
		case "DeleteObject":
			file.Do(func() { overwrite("f") })
		case "DeleteObjects":
			dir.Do(func() { overwrite("d/a") })
		}
	})
	m.try(scriptTimeout, `mv $MNT/f $MNT/g`)
	m.sh(t, `mv $MNT/d $MNT/e`)
	e.lab.Observe(nil)
	if at := e.s3.ls(t, "f"); len(at) == 0 && e.s3.get(t, "g") != theirs {
		t.Error("what somebody else stored at f is lost")
	}
	e.s3.wantKeys(t, "d/", "d/a")
	e.s3.wantKeys(t, "e/", "e/a", "e/b")
	if got := e.s3.get(t, "e/a"); got != "old" {
		t.Errorf("e/a is %q", got)
	}
}

// A rename of a directory that cannot copy one of its files leaves all of them
// where they are, and nothing at the new place.
func TestFailedRenameOfDirectory(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	keys := names("d/", 60)
	e.s3.putMany(t, keys, func(i int) string { return fmt.Sprint(i) })
	m := e.mount(t, mountOptions{})
	e.setFaults(t, lab.Rule{Kind: lab.KindStatus, Status: 403, Code: "AccessDenied", Probability: 1, Ops: []string{"CopyObject"}, Key: "e/000040"})
	if r := m.try(scriptTimeout, `mv $MNT/d $MNT/e`); r.code == 0 || !strings.Contains(r.stderr, "ermission denied") {
		t.Errorf("mv: %v, want EACCES", r)
	}
	e.lab.ClearFaults()
	got := e.s3.ls(t, "")
	if slices.Sort(got); !slices.Equal(got, keys) {
		t.Errorf("%d keys, want the 60 at the source: %q", len(got), got)
	}
	m.wantSh(t, `ls $MNT; cat $MNT/d/000040; mv $MNT/d $MNT/e; ls $MNT/e | wc -l`, "d\n3960")
}

// Answers to the copy and to the removal of a rename are lost: both were done,
// so it succeeds, of files that were uploaded in parts, too.
func TestLostAnswerOfRename(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	m := e.mount(t, mountOptions{})
	m.sh(t, `head -c 9M /dev/urandom > $W/large; mkdir $MNT/d; cp $W/large $MNT/d/large; cp $W/large $MNT/large
		echo small > $MNT/small; echo small > $MNT/d/small; ls -l $MNT $MNT/d >/dev/null`)
	lost := lab.Rule{Kind: lab.KindReset, Probability: 1, Limit: 1, AfterBytes: -1}
	for _, ops := range [][]string{{"CopyObject"}, {"DeleteObject"}, {"DeleteObjects"}} {
		lost.Ops = ops
		for _, name := range []string{"small", "large", "d"} {
			e.setFaults(t, lost)
			m.sh(t, fmt.Sprintf(`mv -T $MNT/%s $MNT/moved; mv -T $MNT/moved $MNT/%s`, name, name))
		}
	}
	e.lab.ClearFaults()
	// A copy is one part: what is copied next is uploaded anew.
	m.sh(t, `rm $MNT/d/large; cp $W/large $MNT/d/large`)
	e.s3.wantKeys(t, "", "d/", "d/large", "d/small", "large", "small")
	m.wantRenames(t)
	m.remount(t)
	// Also where the metadata of what is copied is not known yet.
	lost.Ops, lost.Key = []string{"CopyObject"}, "e/large"
	e.setFaults(t, lost)
	m.sh(t, `mv -T $MNT/d $MNT/e; cmp $W/large $MNT/e/large; cmp $W/large $MNT/large`)
	e.s3.wantKeys(t, "", "e/", "e/large", "e/small", "large", "small")
	m.wantRenames(t)
}

// wantRenames: none has failed. The kernel repeats one that fails with ESTALE,
// and mv one that finds what the first has left, so that both seem to work.
func (m *mount) wantRenames(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(m.logFile)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "rename failed") {
		t.Errorf("a rename failed: %s", around(string(text), "rename failed"))
	}
}

// Each close() whose answer is lost returns 0, and leaves what it was given. A
// shell would not do: it ignores the errors of its redirections.
func TestLostAnswerOfClose(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	m := e.mount(t, mountOptions{})
	for _, name := range []string{"small", "large"} {
		for _, c := range []struct{ word, flags string }{{"new", "os.O_CREAT"}, {"edit", "0"}, {"over", "os.O_TRUNC"}} {
			e.setFaults(t, lab.Rule{
				Kind: lab.KindReset, Probability: 1, Limit: 1, AfterBytes: -1, Ops: []string{"PutObject", "CompleteMultipartUpload"},
			})
			n := map[string]int{"small": 10, "large": 9 * mib}[name]
			m.py(t, fmt.Sprintf(`
fd=os.open(MNT+'/%s',os.O_RDWR|%s); os.write(fd,b'%s'+bytes(%d)); os.close(fd)`, name, c.flags, c.word, n))
			if lost := e.lab.Reset().FaultsApplied[lab.KindReset]; lost != 1 {
				t.Errorf("%s, %s: %d answers were lost, want 1", name, c.word, lost)
			}
			if got := e.s3.get(t, name); !strings.HasPrefix(got, c.word) {
				t.Errorf("%s, %s: the object is not what was closed", name, c.word)
			}
		}
	}
}
