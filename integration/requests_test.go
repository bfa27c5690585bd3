package integration

import (
	"fmt"
	"strings"
	"testing"
)

// costRow is one operation of the request table.
type costRow struct {
	name   string
	setUp  string // runs before the counting
	script string
	budget requests // at most; an operation that is not here must not happen
}

// What the design promises. A lookup of an unknown name is one HEAD and one
// listing side by side; a name below a complete listing costs nothing; the
// open of a listed file is its first GET. "listed" below are names in a
// directory that this mount has listed.
func costTable() []costRow {
	lookup := func(more requests) requests {
		sum := requests{"HeadObject": 1, "ListObjectsV2": 1}
		for op, n := range more {
			sum[op] += n
		}
		return sum
	}
	return []costRow{
		{"stat, cold", "", `stat $MNT/cold`, lookup(nil)},
		{"stat, again", "", `stat $MNT/cold`, requests{}},
		{"stat of what is not there", "", `! stat $MNT/none`, lookup(nil)},
		{"open + read small, cold", "", `cat $MNT/cold2`, lookup(requests{"GetObject": 1})},
		// Sampling: up to three entries are asked for x-amz-meta-*.
		{"ls of 1,000, cold", "", `ls $MNT/k`, lookup(requests{"ListObjectsV2": 1, "HeadObject": 3})},
		{"ls -l of 1,000, again", "", `ls -l $MNT/k`, requests{"HeadObject": 3}},
		{"ls -l of 1,000, cold", "", `ls -l $MNT/k2`, lookup(requests{"ListObjectsV2": 1, "HeadObject": 3})},
		{"stat, listed", "", `stat $MNT/k/000500`, requests{}},
		{"stat of nothing, listed", "", `! stat $MNT/k/none`, requests{}},
		{"open + read small, listed", "", `cat $MNT/k/000501`, requests{"GetObject": 1}},
		{"open + read 20 MiB, listed", `ls -l $MNT/big`, `cat $MNT/big/20m >/dev/null`, requests{"GetObject": 20}},
		{"create + write + close, listed", `echo x > $W/x`, `cp $W/x $MNT/k/cp`, requests{"PutObject": 1}},
		// A shell closes a duplicate of the descriptor before it writes: this
		// close() stores the empty file, and only a guess could leave it out.
		{"create by echo >, listed", "", `echo x > $MNT/k/new`, requests{"PutObject": 2}},
		{"create empty, listed", "", `: > $MNT/k/new0`, requests{"PutObject": 1}},
		{"create + write + close, cold", "", `cp $W/x $MNT/new`, lookup(requests{"PutObject": 1})},
		{"read back one's own", "", `cat $MNT/k/new`, requests{"GetObject": 1}},
		{"overwrite by cp", "", `cp $W/x $MNT/k/000504`, requests{"PutObject": 1, "HeadObject": 1}},
		{"overwrite by echo >", "", `echo y > $MNT/k/new`, requests{"PutObject": 2, "HeadObject": 1}},
		{"append to a small file", "", `echo z >> $MNT/k/new`, requests{"HeadObject": 1, "PutObject": 1, "GetObject": 1}},
		{"write 20 MiB", `head -c 20M /dev/zero > $W/z`, `cp $W/z $MNT/k/z`,
			requests{"CreateMultipartUpload": 1, "UploadPart": 3, "CompleteMultipartUpload": 1}},
		{"mv of a file, listed", "", `mv $MNT/k/new $MNT/k/moved`, requests{"CopyObject": 1, "DeleteObject": 1}},
		{"mkdir, listed", "", `mkdir $MNT/k/dir`, requests{"PutObject": 1}},
		{"rmdir of a new directory", "", `rmdir $MNT/k/dir`, requests{"ListObjectsV2": 1, "DeleteObject": 1}},
		{"mv of a directory of 10", `ls -l $MNT/ten >/dev/null; ls $MNT >/dev/null`, `mv $MNT/ten $MNT/moved`,
			requests{"ListObjectsV2": 2, "CopyObject": 10, "DeleteObjects": 1}},
		{"rm, listed", "", `rm $MNT/k/moved`, requests{"DeleteObject": 1}},
		// The directory has no marker of its own; it gets one with the removal
		// of its last file, as a directory does not vanish by itself.
		{"rm -r of 10", `ls -l $MNT/ten2 >/dev/null`, `rm -r $MNT/ten2`, requests{"ListObjectsV2": 2, "DeleteObject": 11, "PutObject": 1}},
		{"chmod", `sleep 1`, `chmod 600 $MNT/k/000502; sync $MNT/k/000502`, requests{"CopyObject": 1, "HeadObject": 1, "GetObject": 1}},
		{"symlink", "", `ln -s x $MNT/k/link; readlink $MNT/k/link`, requests{"PutObject": 1}},
		{"link", "", `getfattr --only-values -n user.s3.url $MNT/k/000503`, requests{}},
		{"getfattr of a fact of the listing", "", `getfattr --only-values -n user.s3.etag $MNT/k/000503`, requests{}},
		{"df", "", `df $MNT`, requests{}},
	}
}

// The request table: what each operation costs, against its budget.
func TestRequestTable(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	content := func(i int) string { return fmt.Sprintln(i) }
	e.s3.putMany(t, names("k/", 1000), content)
	e.s3.putMany(t, names("k2/", 1000), content)
	e.s3.putMany(t, append(names("ten/", 10), names("ten2/", 10)...), content)
	e.s3.putMany(t, []string{"cold", "cold2"}, content)
	e.s3.put(t, "big/20m", strings.Repeat("x", 20*mib))
	m := e.mount(t, mountOptions{args: []string{"--metadata-ttl", "10m"}})

	var table strings.Builder
	for _, row := range costTable() {
		m.sh(t, row.setUp)
		e.takeRequests()
		m.sh(t, row.script)
		cost := e.takeRequests()
		bad := cost.over(row.budget)
		mark := "ok"
		if len(bad) != 0 {
			mark = "OVER: " + strings.Join(bad, ", ")
			t.Errorf("%s: %s", row.name, strings.Join(bad, ", "))
		}
		fmt.Fprintf(&table, "%-34s %3d  %-70s %s\n", row.name, cost.total(), cost, mark)
	}
	t.Logf("requests by operation\n%s", table.String())
}
