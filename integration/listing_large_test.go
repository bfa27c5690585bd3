package integration

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// K12 B117: READDIRPLUS drops and repeats nothing at the end of a buffer.
func TestListingAtBufferBoundaries(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	got := m.sh(t, `
		mkdir $MNT/rd
		for i in $(seq 0 200); do
			: > $MNT/rd/file-rddir-$(printf %08x $RANDOM)$(printf %016x $i)
			n=$(ls -f $MNT/rd | grep -c rddir); [ $n = $((i+1)) ] || echo BAD $i $n
		done`)
	if got != "" {
		t.Errorf("%s", clip(got))
	}
	var keys []string
	for _, width := range []int{3, 40, 200, 255} {
		for i := range 500 {
			keys = append(keys, fmt.Sprintf("l%d/%0*d", width, width, i))
		}
	}
	e.s3.putMany(t, keys, empty)
	m.wantSh(t, `for l in 3 40 200 255; do ls $MNT/l$l | wc -l; ls -l $MNT/l$l | grep -c '^-'; done | uniq -c | xargs`, "8 500")
	m.remount(t)
	m.wantSh(t, `for l in 3 40 200 255; do ls -f $MNT/l$l | grep -c '^[0-9]'; done | uniq -c | xargs`, "4 500")
}

const large = 130_000

// K12 B121: a directory of 130,000 files answers; a pass costs 131 listings
// and three sampled HEADs at most, and one file does not list the directory.
func TestLargeDirectory(t *testing.T) {
	// Of the synthetic bucket, the last tenth of the keys is in one directory.
	e := newEnv(t, envOptions{lab: true, use: "synthetic", args: []string{"--synthetic", fmt.Sprint(10 * large), "--synthetic-writable"}})
	m := e.mount(t, mountOptions{plain: true, args: []string{"--metadata-ttl", "5m"}})
	const environ = "D=$MNT/flat; FIRST=f0000001; MIDDLE=f0064000\n"
	pass := func(what, script string, budget requests, limit time.Duration) {
		t.Helper()
		e.takeRequests()
		begin := time.Now()
		if got := m.sh(t, environ+script); got != fmt.Sprint(large) && got != "" {
			t.Errorf("%s: got %q", what, got)
		}
		took, cost := time.Since(begin), e.takeRequests()
		t.Logf("%-9s %6d ms: %v", what, took.Milliseconds(), cost)
		if bad := cost.over(budget); len(bad) != 0 {
			t.Errorf("%s: %s", what, strings.Join(bad, ", "))
		}
		if took > limit {
			t.Errorf("%s took %v, want at most %v", what, took, limit)
		}
	}
	listing := requests{"ListObjectsV2": 131, "HeadObject": 3}
	// The lookup of the directory itself is one HEAD and one listing more.
	pass("ls -f", `ls -f "$D" | grep -cv '^\.'`, requests{"ListObjectsV2": 132, "HeadObject": 4}, 2*time.Minute)
	pass("ls -l", `ls -l "$D" | grep -c '^-'`, listing, 3*time.Minute)
	m.remount(t)
	pass("stat", `stat "$D/$MIDDLE" >/dev/null`, requests{"ListObjectsV2": 3, "HeadObject": 3}, time.Minute)
	pass("mv", `mv "$D/$FIRST" "$D/zz"`,
		requests{"ListObjectsV2": 6, "HeadObject": 9, "CopyObject": 1, "DeleteObject": 1}, time.Minute) // of them a page that turns out to be one of many, and HEADs anew where a second passes between two steps
	if rss := m.peakRSS(t); rss > 500<<20 {
		t.Errorf("peak memory %d MiB, want at most 500", rss>>20)
	}
}
