package integration

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/pailfs/pailfs/integration/lab"
)

// Reported faults of comparable programs where another client changes the
// bucket. B21 is TestReaderNeverMixesVersions, B30 TestOneNameForSeveral.

const (
	shortTTL = "500ms" // --metadata-ttl of these tests
	// expired is when what was known of the bucket before is not believed any more,
	// by the metadata or by an open (see trusted).
	expired = trusted
)

// K02 B20: an object of another length shows whole, old or new, and at last the new
// one. In the second in which an open trusts a HEAD, a read may be refused.
func TestReplacedByOtherLength(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{args: []string{"--metadata-ttl", shortTTL}})
	const short, long = "Hello World\n", "Goodbye World, it is longer\n"
	for i, change := range [][2]string{{short, long}, {long, short}, {strings.Repeat(long, 100_000), short}, {short, strings.Repeat(long, 100_000)}} {
		name := fmt.Sprintf("c%d", i)
		e.s3.put(t, name, change[0])
		m.sh(t, `ls -l $MNT/`+name)
		e.s3.put(t, name, change[1])
		r := m.try(scriptTimeout, `cat $MNT/`+name)
		if stale := r.code != 0 && strings.Contains(r.stderr, "Stale"); !stale && r.stdout != change[0] && r.stdout != change[1] {
			t.Errorf("%d, at once: %v", i, r)
		}
		time.Sleep(expired)
		m.wantFile(t, name, change[1])
		m.wantSh(t, `stat -c %s $MNT/`+name, fmt.Sprint(len(change[1])))
	}
}

// K02 B22: the same size does not make it the same file.
func TestReplacedBySameSize(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{args: []string{"--metadata-ttl", shortTTL}})
	for i := range 8 {
		content := fmt.Sprintf("foo%02d", i)
		e.s3.put(t, "t", content)
		time.Sleep(expired)
		m.wantSh(t, `cat $MNT/t`, content)
	}
}

// K02 B23: what is known for an hour does not make a new open fail.
func TestReplacedWithinLongTTL(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{args: []string{"--metadata-ttl", "1h"}})
	e.s3.put(t, "d/f", "0123456789")
	m.sh(t, `ls -l $MNT/d/f; ls -l $MNT/d`)
	for _, size := range []int{100, 50, 2 * mib} {
		content := strings.Repeat("n", size)
		e.s3.put(t, "d/f", content)
		time.Sleep(trusted)
		m.wantFile(t, "d/f", content)
		m.wantSh(t, `cat $MNT/d/f | wc -c; stat -c %s $MNT/d/f`, fmt.Sprintf("%d\n%[1]d", size))
	}
}

// K02 B25: a lookup and a listing do not contradict each other for long.
func TestRemovedBehindListing(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{args: []string{"--metadata-ttl", shortTTL}})
	e.s3.putMany(t, []string{"d/a", "d/b", "d/c"}, func(int) string { return "x" })
	m.wantSh(t, `ls $MNT/d`, "a\nb\nc")
	e.s3.rm(t, "d/a")
	time.Sleep(expired)
	m.wantSh(t, `! stat $MNT/d/a 2>/dev/null; ls $MNT/d`, "b\nc")
	// A read that meets the removal says so before the listing has aged.
	long := e.mount(t, mountOptions{args: []string{"--metadata-ttl", "1h"}})
	long.wantSh(t, `ls -l $MNT/d | wc -l`, "3")
	e.s3.rm(t, "d/b")
	time.Sleep(trusted)
	long.wantSh(t, `! cat $MNT/d/b 2>/dev/null; ls $MNT/d`, "c")
}

