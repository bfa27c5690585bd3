package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/pailfs/pailfs/integration/internal/testkit"
)

// names makes n keys: prefix and a number of six digits from 1 on.
func names(prefix string, n int) []string {
	keys := make([]string, n)
	for i := range keys {
		keys[i] = fmt.Sprintf("%s%06d", prefix, i+1)
	}
	return keys
}

// K12 B110: every page of a listing arrives, for parallel readers too.
func TestListingIsComplete(t *testing.T) {
	e := newEnv(t, envOptions{})
	sizes := []int{0, 1, 999, 1000, 1001, 2000, 2001, 2500}
	for _, n := range sizes {
		e.s3.putMany(t, append(names(fmt.Sprintf("d%d/", n), n), fmt.Sprintf("d%d/", n)), empty)
	}
	m := e.mount(t, mountOptions{})
	got := m.sh(t, `
		for n in 0 1 999 1000 1001 2000 2001 2500; do for i in $(seq 5); do
			c=$(ls $MNT/d$n | wc -l); [ $c = $n ] || echo BAD $n $c; done; done
		for i in 1 2 3 4 5 6 7 8; do ls $MNT/d2500 | wc -l & done | sort | uniq -c; wait`)
	if got != "8 2500" {
		t.Errorf("got %q, want 8 times 2500", got)
	}
	// The same cold, in parallel.
	m.remount(t)
	m.wantSh(t, `for i in 1 2 3 4 5 6 7 8; do ls $MNT/d2500 | wc -l & done | sort | uniq -c; wait`, "8 2500")
	m.wantSh(t, `ls $MNT/d2001 | sort -c; ls $MNT/d2001 | sed -n '1p;$p'`, "000001\n002001")
}

// K12 B111: a directory that others read and change is listed without error,
// each old entry exactly once, no name twice.
func TestListingWhileItChanges(t *testing.T) {
	e := newEnv(t, envOptions{})
	e.s3.putMany(t, names("w/", 3000), empty)
	m := e.mount(t, mountOptions{})
	got := m.shFor(t, 4*time.Minute, `
		cat > look.py <<-P
			import os
			for i in range(15):
			    n=[e.name for e in os.scandir('$MNT/w')]; o=[x for x in n if x[0]=='0']
			    print('OK' if len(o)==3000==len(set(o)) and len(n)==len(set(n)) else 'BAD %d %d %d' % (len(o),len(n),len(set(n))))
		P
		( for i in $(seq 40); do echo n | s3 put w/n$i; echo m > $MNT/w/m$i; done ) &
		for p in 1 2 3 4; do python3 look.py 2>&1 & done | sort | uniq -c; wait`)
	if got != "60 OK" {
		t.Errorf("got %q, want 60 OK", got)
	}
	m.wantSh(t, `ls $MNT/w | grep -c m`, "40")
}

// K12 B113: a key and a prefix of one name give one entry, also when they are
// on different pages.
func TestKeyAndPrefixOfOneName(t *testing.T) {
	e := newEnv(t, envOptions{})
	e.s3.put(t, "out", "f\n")
	e.s3.put(t, "out/x", "g\n")
	between := make([]string, 1200)
	for i := range between {
		between[i] = fmt.Sprintf("out-%d", i+1)
	}
	e.s3.putMany(t, between, func(int) string { return "z\n" })
	m := e.mount(t, mountOptions{})
	m.wantSh(t, `ls $MNT | sort | uniq -d; ls $MNT | grep -cx -e out -e 'out-[0-9]*'; cat $MNT/out/x`, "1201\ng")
	// The object has a name of its own, or is documented as hidden; nothing else is there.
	if n := m.sh(t, `ls $MNT | wc -l`); n != "1201" && n != "1202" {
		t.Errorf("%s names, want 1201, or 1202 with the escaped one", n)
	}
}

// K12 B114: parallel readers are never told that an existing file is missing.
func TestNoFalseMissing(t *testing.T) {
	e := newEnv(t, envOptions{})
	keys := make([]string, 700)
	for i := range keys {
		keys[i] = fmt.Sprintf("j/%d", i+1)
	}
	e.s3.putMany(t, keys, func(i int) string { return fmt.Sprintln(i + 1) })
	m := e.mount(t, mountOptions{args: []string{"--metadata-ttl", "1s"}})
	got := m.shFor(t, 5*time.Minute, `
		cat > read.py <<-P
			import os,sys
			w=sys.argv[1]
			for i in range(1,701):
			    try:
			        if open('$MNT/j/%d' % i).read() != '%d\n' % i: print('WRONG', i)
			    except OSError as e: print('MISS', i, e)
			    if i % 100 == 0:
			        for e in os.scandir('$MNT/j'): e.stat(follow_symlinks=False)
			        open('$MNT/j/out.%s.%d' % (w,i),'w').write('o\n')
		P
		for w in $(seq 4); do python3 read.py $w 2>&1 & done | sort | uniq -c; wait
		ls $MNT/j | grep -c out`)
	if got != "28" {
		t.Errorf("got %q, want only 28 (new files)", clip(got))
	}
}

// K12 B115: directories of other tools are listed beside those with a marker.
func TestImplicitDirectories(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{args: []string{"--metadata-ttl", "1s"}})
	m.sh(t, `mkdir $MNT/b; touch $MNT/b/file`)
	e.s3.put(t, "ab/cd", "x\n")
	e.s3.put(t, "b-/z", "y\n")
	time.Sleep(1500 * time.Millisecond)
	m.wantSh(t, `ls $MNT; cat $MNT/ab/cd $MNT/b-/z; ls $MNT/b`, "ab\nb\nb-\nx\ny\nfile")
}

// K12 B119: an offset past the end is the end, also while entries come and go.
func TestSeekInDirectory(t *testing.T) {
	testkit.NeedTool(t, "perl", "perl")
	e := newEnv(t, envOptions{})
	e.s3.putMany(t, names("s/", 2000), empty)
	m := e.mount(t, mountOptions{})
	got := m.sh(t, `
		( while [ ! -e stop ]; do i=$(printf %06d $((RANDOM%2000+1))); rm -f $MNT/s/$i; i=$(printf %06d $((RANDOM%2000+1))); : > $MNT/s/$i; done ) &
		for i in $(seq 20); do
			timeout 20 perl -e 'opendir D,$ARGV[0] or die;for(1..300){readdir D}$p=telldir D;while(readdir D){}seekdir D,$p;$n++ while readdir D;seekdir D,999999;readdir D;print $n > 1000 && $n < 2300 ? "ok\n" : "BAD $n\n"' $MNT/s || echo FAIL
		done | sort | uniq -c
		touch stop; wait; kill -0 $PID && echo alive`)
	if got != "20 ok\nalive" {
		t.Errorf("got %q, want 20 ok and alive", strings.TrimSpace(got))
	}
}

// K12 B120: a read that a signal interrupts loses no entry.
func TestInterruptedListing(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	got := m.py(t, `
import signal
os.mkdir(MNT+'/i')
for i in range(50): open(MNT+'/i/%d' % i,'w').close()
signal.signal(signal.SIGALRM,lambda *a:None); signal.setitimer(signal.ITIMER_REAL,.001,.001)
print({len(os.listdir(MNT+'/i')) for _ in range(2000)}); signal.setitimer(signal.ITIMER_REAL,0)`)
	if got != "{50}" {
		t.Errorf("got %s, want {50}", got)
	}
}
