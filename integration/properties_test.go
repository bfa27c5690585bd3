package integration

import (
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// An edit stores the object anew with all that another client gave it.
func TestEditKeepsProperties(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	ctx, cancel := within()
	defer cancel()
	_, err := e.s3.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &e.s3.bucket, Key: aws.String("d/f"), Body: strings.NewReader("one\n"),
		ContentType: aws.String("text/x-special"), ContentLanguage: aws.String("de"), CacheControl: aws.String("no-store"),
		ContentDisposition: aws.String(`attachment; filename="f"`), StorageClass: types.StorageClassStandardIa,
		Metadata: map[string]string{"colour": "blue"}, Tagging: aws.String("a=1&b=two%20words"),
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, change := range []string{
		`echo two >> $MNT/d/f`, `chmod 640 $MNT/d/f`, `mv $MNT/d/f $MNT/d/g; mv $MNT/d/g $MNT/d/f`, `echo three >> $MNT/d/f`,
	} {
		m.sh(t, change)
		h := e.s3.head(t, "d/f")
		if h == nil {
			t.Fatalf("after %q: no object", change)
		}
		if aws.ToString(h.ContentType) != "text/x-special" || aws.ToString(h.ContentLanguage) != "de" ||
			aws.ToString(h.CacheControl) != "no-store" || h.Metadata["colour"] != "blue" ||
			!strings.HasPrefix(aws.ToString(h.ContentDisposition), "attachment") || h.StorageClass != types.StorageClassStandardIa {
			t.Errorf("after %q: %+v", change, h)
		}
		tags, err := e.s3.client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: &e.s3.bucket, Key: aws.String("d/f")})
		if err != nil {
			t.Fatal(err)
		}
		if len(tags.TagSet) != 2 {
			t.Errorf("after %q: tags %v", change, tags.TagSet)
		}
	}
	m.wantFile(t, "d/f", "one\ntwo\nthree\n")
}

// A directory's marker that has content of its own keeps it.
func TestMarkerWithContent(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	e.s3.put(t, "d/", "about this directory")
	e.s3.put(t, "d/f", "x")
	m.sh(t, `chmod 700 $MNT/d; mv $MNT/d $MNT/e`)
	if got := e.s3.get(t, "e/"); got != "about this directory" {
		t.Errorf("marker: %q", got)
	}
	m.remount(t)
	m.wantSh(t, `stat -c %a $MNT/e`, "700")
}

// A file that was open while it was removed or replaced stays readable.
func TestUnlinkedOpenFile(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	content := strings.Repeat("0123456789", 300_000)
	e.s3.put(t, "a", content)
	e.s3.put(t, "b", content)
	e.s3.put(t, "new", "new")
	got := m.py(t, `
a=os.open(MNT+'/a',os.O_RDONLY); os.unlink(MNT+'/a')
b=os.open(MNT+'/b',os.O_RDONLY); os.rename(MNT+'/new',MNT+'/b')
t=os.open(MNT+'/t',os.O_RDWR|os.O_CREAT); os.write(t,b'scratch'); os.unlink(MNT+'/t'); os.write(t,b'ed'); os.fsync(t)
ok=b'0123456789'*300000
print(os.pread(a,4000000,0)==ok, os.pread(b,4000000,0)==ok, os.pread(t,99,0), os.fstat(a).st_nlink, os.fstat(b).st_nlink)
for f in (a,b,t): os.close(f)
print(open(MNT+'/b').read(), os.listdir(MNT))`)
	if want := "True True b'scratched' 0 0\nnew ['b']"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	e.s3.wantKeys(t, "", "b")
}

// Pipes, devices and sockets survive a remount as names with attributes.
func TestSpecialFiles(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	m.sh(t, `mkdir $MNT/s; mkfifo -m 640 $MNT/s/pipe; mknod $MNT/s/dev c 7 3
		python3 -c "import socket; socket.socket(socket.AF_UNIX).bind('$MNT/s/sock')"`)
	const script = `cd $MNT/s; stat -c '%n %F %a %t,%T' dev pipe; stat -c '%n %F' sock; find . -type p; find . -type s`
	before := m.sh(t, script)
	m.remount(t)
	if after := m.sh(t, script); after != before || !strings.Contains(before, "pipe fifo 640") || !strings.Contains(before, "7,3") {
		t.Errorf("before %q, after %q", before, after)
	}
}

// --metadata=full finds attributes wherever they are, list never asks.
func TestMetadataModes(t *testing.T) {
	e := newEnv(t, envOptions{})
	e.s3.putMany(t, names("d/", 20), empty)
	writer := e.mount(t, mountOptions{})
	writer.sh(t, `chmod 600 $MNT/d/000003; ln -s x $MNT/d/link`)
	writer.unmount(t)
	for _, c := range []struct{ mode, want string }{{"full", "600 symbolic link"}, {"auto", "600 symbolic link"}, {"list", "644 regular file"}} {
		m := e.mount(t, mountOptions{args: []string{"--metadata", c.mode}})
		m.sh(t, `ls $MNT/d`)
		m.wantSh(t, `echo $(stat -c %a $MNT/d/000003) $(stat -c %F $MNT/d/link)`, c.want)
		m.unmount(t)
	}
}

// Without a time to live, a change by another client is seen at once.
func TestNoTTL(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{args: []string{"--metadata-ttl", "0"}})
	for range 3 {
		e.s3.put(t, "d/f", "x")
		m.wantSh(t, `ls $MNT/d; stat -c %s $MNT/d/f`, "f\n1")
		e.s3.put(t, "d/f", "longer")
		m.wantSh(t, `stat -c %s $MNT/d/f`, "6")
		e.s3.rm(t, "d/f")
		m.sh(t, `! stat $MNT/d/f; ! stat $MNT/d`)
	}
}

// A long target does not fit the metadata; the content has it.
func TestLongSymlink(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	m.sh(t, `t=$(printf 'ä%.0s' $(seq 1500)); mkdir $MNT/d; ln -s "$t" $MNT/d/l; [ "$(readlink $MNT/d/l)" = "$t" ]`)
	m.remount(t)
	m.wantSh(t, `readlink $MNT/d/l | tr -d '\n' | wc -c; stat -c %s $MNT/d/l`, "3000\n3000")
}
