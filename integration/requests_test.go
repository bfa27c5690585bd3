package integration

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
)

var updateDocs = flag.Bool("update", false, "write the request table into docs/SEMANTICS.md")

// costRow is one operation of the request table.
type costRow struct {
	name   string
	setUp  string // runs before the counting
	script string
	budget requests // exactly; an operation that is not here must not happen
	atMost bool     // the count depends on timing: the budget is a bound only
	open   bool     // on a mount with --exclusive=open
}

// What the design promises. A lookup of an unknown name is one HEAD and one
// listing side by side; from the third of a directory on one listing answers for
// many; a name below a complete listing costs nothing; the open of a listed file is
// its first GET. "listed" below are names in a
// directory that this mount has listed, "cold" all others.
func costTable() []costRow {
	return slices.Concat(lookupCosts(), readCosts(), listCosts(), writeCosts(), exclusiveCosts(), changeCosts(), freeCosts())
}

// lookup is the cost of an unknown name, and more.
func lookup(more requests) requests {
	sum := requests{"HeadObject": 1, "ListObjectsV2": 1}
	for op, n := range more {
		sum[op] += n
	}
	return sum
}

func lookupCosts() []costRow {
	return []costRow{
		{name: "stat, cold", setUp: `ls -l $MNT/c`, script: `stat $MNT/c/1/f`, budget: lookup(nil)},
		{name: "stat, again", script: `stat $MNT/c/1/f`, budget: requests{}},
		{name: "stat of what is not there, cold", script: `! stat $MNT/c/2/none`, budget: lookup(nil)},
		// Two names, the page of all, and samples of whether there are attributes.
		{name: "stat of 100 names of one directory, cold", script: `stat $(seq -f $MNT/c/3/%06g 1 100)`,
			budget: requests{"HeadObject": 2 + 3, "ListObjectsV2": 2 + 1}, atMost: true},
		{name: "stat, listed", setUp: `ls -l $MNT/k`, script: `stat $MNT/k/000500`, budget: requests{}},
		{name: "stat of what is not there, listed", script: `! stat $MNT/k/none`, budget: requests{}},
	}
}

func readCosts() []costRow {
	return []costRow{
		{name: "open and read a small file, cold", script: `cat $MNT/c/4/f`, budget: lookup(requests{"GetObject": 1})},
		{name: "open and read 100 small files of one directory, cold", script: `cat $(seq -f $MNT/c/5/%06g 1 100)`,
			budget: requests{"HeadObject": 2 + 3, "ListObjectsV2": 2 + 1, "GetObject": 100}, atMost: true},
		// A directory that pailfs made, so with a marker, and of three pages.
		{name: "open and read 2,500 small files of one directory, cold", script: `seq -f $MNT/k5/%06g 1 2500 | xargs -P8 -n100 cat >/dev/null`,
			budget: requests{"HeadObject": 3*8 + 3*3, "ListObjectsV2": 3*8 + 3, "GetObject": 2500}, atMost: true},
		{name: "open and read a small file, listed", script: `cat $MNT/k/000501`, budget: requests{"GetObject": 1}},
		// The kernel's own read-ahead sends its reads side by side, and what comes out
		// of order may take a request more: here it is the program that asks.
		{name: "read 20 MiB in order (O_DIRECT), listed", setUp: `ls -l $MNT/big`, script: `dd if=$MNT/big/20m of=/dev/null bs=128k iflag=direct`,
			budget: requests{"GetObject": 1 + 10}, atMost: true}, // 1 MiB by the open, and 2 MiB at least each after that
		{name: "read 20 MiB by the kernel's read-ahead, listed", setUp: `ls -l $MNT/big`, script: `cat $MNT/big/20n >/dev/null`,
			budget: requests{"GetObject": 20}, atMost: true},
	}
}

// Sampling: up to three entries of a directory are asked for x-amz-meta-*, the
// newest, the first and the last: often they are the same.
func listCosts() []costRow {
	return []costRow{
		{name: "`ls` of 1,000, cold", setUp: `ls -l $MNT`, script: `ls $MNT/k2`, budget: requests{"ListObjectsV2": 1}},
		{name: "`ls` of 1,000, again", script: `ls $MNT/k2`, budget: requests{}},
		{name: "`ls -l` of 1,000, after `ls`", script: `ls -l $MNT/k2`, budget: requests{"HeadObject": 3}, atMost: true},
		{name: "`ls -l` of 1,000, again", script: `ls -l $MNT/k2`, budget: requests{}},
		{name: "`ls -l` of 1,000, cold", script: `ls -l $MNT/k3`, budget: requests{"ListObjectsV2": 1, "HeadObject": 3}, atMost: true},
		// Samples of the first page, and of all of it where that shows newer objects.
		{name: "`ls -l` of 2,500, cold", script: `ls -l $MNT/k4`, budget: requests{"ListObjectsV2": 3, "HeadObject": 6}, atMost: true},
		{name: "`find` over 500 nested prefixes with 2,000 files, cold", script: `test $(find $MNT/deep -type f | wc -l) = 2000`,
			budget: requests{"ListObjectsV2": 511, "HeadObject": 1500}, atMost: true},
		{name: "`find` over them, again", script: `test $(find $MNT/deep -type f | wc -l) = 2000`, budget: requests{}},
	}
}

