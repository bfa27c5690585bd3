package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// trusted is how long an open believes what was just learnt of a version:
// a HEAD begun less than a second before counts.
const trusted = 1100 * time.Millisecond

// pyHold stops a python script until what happens meanwhile is over. It must
// not fork: a child that closes its descriptors flushes the file.
const pyHold = `
def hold():
    open(W+'/held','w').close()
    while not os.path.exists(W+'/go'): time.sleep(0.02)
def end(fd, how=os.close):
    try: how(fd); print('ok')
    except OSError as e: print(errno.errorcode[e.errno])
`

// conflicting runs a writer while another client changes the bucket.
func (m *mount) conflicting(t *testing.T, script string, during func()) string {
	t.Helper()
	r := m.during(t, func() result { return m.tryPy(scriptTimeout, pyHold+script) }, during)
	if r.code != 0 {
		t.Fatalf("%v\nscript: %s", r, script)
	}
	return strings.TrimSpace(r.stdout)
}

// Another client overwrites between open and close: close fails with ESTALE,
// the bucket keeps the other version, and the draft is kept.
func TestConflictAtClose(t *testing.T) {
	for name, c := range map[string]struct{ before, script string }{
		"edit of an old file": {"old content\n", `
fd=os.open(MNT+'/f',os.O_RDWR); os.pwrite(fd,b'MINE',0); hold(); end(fd)`},
		"overwrite of an old file": {"old content\n", `
fd=os.open(MNT+'/f',os.O_WRONLY|os.O_TRUNC); os.write(fd,b'MINE'); hold(); end(fd)`},
		"new file": {"", `
fd=os.open(MNT+'/f',os.O_WRONLY|os.O_CREAT); os.write(fd,b'MINE'); hold(); end(fd)`},
		"fsync": {"old content\n", `
fd=os.open(MNT+'/f',os.O_RDWR); os.pwrite(fd,b'MINE',0); hold(); end(fd, os.fsync)
try: os.close(fd)
except OSError: pass`},
		"large": {"old content\n", `
fd=os.open(MNT+'/f',os.O_RDWR); os.write(fd,b'MINE'*5000000); hold(); end(fd)`},
	} {
		t.Run(strings.ReplaceAll(name, " ", "-"), func(t *testing.T) {
			e := newEnv(t, envOptions{})
			m := e.mount(t, mountOptions{})
			if c.before != "" {
				e.s3.put(t, "f", c.before)
			}
			if got := m.conflicting(t, c.script, func() { e.s3.put(t, "f", "theirs\n") }); got != "ESTALE" {
				t.Errorf("close: %q, want ESTALE", got)
			}
			m.wantFile(t, "f", "theirs\n")
			if text := m.statusText(t); !strings.Contains(text, "kept") || !strings.Contains(text, `"f"`) {
				t.Errorf("status does not name the kept draft: %s", text)
			}
			m.sh(t, `echo after > $MNT/f`)
			m.wantFile(t, "f", "after\n")
		})
	}
}

// The other client removes the file between open and close.
func TestRemovedBetweenOpenAndClose(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	e.s3.put(t, "f", "old content\n")
	got := m.conflicting(t, `
fd=os.open(MNT+'/f',os.O_RDWR); os.pwrite(fd,b'MINE',0); hold(); end(fd)`, func() { e.s3.rm(t, "f") })
	if got != "ESTALE" {
		t.Errorf("close: %q, want ESTALE", got)
	}
	if e.s3.exists(t, "f") {
		t.Error("the removed object is back")
	}
}

// A kept draft is not lost: it is there after a remount, and `pailfs recover`
// names it.
func TestRecoverKeptDraft(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	e.s3.put(t, "d/f", "old content\n")
	got := m.conflicting(t, `
fd=os.open(MNT+'/d/f',os.O_RDWR); os.pwrite(fd,b'MINE',0); hold(); end(fd)`, func() { e.s3.put(t, "d/f", "theirs\n") })
	if got != "ESTALE" {
		t.Fatalf("close: %q, want ESTALE", got)
	}
	m.remount(t)
	if text := m.statusText(t); !strings.Contains(text, "d/f") {
		t.Errorf("status after a remount: %s", text)
	}
	if list := m.sh(t, `$PAILFS recover $MNT`); !strings.Contains(list, "d/f") {
		t.Errorf("recover: %q, want a list with d/f", list)
	}
	m.wantFile(t, "d/f", "theirs\n")
}

