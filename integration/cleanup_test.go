package integration

import (
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// begin starts a multipart upload as another program, and leaves it.
func (o *outside) begin(t *testing.T, key string) (id string) {
	t.Helper()
	ctx, cancel := within()
	defer cancel()
	out, err := o.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &o.bucket, Key: &key})
	if err != nil {
		t.Fatalf("outside upload of %q: %v", key, err)
	}
	return aws.ToString(out.UploadId)
}

// cleanupVerb runs the verb for the mount's source and stage; the mount may be dead.
func (m *mount) cleanupVerb(t *testing.T, wantCode int, args ...string) string {
	t.Helper()
	argv := append([]string{m.program(), "cleanup", m.e.source(m.o.prefix),
		"--endpoint", m.e.mountURL, "--region", testRegion, "--path-style", "--stage-dir", m.stage}, args...)
	r := runChild(scriptTimeout, m.work, m.environ(), nil, argv...)
	if r.code != wantCode {
		t.Errorf("cleanup %q: %v, want exit %d", args, r, wantCode)
	}
	return r.stdout + r.stderr
}

func sameStrings(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}

// wantUploads compares the keys of the open uploads, in any order.
func (e *env) wantUploads(t *testing.T, want ...string) {
	t.Helper()
	got := e.s3.mpus(t)
	if !sameStrings(got, want) {
		t.Errorf("open uploads: %q, want %q", got, want)
	}
}

// killDuringUpload copies 20 MiB to name and kills the mount at the upload's
// second request of kind op.
func (m *mount) killDuringUpload(t *testing.T, name, op string, answered bool) {
	t.Helper()
	k := m.killAt(t, killPoint{op, name, 1, answered})
	m.try(scriptTimeout, "dd if=/dev/urandom bs=1M count=20 status=none of=$MNT/"+name)
	if !k.fired() {
		t.Fatalf("no %s of %s", op, name)
	}
	m.bury(t)
}

// A mount that is killed during an upload leaves it open. `pailfs cleanup` knows
// it by the record, and nobody else's.
func TestCleanup(t *testing.T) {
	for _, backend := range []string{"memory", "posix"} {
		t.Run(backend, func(t *testing.T) {
			e := newEnv(t, envOptions{backend: backend, lab: true})
			e.s3.begin(t, "in/theirs")
			e.s3.begin(t, "out/theirs")
			m := e.mount(t, mountOptions{prefix: "in"})
			m.killDuringUpload(t, "late", "UploadPart", true)
			m.start(t) // aborts that one
			e.eventuallyUploads(t, "in/theirs", "out/theirs")

			m.killDuringUpload(t, "begun", "UploadPart", false)
			e.wantUploads(t, "in/begun", "in/theirs", "out/theirs")
			m.cleanupVerb(t, 0) // too young
			if text := m.cleanupVerb(t, 0, "--older-than", "0s", "--dry-run"); !strings.Contains(text, `would remove "in/begun"`) {
				t.Errorf("dry run: %q", text)
			}
			e.wantUploads(t, "in/begun", "in/theirs", "out/theirs")
			if text := m.cleanupVerb(t, 0, "--older-than", "0s"); !strings.Contains(text, `removed "in/begun"`) {
				t.Errorf("cleanup: %q", text)
			}
			e.wantUploads(t, "in/theirs", "out/theirs")

			m.cleanupVerb(t, 1, "--older-than", "0s", "--all") // not without --yes
			m.cleanupVerb(t, 0, "--all", "--yes")
			e.wantUploads(t, "in/theirs", "out/theirs")
			m.cleanupVerb(t, 0, "--older-than", "0s", "--all", "--yes")
			e.wantUploads(t, "out/theirs")
			m.start(t)
		})
	}
}

// The process dies before it knows the id of what it has asked for: the key and
// the time tell. The next mount keeps the record, and does not guess.
func TestCleanupOfUnknownUpload(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	m := e.mount(t, mountOptions{})
	m.killDuringUpload(t, "f", "CreateMultipartUpload", true)
	m.start(t)
	m.sh(t, "echo x > $MNT/g")
	e.wantUploads(t, "f")
	m.unmount(t)
	e.s3.begin(t, "g")
	m.cleanupVerb(t, 0, "--older-than", "0s")
	e.wantUploads(t, "g")
	m.start(t)
}

// What a mount that lives is uploading is not removed, by anybody.
func TestCleanupSparesTheLiving(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	m := e.mount(t, mountOptions{})
	reached, goOn := make(chan struct{}), make(chan struct{})
	arrive, release := sync.OnceFunc(func() { close(reached) }), sync.OnceFunc(func() { close(goOn) })
	defer release()
	e.lab.Observe(func(op, _ string) {
		if op == "CompleteMultipartUpload" {
			arrive()
			<-goOn
		}
	})
	stored := make(chan result)
	go func() { stored <- m.try(scriptTimeout, "dd if=/dev/zero bs=1M count=20 status=none of=$MNT/f") }()
	select {
	case <-reached:
		m.cleanupVerb(t, 0, "--older-than", "0s", "--all", "--yes")
		e.wantUploads(t, "f")
	case r := <-stored:
		t.Fatalf("no upload: %v", r)
	}
	release()
	if r := <-stored; r.code != 0 {
		t.Errorf("the upload: %v", r)
	}
	e.lab.Observe(nil)
	e.wantUploads(t)
}

// eventuallyUploads waits until these are the open uploads.
func (e *env) eventuallyUploads(t *testing.T, want ...string) {
	t.Helper()
	for end := time.Now().Add(time.Minute); !sameStrings(e.s3.mpus(t), want); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			e.wantUploads(t, want...)
			return
		}
	}
}