func writeCosts() []costRow {
	return []costRow{
		{name: "create, write, close (cp), listed", setUp: `echo x > $W/x`, script: `cp $W/x $MNT/k/cp`, budget: requests{"PutObject": 1}},
		{name: "create, write, close (cp), cold", script: `cp $W/x $MNT/c/6/new`, budget: lookup(requests{"PutObject": 1})},
		// A shell closes a duplicate of the descriptor before it writes: this
		// close() stores the empty file, and only a guess could leave it out.
		{name: "`echo x > new`, listed", script: `echo x > $MNT/k/new`, budget: requests{"PutObject": 2}},
		{name: "create an empty file, listed", script: `: > $MNT/k/new0`, budget: requests{"PutObject": 1}},
		{name: "read back one's own", script: `cat $MNT/k/new`, budget: requests{"GetObject": 1}},
		{name: "overwrite by cp", script: `cp $W/x $MNT/k/000504`, budget: requests{"PutObject": 1, "HeadObject": 1}},
		{name: "overwrite by `echo x >`", script: `echo y > $MNT/k/new`, budget: requests{"PutObject": 2, "HeadObject": 1}},
		{name: "append to a small file", script: `echo z >> $MNT/k/new`, budget: requests{"HeadObject": 1, "PutObject": 1, "GetObject": 1}},
		{name: "write 20 MiB", setUp: `head -c 20M /dev/zero > $W/z`, script: `cp $W/z $MNT/k/z`,
			budget: requests{"CreateMultipartUpload": 1, "UploadPart": 3, "CompleteMultipartUpload": 1}},
		{name: "symlink", script: `ln -s x $MNT/k/link; readlink $MNT/k/link`, budget: requests{"PutObject": 1}},
		// Opening for sync is the last of the three: it asks for the newest version.
		{name: "chmod, then sync of the file", setUp: `sleep 1`, script: `chmod 600 $MNT/k/000502; sync $MNT/k/000502`,
			budget: requests{"CopyObject": 1, "HeadObject": 1, "GetObject": 1}},
	}
}

func exclusiveCosts() []costRow {
	const script = `python3 -c "import os,sys; fd=os.open(sys.argv[1],os.O_CREAT|os.O_EXCL|os.O_WRONLY); os.write(fd,b'x'); os.close(fd)" $MNT/k/`
	return []costRow{
		{name: "create with O_EXCL, write, close, listed", script: script + `excl`, budget: requests{"PutObject": 1}},
		{name: "the same with `--exclusive=open`", script: script + `excl-open`, budget: requests{"PutObject": 2}, open: true},
	}
}

func changeCosts() []costRow {
	return []costRow{
		{name: "mv of a file, listed", script: `mv $MNT/k/new $MNT/k/moved`, budget: requests{"CopyObject": 1, "DeleteObject": 1}},
		{name: "mv of a directory of 10", setUp: `ls -l $MNT/ten >/dev/null; ls $MNT >/dev/null`, script: `mv $MNT/ten $MNT/moved`,
			budget: requests{"ListObjectsV2": 2, "CopyObject": 10, "DeleteObjects": 1}},
		{name: "mkdir", script: `mkdir $MNT/k/dir`, budget: requests{"PutObject": 1}},
		{name: "rmdir", script: `rmdir $MNT/k/dir`, budget: requests{"ListObjectsV2": 1, "DeleteObject": 1}},
		{name: "rm, listed", script: `rm $MNT/k/moved`, budget: requests{"DeleteObject": 1}},
		// The directory has no marker of its own; it gets one with the removal
		// of its last file, as a directory does not vanish by itself.
		{name: "`rm -r` of 10, directory without marker", setUp: `ls -l $MNT/ten2 >/dev/null`, script: `rm -r $MNT/ten2`,
			budget: requests{"ListObjectsV2": 2, "DeleteObject": 11, "PutObject": 1}},
	}
}