// A read that meets a new version fails at most once: the next open sees it,
// also within the second in which an open trusts what was just learnt.
func TestOpenAfterStaleRead(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	for i := range 5 {
		m.sh(t, fmt.Sprintf(`echo mine-%d > $MNT/f`, i))
		e.s3.put(t, "f", fmt.Sprintf("theirs, of another size, %d\n", i))
		first := m.try(scriptTimeout, `cat $MNT/f`) // old or new content, or ESTALE
		m.wantSh(t, `cat $MNT/f`, fmt.Sprintf("theirs, of another size, %d", i))
		t.Logf("first: %v", first)
	}
}

// K02 B21: a reader that holds the file gets old bytes or an error, never a mix; a
// new open sees the new content.
func TestReaderNeverMixesVersions(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{args: []string{"--memory-limit", "32MiB"}})
	const size = 64 * mib
	e.s3.put(t, "f", strings.Repeat("A", size))
	m.sh(t, fmt.Sprintf(`head -c %d /dev/zero | tr '\0' B > $W/b; ls -l $MNT >/dev/null`, size))
	got := m.py(t, fmt.Sprintf(`
fd=os.open(MNT+'/f',os.O_RDONLY); first=os.pread(fd,65536,0)
subprocess.run(['s3','put','f',W+'/b'],check=True)
seen=set(first); o=65536; end='eof'
while o < %[1]d:
    try: b=os.pread(fd,1<<20,o)
    except OSError as e: end=errno.errorcode[e.errno]; break
    if not b: break
    seen|=set(b); o+=len(b)
print(bytes(sorted(seen)).decode(), end, o == %[1]d or end != 'eof', os.fstat(fd).st_size)
b=open(MNT+'/f','rb').read(); print(bytes(sorted(set(b))).decode(), len(b))
try: print(bytes(sorted(set(os.pread(fd,65536,0)))).decode())
except OSError as e: print('A')
os.close(fd)
b=open(MNT+'/f','rb').read(); print(bytes(sorted(set(b))).decode(), len(b))`, size))
	lines := strings.Split(got, "\n")
	if len(lines) != 4 {
		t.Fatalf("got %q", got)
	}
	if !strings.HasPrefix(lines[0], "A ") || !strings.Contains(lines[0], "True") {
		t.Errorf("the older handle read %q, want only A, to the end or to an error", lines[0])
	}
	fresh := fmt.Sprintf("B %d", size)
	if lines[1] != fresh || lines[2] != "A" || lines[3] != fresh {
		t.Errorf("new open, old handle again, new open: %q; want B, A, B", lines[1:])
	}
}

// The same when sizes differ: growing and shrinking.
func TestNewOpenSeesOtherSize(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	e.s3.put(t, "f", "one\n")
	for _, content := range []string{"one\n", "longer than before\n", "s\n", "", strings.Repeat("x", 3*mib), "end\n"} {
		e.s3.put(t, "f", content)
		time.Sleep(trusted)
		m.wantFile(t, "f", content)
	}
	// Two mounts see each other's commits at the next open.
	other := e.mount(t, mountOptions{})
	for i := range 4 {
		m.sh(t, fmt.Sprintf(`echo from-one-%d >> $MNT/f`, i))
		time.Sleep(trusted)
		other.sh(t, fmt.Sprintf(`tail -1 $MNT/f | grep -x from-one-%d; echo from-two-%d >> $MNT/f`, i, i))
		time.Sleep(trusted)
		m.sh(t, fmt.Sprintf(`tail -1 $MNT/f | grep -x from-two-%d`, i))
	}
	if got := strings.Count(e.s3.get(t, "f"), "\n"); got != 9 {
		t.Errorf("%d lines, want 9", got)
	}
}