// K02 B26: a name that was missing appears, at the latest after the time to live;
// and at once where a creation has met it.
func TestMissingNameAppears(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{args: []string{"--metadata-ttl", shortTTL}})
	m.sh(t, `! stat $MNT/new`)
	e.s3.put(t, "new", "hi\n")
	time.Sleep(expired)
	m.wantSh(t, `cat $MNT/new`, "hi")

	long := e.mount(t, mountOptions{args: []string{"--metadata-ttl", "1h"}})
	long.sh(t, `! stat $MNT/dir; ! stat $MNT/lock; ! stat $MNT/link`)
	e.s3.put(t, "dir/", "")
	e.s3.put(t, "lock", "theirs")
	e.s3.put(t, "link", "theirs")
	if r := long.try(scriptTimeout, `mkdir $MNT/dir`); r.code == 0 || !strings.Contains(r.stderr, "exists") {
		t.Errorf("mkdir: %v, want EEXIST", r)
	}
	if r := long.try(scriptTimeout, `ln -s x $MNT/link`); r.code == 0 || !strings.Contains(r.stderr, "exists") {
		t.Errorf("ln -s: %v, want EEXIST", r)
	}
	// O_EXCL goes by what is known (SEMANTICS 4.4): it may open, and then not store.
	long.wantSh(t, `( set -C; : > $MNT/lock ) 2>/dev/null || true
		stat -c %F $MNT/dir; stat -c %s $MNT/link $MNT/lock; cat $MNT/lock`, "directory\n6\n6\ntheirs")
	long.wantFile(t, "lock", "theirs")
}

// K02 B27: what was made here and removed elsewhere is gone.
func TestOwnFileRemovedElsewhere(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{args: []string{"--metadata-ttl", shortTTL}})
	m.sh(t, `echo x > $MNT/v; sync $MNT/v; mkdir $MNT/d; ls -l $MNT`)
	e.s3.rm(t, "v")
	e.s3.rm(t, "d/")
	time.Sleep(expired)
	m.wantSh(t, `ls $MNT; ! cat $MNT/v 2> $W/said; grep -c 'No such file' $W/said`, "1")
}

// K02 B28: after an outage the time to live is the bound of staleness again.
func TestFreshAfterOutage(t *testing.T) {
	t.Parallel() // it waits more than it works
	e := newEnv(t, envOptions{lab: true})
	m := e.mount(t, mountOptions{args: []string{"--metadata-ttl", shortTTL, "--timeout", "3s", "--read-only"}})
	e.s3.put(t, "old", "o")
	for i, kind := range []string{lab.KindRefuse, lab.KindStall} {
		m.sh(t, `ls $MNT; cat $MNT/old`)
		e.setFaults(t, lab.Rule{Kind: kind, Probability: 1, AfterBytes: -1, DelayMS: 20_000})
		time.Sleep(expired)
		if r := m.try(scriptTimeout, `ls $MNT; cat $MNT/old`); r.code == 0 {
			t.Errorf("%s: %v while the store is away, want a failure", kind, r)
		}
		e.lab.ClearFaults()
		e.s3.put(t, fmt.Sprintf("new%d", i), "n")
		time.Sleep(expired)
		m.wantSh(t, fmt.Sprintf(`ls $MNT | grep -x new%d; cat $MNT/new%[1]d $MNT/old`, i), fmt.Sprintf("new%d\nno", i))
	}
}

// K02 B29: the same content stored again has the new time, though the ETag stays.
func TestSameContentNewTime(t *testing.T) {
	t.Parallel() // it waits more than it works
	e := newEnv(t, envOptions{})
	e.s3.putMany(t, []string{"w", "d/w"}, func(int) string { return "w\n" })
	m := e.mount(t, mountOptions{args: []string{"--metadata-ttl", shortTTL}})
	stat := func(key string) int64 {
		t.Helper()
		at, err := strconv.ParseInt(m.sh(t, `stat -c %Y $MNT/`+key), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return at
	}
	keys := []string{"w", "d/w"}
	// Known by a HEAD, by a listing, and by having been read.
	for _, look := range []string{`true`, `ls -l $MNT/d $MNT`, `cat $MNT/w $MNT/d/w`} {
		before := []int64{stat(keys[0]), stat(keys[1])}
		time.Sleep(expired)
		e.s3.putMany(t, keys, func(int) string { return "w\n" })
		time.Sleep(expired)
		m.sh(t, look)
		for i, key := range keys {
			if got, want := stat(key), e.s3.head(t, key).LastModified.Unix(); got != want || want == before[i] {
				t.Errorf("%s after %q: %d, want %d; before %d", key, look, got, want, before[i])
			}
		}
	}
}
