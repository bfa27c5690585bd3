package integration

import (
	"os"
	"strings"
	"testing"
	"time"
)

// chmod, chown, touch -d and ln -s are the same after a remount.
func TestAttributesSurviveRemount(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	m.sh(t, `
		echo data > $MNT/f; chmod 600 $MNT/f; touch -d '2010-01-02 03:04:05.678 UTC' $MNT/f; chown 1234:5678 $MNT/f
		mkdir $MNT/d; chmod 750 $MNT/d; echo x > $MNT/d/x; chmod +x $MNT/d/x; chown 42 $MNT/d
		ln -s f $MNT/l
		mkdir -m 700 $MNT/private; install -m 4755 /dev/null $MNT/setuid`)
	look := `cd $MNT; stat -c '%n %a %u %g' f d d/x private setuid; stat -c '%.Y %s' f; readlink l; cat l`
	before := m.sh(t, look)
	want := "f 600 1234 5678\nd 750 42 0\nd/x 755 0 0\nprivate 700 0 0\nsetuid 4755 0 0\n1262401445.678000000 5\nf\ndata"
	if before != want {
		t.Errorf("before the remount: %q, want %q", before, want)
	}
	m.remount(t)
	if after := m.sh(t, look); after != before {
		t.Errorf("after the remount: %q, before %q", after, before)
	}
	m.wantSh(t, `echo more >> $MNT/f; stat -c '%a %u %g' $MNT/f`, "600 1234 5678")
	m.remount(t)
	m.wantSh(t, `stat -c '%a %u %g %s' $MNT/f`, "600 1234 5678 10")
	m.wantFile(t, "f", "data\nmore\n")
}

// Objects of other tools have defaults, which options change.
func TestDefaultsOfForeignObjects(t *testing.T) {
	e := newEnv(t, envOptions{})
	e.s3.put(t, "p/x", "x\n")
	m := e.mount(t, mountOptions{})
	m.wantSh(t, `stat -c '%a %u %g %F' $MNT/p $MNT/p/x; stat -c %h $MNT/p/x`, "755 0 0 directory\n644 0 0 regular file\n1")
	other := e.mount(t, mountOptions{args: []string{"--uid", "1001", "--gid", "1002", "--file-mode", "0640", "--dir-mode", "0750"}})
	other.wantSh(t, `stat -c '%a %u %g' $MNT/p $MNT/p/x`, "750 1001 1002\n640 1001 1002")
	masked := e.mount(t, mountOptions{args: []string{"--umask", "077"}})
	masked.wantSh(t, `stat -c '%a' $MNT/p $MNT/p/x`, "700\n600")
}

// K08 B77, B80: the mtime is that of the last write, does not jump, and cp -p
// keeps the old one.
func TestMtime(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{args: []string{"--metadata-ttl", "1s"}})
	m.wantSh(t, `
		touch -d '2001-02-03 04:05:06 UTC' $W/p; cp -p $W/p $MNT/p; stat -c %Y $MNT/p
		echo a > $MNT/t; m=$(stat -c %y $MNT/t)
		for i in 1 2 3; do sleep 0.7; [ "$(stat -c %y $MNT/t)" = "$m" ] || echo JUMP $i; done
		echo b > $MNT/t; [ "$(stat -c %y $MNT/t)" != "$m" ] || echo STALE
		stat -c %y $MNT/t > $W/t`, "981173106")
	m.remount(t)
	m.wantSh(t, `stat -c %Y $MNT/p; stat -c %y $MNT/t | cmp - $W/t && echo same`, "981173106\nsame")
}

// A read-only mount refuses every change at once.
func TestReadOnlyMount(t *testing.T) {
	e := newEnv(t, envOptions{})
	e.s3.put(t, "f", "old\n")
	m := e.mount(t, mountOptions{args: []string{"--read-only"}})
	m.wantSh(t, `cat $MNT/f`, "old")
	for _, change := range []string{`echo x > $MNT/f`, `echo x > $MNT/g`, `rm $MNT/f`, `mv $MNT/f $MNT/g`, `mkdir $MNT/d`, `chmod 600 $MNT/f`, `ln -s f $MNT/l`} {
		if r := m.try(scriptTimeout, change); r.code == 0 || !strings.Contains(r.stderr, "Read-only") {
			t.Errorf("%s: %v, want EROFS", change, r)
		}
	}
	e.s3.wantKeys(t, "", "f")
}

// What a listing, df and mount show.
func TestMountShowsItself(t *testing.T) {
	e := newEnv(t, envOptions{})
	e.s3.put(t, "p/f", strings.Repeat("x", 5000))
	m := e.mount(t, mountOptions{prefix: "p"})
	m.wantSh(t, `df -T $MNT | tail -1 | awk '{print $1, $2}'`, "s3://"+e.bucket+"/p "+fsType)
	m.wantSh(t, `stat -c '%s' $MNT/f; b=$(stat -c %b $MNT/f); [ $b = 10 ] || [ $b = 16 ] || echo "$b blocks"; du --apparent-size -b $MNT/f | cut -f 1; python3 -c "
import os; s=os.statvfs('$MNT'); print(s.f_frsize*s.f_bavail>1<<40, s.f_frsize*s.f_blocks<1<<62, s.f_favail>1000000, s.f_namemax)"`,
		"5000\n5000\nTrue True True 255")
	line, ok := findMount(m.dir)
	if !ok || line.Source != "s3://"+e.bucket+"/p" {
		t.Errorf("mountinfo: %+v", line)
	}
	if os.Geteuid() == 0 { // others may not raise it
		m.wantSh(t, `f=/sys/class/bdi/$(mountpoint -d $MNT)/read_ahead_kb
for i in $(seq 600); do [ $(cat $f) = 4096 ] && break; sleep 0.1; done # it comes just after the mount
cat $f`, "4096")
	}
}

// Names and attributes that others changed are seen after --metadata-ttl.
func TestForeignChangesAreSeen(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{args: []string{"--metadata-ttl", "1s"}})
	m.wantSh(t, `ls $MNT; test -e $MNT/f || echo none`, "none")
	e.s3.put(t, "f", "one\n")
	time.Sleep(1500 * time.Millisecond)
	m.wantSh(t, `ls $MNT; cat $MNT/f`, "f\none")
	e.s3.put(t, "f", "another\n")
	time.Sleep(trusted)
	m.wantSh(t, `cat $MNT/f`, "another")
	e.s3.rm(t, "f")
	time.Sleep(1500 * time.Millisecond)
	m.wantSh(t, `ls $MNT; test -e $MNT/f || echo none`, "none")
}
