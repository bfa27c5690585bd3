package integration

import (
	"bytes"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"github.com/pailfs/pailfs/integration/lab"
)

// pyEdit is edit(script), which does the same to the file of the mount and to a
// local one.
const pyEdit = `
def edit(change, flags=os.O_RDWR):
    for d in (MNT, W):
        fd=os.open(d+'/f', flags)
        change(fd)
        os.close(fd)
M=1<<20
`

// An edit of a large object costs what was changed: the store copies the rest.
func TestEditsMoveOnlyTheChange(t *testing.T) {
	const part = 5 * mib
	for _, backend := range []string{"memory", "posix"} {
		t.Run(backend, func(t *testing.T) {
			e := newEnv(t, envOptions{lab: true, backend: backend})
			m := e.mount(t, mountOptions{})
			e.s3.putFile(t, "f", m.local(t, "f", 64*mib+5))
			for _, c := range []struct {
				name, script string
				most         int64 // bytes, down and up
			}{
				{"append", `edit(lambda fd: os.write(fd, b'a'*M), os.O_WRONLY|os.O_APPEND)`, mib},
				{"append a little to that", `edit(lambda fd: os.write(fd, b'b'), os.O_WRONLY|os.O_APPEND)`, 1},
				{"amid", `edit(lambda fd: os.pwrite(fd, b'c'*4096, 30*M+7))`, 2 * part},
				{"at the beginning", `edit(lambda fd: os.pwrite(fd, b'd', 0))`, 2 * part},
				{"at the end", `edit(lambda fd: os.pwrite(fd, b'e'*1000, 65*M-3000))`, 2 * part},
				{"in two places", `edit(lambda fd: (os.pwrite(fd, b'f', 20*M), os.pwrite(fd, b'g', 50*M)))`, 4 * part},
				{"with fsync between", `edit(lambda fd: (os.pwrite(fd, b'h', 9*M), os.fsync(fd), os.pwrite(fd, b'i', 45*M)))`, 4 * part},
				{"read amid", `edit(lambda fd: (os.pwrite(fd, b'j', 12*M), os.pread(fd, 10, 40*M), os.pwrite(fd, os.pread(fd, 10, 12*M), 12*M+100)))`, 3*part + mib},
				{"cut off", `edit(lambda fd: os.ftruncate(fd, 60*M+1))`, 0},
				{"longer", `edit(lambda fd: os.ftruncate(fd, 62*M))`, 2 * mib},
				{"all of it", `edit(lambda fd: os.write(fd, b'k'*(40*M)))`, 40 * mib},
			} {
				m.py(t, `os.stat(MNT+'/f')`)
				e.lab.Reset()
				m.py(t, pyEdit+c.script)
				s := e.lab.Reset()
				// Heads and XML come on top.
				if got := s.BytesDown + s.BytesUp; got > c.most+64<<10 {
					t.Errorf("%s: %d bytes down and %d up, want %d in all; %v", c.name, s.BytesDown, s.BytesUp, c.most, s.Ops)
				}
				m.sh(t, `cmp $W/f $MNT/f`)
				e.s3.wantSame(t, "f", m.work+"/f")
			}
			m.remount(t)
			m.sh(t, `cmp $W/f $MNT/f`)
			e.wantNoUploads(t)
		})
	}
}

// wantSame compares an object with a local file, past pailfs.
func (o *outside) wantSame(t *testing.T, key, path string) {
	t.Helper()
	ctx, cancel := within()
	defer cancel()
	out, err := o.client.GetObject(ctx, &s3.GetObjectInput{Bucket: &o.bucket, Key: &key})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if got, _ := hashOf(t, out.Body); got != fileHash(t, path) {
		t.Errorf("object %q is not %s", key, path)
	}
}

// wantNoUploads looks for parts that nobody will complete.
func (e *env) wantNoUploads(t *testing.T) {
	t.Helper()
	ctx, cancel := within()
	defer cancel()
	list, err := e.s3.client.ListMultipartUploads(ctx, &s3.ListMultipartUploadsInput{Bucket: &e.s3.bucket})
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Uploads) > 0 {
		t.Errorf("%d uploads are left open", len(list.Uploads))
	}
}

// What another client gave an object stays with it, also by parts.
func TestEditByPartsKeepsProperties(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	ctx, cancel := within()
	defer cancel()
	body := make([]byte, 40*mib)
	_, err := e.s3.client.PutObject(ctx, &s3.PutObjectInput{
		Bucket: &e.s3.bucket, Key: aws.String("f"), Body: bytes.NewReader(body), ContentType: aws.String("text/x-special"),
		CacheControl: aws.String("no-store"), StorageClass: types.StorageClassStandardIa,
		Metadata: map[string]string{"colour": "blue"}, Tagging: aws.String("a=1&b=two%20words"),
	})
	if err != nil {
		t.Fatal(err)
	}
	m.sh(t, `echo more >> $MNT/f`)
	h := e.s3.head(t, "f")
	if h == nil || aws.ToString(h.ContentType) != "text/x-special" || aws.ToString(h.CacheControl) != "no-store" ||
		h.Metadata["colour"] != "blue" || h.StorageClass != types.StorageClassStandardIa || aws.ToInt64(h.ContentLength) != 40*mib+5 {
		t.Fatalf("%+v", h)
	}
	tags, err := e.s3.client.GetObjectTagging(ctx, &s3.GetObjectTaggingInput{Bucket: &e.s3.bucket, Key: aws.String("f")})
	if err != nil || len(tags.TagSet) != 2 {
		t.Errorf("tags %v, %v", tags, err)
	}
}

// A store that copies no parts gets all of the object, and the log says so once.
func TestEditWhereNoPartIsCopied(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	m := e.mount(t, mountOptions{})
	e.s3.putFile(t, "f", m.local(t, "f", 40*mib))
	e.setFaults(t, lab.Rule{Kind: lab.KindStatus, Status: 501, Code: "NotImplemented", Probability: 1, Ops: []string{"UploadPartCopy"}})
	for range 2 {
		m.py(t, pyEdit+`edit(lambda fd: os.write(fd, b'x'), os.O_WRONLY|os.O_APPEND)`)
		e.s3.wantSame(t, "f", m.work+"/f")
	}
	if n := m.logged(t, "does not copy parts"); n != 1 {
		t.Errorf("said %d times", n)
	}
	e.wantNoUploads(t)
}

// Where the object changes under an edit by parts, the other version stays, and
// what was written is kept.
func TestConflictOfEditByParts(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	m := e.mount(t, mountOptions{})
	e.s3.putFile(t, "f", m.local(t, "f", 40*mib))
	got := m.conflicting(t, `
fd=os.open(MNT+'/f',os.O_RDWR); os.pwrite(fd,b'MINE',20<<20); hold(); end(fd)`, func() { e.s3.put(t, "f", "theirs\n") })
	if got != "ESTALE" {
		t.Errorf("close: %q, want ESTALE", got)
	}
	if text := m.statusText(t); e.s3.get(t, "f") != "theirs\n" || !strings.Contains(text, "conflict") {
		t.Errorf("status: %s", text)
	}
	e.wantNoUploads(t)
}
