package integration

import (
	"strings"
	"testing"

	"github.com/pailfs/pailfs/integration/internal/testkit"
)

// K09 B90: symbolic links are the same after a remount.
func TestSymlinksSurviveRemount(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	m.sh(t, `echo d > $MNT/data; ln -s data $MNT/l; ln -s ../x/é' 'y $MNT/m`)
	look := `
		ls -l $MNT | grep -c '^l'; readlink $MNT/l $MNT/m; cat $MNT/l; find $MNT -type l | wc -l
		stat -c '%F %s' $MNT/l $MNT/m`
	want := "2\ndata\n../x/é y\nd\n2\nsymbolic link 4\nsymbolic link 9"
	m.wantSh(t, look, want)
	m.remount(t)
	m.wantSh(t, look, want)
	m.wantSh(t, `mv $MNT/l $MNT/l2; readlink $MNT/l2; test ! -e $MNT/l; echo $?`, "data\n0")
	m.remount(t)
	m.wantSh(t, `readlink $MNT/l2; cat $MNT/l2; rm $MNT/m; ls $MNT`, "data\nd\ndata\nl2")
}

// K09 B91: hard links are refused at once and clearly, and nothing is made.
func TestHardLinkIsRefused(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	m.sh(t, `echo x > $MNT/a`)
	if r := m.try(scriptTimeout, `ln $MNT/a $MNT/b`); r.code == 0 {
		t.Errorf("ln: %v, want a failure", r)
	}
	got := m.py(t, `
try: os.link(MNT+'/a', MNT+'/c')
except OSError as e: print(errno.errorcode[e.errno])`)
	if got != "EPERM" && got != "EOPNOTSUPP" && got != "ENOTSUP" {
		t.Errorf("link: %q, want EPERM or EOPNOTSUPP", got)
	}
	m.wantSh(t, `ls $MNT; stat -c %h $MNT/a`, "a\n1")
	e.s3.wantKeys(t, "", "a")
}

// K09 B91: git falls back to copying. An explicit --local, as in the report,
// forbids git that on any two file systems; a plain path is local as well.
func TestGitCloneLocal(t *testing.T) {
	testkit.NeedTool(t, "git", "git")
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	got := m.sh(t, `
		git init -q $W/repo; for i in $(seq 80); do echo $i >$W/repo/f$i; done
		git -C $W/repo add .; git -C $W/repo -c user.name=a -c user.email=a@b commit -qm i
		git clone -q $W/repo $MNT/r; git clone -q $MNT/r $MNT/r2; git -C $MNT/r2 fsck 2>&1 | wc -l
		git -C $MNT/r status --porcelain | wc -l
		git -C $MNT/r fsck --strict 2>&1 | wc -l
		diff -r --exclude=.git $W/repo $MNT/r && echo same`)
	if want := "0\n0\n0\nsame"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if keys := e.s3.ls(t, "r/"); !containsAll(keys, "r/f1", "r/f80", "r/.git/HEAD") {
		t.Errorf("%d keys, some are missing: %s", len(keys), clip(strings.Join(keys, " ")))
	}
}

func containsAll(have []string, want ...string) bool {
	set := map[string]bool{}
	for _, h := range have {
		set[h] = true
	}
	for _, w := range want {
		if !set[w] {
			return false
		}
	}
	return true
}
