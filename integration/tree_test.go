package integration

import (
	"testing"
	"time"
)

const makeTree = `
	mkdir -p $W/tree; cd $W/tree
	for d in $(seq 20); do mkdir -p d$d/sub; for i in $(seq 49); do echo "$d $i" > d$d/sub/f$i; done; head -c 10000 /dev/urandom > d$d/bin; done
	mkdir empty; cd $W
`

// A tree of 1,000 files goes through cp -r, diff -r, mv and rm -r.
func TestTree(t *testing.T) {
	for _, backend := range []string{"memory", "posix"} {
		t.Run(backend, func(t *testing.T) {
			e := newEnv(t, envOptions{backend: backend})
			m := e.mount(t, mountOptions{})
			step := func(script string) {
				t.Helper()
				begin := time.Now()
				m.sh(t, script)
				t.Logf("%6d ms: %s", time.Since(begin).Milliseconds(), script)
			}
			m.sh(t, makeTree)
			step(`cp -r $W/tree $MNT/t`)
			step(`diff -r $W/tree $MNT/t`)
			step(`mv $MNT/t $MNT/moved`)
			step(`test ! -e $MNT/t; diff -r $W/tree $MNT/moved`)
			if left := e.s3.ls(t, "t/"); len(left) != 0 {
				t.Errorf("after mv %d keys are left, first %q", len(left), left[0])
			}
			m.remount(t)
			step(`diff -r $W/tree $MNT/moved; test $(find $MNT/moved -type f | wc -l) = 1000; test -d $MNT/moved/empty`)
			step(`rm -r $MNT/moved`)
			m.wantSh(t, `ls -A $MNT`, "")
			m.unmount(t)
			e.s3.wantKeys(t, "")
		})
	}
}

// The directory is kept when its last file goes, and an archive comes back
// with its times.
func TestTreeThroughTar(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	m.sh(t, makeTree+`touch -d '2015-06-07 08:09:10' $W/tree/d1/bin; chmod 640 $W/tree/d1/bin`)
	m.sh(t, `tar -C $W -cf - tree | tar -C $MNT -xf -; diff -r $W/tree $MNT/tree`)
	same := `diff <(cd $W/tree; find . -type f | sort | xargs stat -c '%n %s %Y %a') <(cd $MNT/tree; find . -type f | sort | xargs stat -c '%n %s %Y %a')`
	m.sh(t, same)
	m.remount(t)
	m.sh(t, same)
	m.wantSh(t, `rm $MNT/tree/d1/sub/*; ls -d $MNT/tree/d1/sub | wc -l; rmdir $MNT/tree/d1/sub; test -e $MNT/tree/d1/sub || echo gone`, "1\ngone")
	if r := m.try(scriptTimeout, `rmdir $MNT/tree`); r.code == 0 {
		t.Error("rmdir of a directory with files exits 0")
	}
}
