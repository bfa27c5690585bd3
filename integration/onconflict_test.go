package integration

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
)

// lostWrites are ways to lose against another client, who has stored "theirs\n" or
// removed the file when they close it: what they print, and what they have written.
var lostWrites = []struct {
	name, before, script, printed, mine string
	removed                             bool
}{
	{name: "edit of an old file", before: "old content\n", script: `
fd=os.open(F,os.O_RDWR); os.pwrite(fd,b'MINE',0); hold(); end(fd)`, printed: "ok", mine: "MINEcontent\n"},
	{name: "append", before: "old\n", script: `
fd=os.open(F,os.O_WRONLY|os.O_APPEND); os.write(fd,b'MINE'); hold(); end(fd)`, printed: "ok", mine: "old\nMINE"},
	{name: "cut", before: "old content\n", script: `
fd=os.open(F,os.O_RDWR); os.ftruncate(fd,5); hold(); end(fd)`, printed: "ok", mine: "old c"},
	{name: "overwrite", before: "old content\n", script: `
fd=os.open(F,os.O_WRONLY|os.O_TRUNC); os.write(fd,b'MINE'); hold(); end(fd)`, printed: "ok", mine: "MINE"},
	{name: "new file", script: `
fd=os.open(F,os.O_WRONLY|os.O_CREAT); os.write(fd,b'MINE'); hold(); end(fd)`, printed: "ok", mine: "MINE"},
	{name: "large", script: `
fd=os.open(F,os.O_RDWR|os.O_CREAT); os.write(fd,b'MINE'*2200000); hold(); end(fd)`, printed: "ok", mine: strings.Repeat("MINE", 2200000)},
	{name: "removed", before: "old content\n", removed: true, script: `
fd=os.open(F,os.O_RDWR); os.pwrite(fd,b'MINE',0); hold(); end(fd)`, printed: "ok", mine: "MINEcontent\n"},
	// The program goes on after fsync: with what it has written, wherever that is.
	{name: "fsync", before: "old content\n", script: `
fd=os.open(F,os.O_RDWR); os.pwrite(fd,b'MINE',0); hold(); end(fd, os.fsync)
os.pwrite(fd,b'more',4); print(os.pread(fd,99,0).decode().strip(), os.fstat(fd).st_size); end(fd)`,
		printed: "ok\nMINEmoreent 12\nok", mine: "MINEmoreent\n"},
}

// --on-conflict=copy: close returns 0, what was written is beside the file, and its
// name shows the other's version. The log and the status name the copy.
func TestConflictCopies(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{args: []string{"--on-conflict=copy"}})
	var all []string
	for i, c := range lostWrites {
		f := m.lose(t, i, "theirs\n")
		copies := slices.DeleteFunc(e.s3.ls(t, f), func(key string) bool { return key == f })
		if len(copies) != 1 || !strings.HasPrefix(copies[0], f+".conflict-") {
			t.Fatalf("%s: copies %q", c.name, copies)
		}
		all = append(all, copies...)
		m.wantFile(t, copies[0], c.mine)
		if c.removed {
			m.sh(t, `! cat $MNT/`+f)
		} else {
			m.wantFile(t, f, "theirs\n")
		}
		if n := m.logged(t, copies[0]); n == 0 {
			t.Errorf("%s: the log does not name the copy", c.name)
		}
		m.sh(t, fmt.Sprintf(`echo after > $MNT/%s; echo after > $MNT/%s`, f, copies[0]))
		for _, key := range []string{f, copies[0]} {
			if got := e.s3.get(t, key); got != "after\n" {
				t.Errorf("%s: %s is %q", c.name, key, clip(got))
			}
		}
	}
	var status []struct {
		Copies        []struct{ Path, Copy string } `json:"conflict_copies"`
		Pending, Kept []struct{ Path string }
	}
	if err := json.Unmarshal([]byte(m.sh(t, `$PAILFS status --json $MNT`)), &status); err != nil {
		t.Fatal(err)
	}
	if s := status[0]; len(s.Copies) != len(all) || s.Copies[0].Copy != all[0] || len(s.Pending)+len(s.Kept) != 0 {
		t.Errorf("status: %+v", s)
	}
	if text := m.statusText(t); !strings.Contains(text, all[0]) {
		t.Errorf("status: %s", text)
	}
	e.wantNoUploads(t)
}

// --on-conflict=overwrite: the last writer wins, and the log says so.
func TestConflictOverwrites(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{args: []string{"--on-conflict=overwrite"}})
	for i, c := range lostWrites {
		f := m.lose(t, i, "theirs\n")
		m.wantFile(t, f, c.mine)
		if keys := e.s3.ls(t, f); len(keys) != 1 {
			t.Errorf("%s: keys %q", c.name, keys)
		}
	}
	if n := m.logged(t, "overwrote a version"); n < len(lostWrites) {
		t.Errorf("the log says so %d times, want %d", n, len(lostWrites))
	}
	e.wantNoUploads(t)
}

// lose runs the i-th writer of lostWrites, and meanwhile another client. It returns
// the key that both write.
func (m *mount) lose(t *testing.T, i int, theirs string) string {
	t.Helper()
	c, f := lostWrites[i], fmt.Sprintf("d%d/f", i)
	m.e.s3.put(t, fmt.Sprintf("d%d/other", i), "")
	if c.before != "" {
		m.e.s3.put(t, f, c.before)
	}
	got := m.conflicting(t, fmt.Sprintf("F=MNT+'/%s'\n", f)+c.script, func() {
		if c.removed {
			m.e.s3.rm(t, f)
		} else {
			m.e.s3.put(t, f, theirs)
		}
	})
	if got != c.printed {
		t.Errorf("%s: the writer: %q, want %q", c.name, got, c.printed)
	}
	return f
}

// Where bytes of the version that was edited would be needed, which is gone, both
// policies keep the content as fail does.
func TestConflictWithoutItsBase(t *testing.T) {
	for _, policy := range []string{"copy", "overwrite"} {
		t.Run(policy, func(t *testing.T) {
			e := newEnv(t, envOptions{})
			m := e.mount(t, mountOptions{args: []string{"--on-conflict", policy}})
			e.s3.putFile(t, "f", m.local(t, "f", 40*mib))
			got := m.conflicting(t, `
fd=os.open(MNT+'/f',os.O_RDWR); os.pwrite(fd,b'MINE',20<<20); hold(); end(fd)`, func() { e.s3.put(t, "f", "theirs\n") })
			if got != "ESTALE" {
				t.Errorf("close: %q, want ESTALE", got)
			}
			m.wantFile(t, "f", "theirs\n")
			if text := m.statusText(t); !strings.Contains(text, "conflict") {
				t.Errorf("status: %s", text)
			}
			if keys := e.s3.ls(t, ""); len(keys) != 1 {
				t.Errorf("keys: %q", keys)
			}
			e.wantNoUploads(t)
		})
	}
}