func freeCosts() []costRow {
	return []costRow{
		{name: "share link", script: `getfattr --only-values -n user.s3.url $MNT/k/000503`, budget: requests{}},
		{name: "fact of a listing (`user.s3.etag`)", script: `getfattr --only-values -n user.s3.etag $MNT/k/000503`, budget: requests{}},
		{name: "df", script: `df $MNT`, budget: requests{}},
	}
}

// verdict is "" where cost keeps the row's budget.
func (row costRow) verdict(cost requests) string {
	if bad := cost.over(row.budget); len(bad) != 0 {
		return "OVER: " + strings.Join(bad, ", ")
	}
	// A budget with air in it would not notice the next request too many.
	if !row.atMost && !maps.Equal(cost, row.budget) {
		return fmt.Sprintf("UNDER the budget (%s): lower the row", row.budget)
	}
	return ""
}

// The request table: what each operation costs, against its budget.
func TestRequestTable(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	content := func(i int) string { return fmt.Sprintln(i) }
	for _, dir := range []string{"k/", "k2/", "k3/"} {
		e.s3.putMany(t, names(dir, 1000), content)
	}
	e.s3.putMany(t, names("k4/", 2500), content)
	e.s3.putMany(t, append(names("k5/", 2500), "k5/"), content)
	e.s3.putMany(t, append(names("ten/", 10), names("ten2/", 10)...), content)
	e.s3.putMany(t, append(nested("deep/", 500, 4), "c/1/f", "c/2/f", "c/4/f", "c/6/f"), content)
	e.s3.putMany(t, append(names("c/3/", 100), names("c/5/", 100)...), content)
	e.s3.put(t, "big/20m", strings.Repeat("x", 20*mib))
	e.s3.put(t, "big/20n", strings.Repeat("x", 20*mib))
	usual := e.mount(t, mountOptions{args: []string{"--metadata-ttl", "10m"}})
	exclusive := e.mount(t, mountOptions{args: []string{"--metadata-ttl", "10m", "--exclusive=open"}})
	exclusive.sh(t, `ls $MNT/k`)

	var table strings.Builder
	for _, row := range costTable() {
		m := usual
		if row.open {
			m = exclusive
		}
		m.sh(t, row.setUp)
		e.takeRequests()
		m.sh(t, row.script)
		cost := e.takeRequests()
		bad := row.verdict(cost)
		if bad != "" {
			t.Errorf("%s: %s", row.name, bad)
		}
		fmt.Fprintf(&table, "%-55s %4d  %-75s %s\n", row.name, cost.total(), cost, cmp.Or(bad, "ok"))
	}
	t.Logf("requests by operation\n%s", table.String())
}

// nested spreads dirs*each keys over dirs prefixes, two levels deep.
func nested(prefix string, dirs, each int) (keys []string) {
	for d := range dirs {
		for i := range each {
			keys = append(keys, fmt.Sprintf("%sa%02d/b%03d/c%d", prefix, d%10, d, i))
		}
	}
	return keys
}

const semantics = "../docs/SEMANTICS.md"

// docs/SEMANTICS.md shows the table that TestRequestTable keeps.
func TestRequestTableIsDocumented(t *testing.T) {
	const begin, end = "<!-- request table -->\n", "<!-- end of the request table -->\n"
	text, err := os.ReadFile(semantics)
	if err != nil {
		t.Fatal(err)
	}
	head, rest, ok1 := strings.Cut(string(text), begin)
	shown, foot, ok2 := strings.Cut(rest, end)
	if !ok1 || !ok2 {
		t.Fatalf("%s has no lines %q and %q", semantics, begin, end)
	}
	want := documentedTable()
	if *updateDocs {
		if err := os.WriteFile(semantics, []byte(head+begin+want+end+foot), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if shown != want {
		t.Errorf("%s shows another table than the test keeps; make budget UPDATE=1 writes it", semantics)
	}
}

func documentedTable() string {
	short := map[string]string{
		"HeadObject": "HEAD", "ListObjectsV2": "LIST", "GetObject": "GET", "PutObject": "PUT", "CopyObject": "COPY",
		"DeleteObject": "DELETE", "CompleteMultipartUpload": "Complete",
	}
	out := "| operation | requests |\n| --- | --- |\n"
	for _, row := range costTable() {
		var parts []string
		for _, op := range slices.Sorted(maps.Keys(row.budget)) {
			parts = append(parts, fmt.Sprintf("%d %s", row.budget[op], cmp.Or(short[op], op)))
		}
		cost := cmp.Or(strings.Join(parts, ", "), "none")
		if row.atMost {
			cost = "at most " + cost
		}
		out += fmt.Sprintf("| %s | %s |\n", row.name, cost)
	}
	return out
}
