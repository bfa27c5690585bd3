package integration

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/pailfs/pailfs/integration/internal/testkit"
	"github.com/pailfs/pailfs/integration/lab"
)

// Reported faults of comparable programs with objects that have something about
// them. B58 is in archived_test.go.

// putWith stores content with what change sets.
func (o *outside) putWith(t *testing.T, key string, content io.ReadSeeker, change func(*s3.PutObjectInput)) {
	t.Helper()
	ctx, cancel := within()
	defer cancel()
	in := &s3.PutObjectInput{Bucket: &o.bucket, Key: &key, Body: content}
	change(in)
	if _, err := o.client.PutObject(ctx, in); err != nil {
		t.Fatalf("outside put %q: %v", key, err)
	}
}

// K05 B56: an object that is stored compressed is its stored bytes, of their size,
// in every way of reading it; and it goes on saying how it is encoded.
func TestContentEncoding(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	// The larger is for reads beyond the first block.
	m.sh(t, `seq 100000 | gzip > $W/t.gz; head -c 5M /dev/urandom | gzip > $W/long.gz`)
	for _, name := range []string{"t.gz", "long.gz"} {
		f, err := os.Open(filepath.Join(m.work, name))
		if err != nil {
			t.Fatal(err)
		}
		e.s3.putWith(t, name, f, func(in *s3.PutObjectInput) {
			in.ContentEncoding, in.ContentType = aws.String("gzip"), aws.String("application/x-log")
		})
		f.Close()
		m.sh(t, `F=`+name+`; [ $(stat -c %s $MNT/$F) = $(stat -c %s $W/$F) ]; cmp $W/$F $MNT/$F; cp $MNT/$F $W/copy; cmp $W/$F $W/copy
			cat $MNT/$F | cmp - $W/$F; [ "$(md5sum < $MNT/$F)" = "$(md5sum < $W/$F)" ]
			part() { dd if=$1 bs=1 skip=1000 count=50 2>/dev/null; }; cmp <(part $MNT/$F) <(part $W/$F)`)
		m.remount(t)
		m.sh(t, `F=`+name+`; cmp <(tail -c 5000 $MNT/$F) <(tail -c 5000 $W/$F); cmp $W/$F $MNT/$F`)
	}
	for _, change := range []string{
		`mv $MNT/t.gz $MNT/u.gz; mv $MNT/u.gz $MNT/t.gz`,
		`for d in $W $MNT; do echo more | gzip -n >> $d/t.gz; done`,
		`for d in $W $MNT; do printf x | dd of=$d/t.gz bs=1 seek=9 conv=notrunc 2>/dev/null; done`,
		`chmod 600 $MNT/t.gz`,
	} {
		m.sh(t, change+`; cmp $W/t.gz $MNT/t.gz; s3 get t.gz | cmp - $W/t.gz`)
		h := e.s3.head(t, "t.gz")
		if h == nil || aws.ToString(h.ContentEncoding) != "gzip" || aws.ToString(h.ContentType) != "application/x-log" {
			t.Errorf("after %q: %+v", change, h)
		}
	}
}

// K05 B57: empty files are made, copied and read; no range of one is asked for.
func TestEmptyFiles(t *testing.T) {
	testkit.NeedTool(t, "rsync", "rsync")
	e := newEnv(t, envOptions{lab: true})
	m := e.mount(t, mountOptions{})
	m.sh(t, `: > $W/z; rsync -a $W/z $MNT/; touch $MNT/e`)
	e.s3.put(t, "z2", "")
	m.wantSh(t, `cat $MNT/z2 $MNT/z $MNT/e; wc -c < $MNT/z2; cp $MNT/z2 $W/z2; stat -c %s $MNT/z $MNT/e $W/z2`, "0\n0\n0\n0")
	for _, key := range []string{"z", "e"} {
		if h := e.s3.head(t, key); h == nil || aws.ToInt64(h.ContentLength) != 0 {
			t.Errorf("%s: %+v, want an empty object", key, h)
		}
	}
	if n := e.takeRequests()["GetObject"]; n != 0 {
		t.Errorf("%d GETs of empty objects", n)
	}
}

// denied are rules that refuse ops below a prefix of keys, as a policy would.
func denied(prefix string, ops ...string) lab.Rule {
	return lab.Rule{Kind: lab.KindStatus, Status: 403, Code: "AccessDenied", Probability: 1, Ops: ops, KeyPrefix: prefix}
}

// K05 B60: objects that a policy denies are listed with all others; only reading
// them fails.
func TestDeniedObjects(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	keys := append(names("d/", 30), "pub", "secret/x", "secret.txt", "d/secret", "d/secret.d/y")
	e.s3.putMany(t, keys, func(int) string { return "12\n" })
	rules := []lab.Rule{denied("secret", "HeadObject", "GetObject"), denied("d/secret", "HeadObject", "GetObject")}
	for _, mode := range []string{"auto", "full"} {
		m := e.mount(t, mountOptions{args: []string{"--metadata", mode}})
		e.setFaults(t, rules...)
		// Not listed yet: a directory is one whatever may be said of an object.
		m.wantSh(t, `stat -c %F $MNT/secret`, "directory")
		for range 2 {
			m.wantSh(t, `ls $MNT; ls -l $MNT $MNT/d >/dev/null; stat -c '%s %F' $MNT/secret.txt $MNT/d/secret; ls -l $MNT/d | grep -c secret; cat $MNT/pub`,
				"d\npub\nsecret\nsecret.txt\n3 regular file\n3 regular file\n2\n12")
			m.wantSh(t, `ls $MNT/secret; ls $MNT/d/secret.d`, "x\ny")
			for _, name := range []string{"secret/x", "secret.txt", "d/secret", "d/secret.d/y"} {
				if r := m.try(scriptTimeout, `cat $MNT/`+name); r.code == 0 || !strings.Contains(r.stderr, "ermission denied") {
					t.Errorf("%s: %v, want EACCES", name, r)
				}
			}
			if r := m.try(scriptTimeout, `grep -r 12 $MNT/d | wc -l`); strings.TrimSpace(r.stdout) != "30" {
				t.Errorf("grep -r: %v, want the 30 that may be read", r)
			}
		}
		e.lab.ClearFaults()
		m.unmount(t)
	}
}

// K05 B61: without the right to list, a store answers 403 for what is missing. The
// mount says at its start which right that is, and does not fail later.
func TestMountWithoutListing(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	dir := t.TempDir()
	e.setFaults(t, denied("", "ListObjectsV2", "HeadObject"))
	e.attempt(t, mountAttempt{what: "no right to list", source: e.source(""), dir: dir, want: "s3:listbucket"})
}
