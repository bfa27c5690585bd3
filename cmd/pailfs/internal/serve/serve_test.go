package serve

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cmd/pailfs/internal/control"
	"github.com/pailfs/pailfs/cmd/pailfs/internal/options"
	"github.com/pailfs/pailfs/fs"
)

func testMount(t *testing.T, args ...string) *options.Mount {
	t.Helper()
	var m options.Mount
	f := pflag.NewFlagSet("mount", pflag.ContinueOnError)
	m.AddFlags(f)
	if err := f.Parse(args); err != nil {
		t.Fatal(err)
	}
	none := func(string) (string, bool) { return "", false }
	if err := m.Complete(f, []string{"s3://bucket/in", "/mnt"}, none); err != nil {
		t.Fatal(err)
	}
	return &m
}

func TestStageIsHeldByOne(t *testing.T) {
	base := t.TempDir()
	a, err := openStage(base, "m")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := openStage(base, "m"); !errors.Is(err, errStageBusy) {
		t.Errorf("a second holder: %v", err)
	}
	a.release()
	if _, err := os.Stat(a.path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty stage is left: %v", err)
	}
	if a, err = openStage(base, "m"); err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(a.path, "draft")
	if err := os.WriteFile(kept, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	a.release()
	if _, err := os.Stat(kept); err != nil {
		t.Errorf("a kept draft is gone: %v", err)
	}
}

func TestMountName(t *testing.T) {
	m := testMount(t)
	name := mountName(m, "/mnt")
	if name != mountName(testMount(t), "/mnt") {
		t.Error("the name must be the same the next time")
	}
	if name == mountName(m, "/mnt2") || name == mountName(testMount(t, "--endpoint", "http://h"), "/mnt") {
		t.Error("another mount has the same name")
	}
}

func TestExplain(t *testing.T) {
	m := testMount(t, "--endpoint", "http://host:1")
	for _, c := range []struct {
		err  error
		want string
	}{
		{bucket.ErrNoBucket, `no such bucket: "bucket"`},
		{bucket.ErrNoCreds, "AWS_ACCESS_KEY_ID"},
		{bucket.ErrPermission, "access denied"},
		{bucket.ErrNotExist, "is no S3 endpoint"},
		{bucket.ErrUnreachable, "endpoint unreachable: HeadBucket: the store"},
		{context.DeadlineExceeded, "endpoint unreachable: http://host:1"},
		{context.Canceled, "interrupted"},
		{bucket.ErrServer, "the store failed"},
	} {
		got := explain(fmt.Errorf("HeadBucket:\n %w", c.err), m).Error()
		if !strings.Contains(got, c.want) {
			t.Errorf("%v: %q, want %q", c.err, got, c.want)
		}
	}
}

// keeper is a mount with kept drafts.
type keeper struct {
	fs.Server
	kept      []fs.DraftInfo
	discarded []string
}

func (k *keeper) Kept() []fs.DraftInfo { return k.kept }

func (k *keeper) Discard(id string) error {
	k.discarded = append(k.discarded, id)
	return nil
}

func (k *keeper) Upload(_ context.Context, id string) (string, error) {
	if id == "bad" {
		return "", errors.New("conflict")
	}
	return "key-" + id, nil
}

func (k *keeper) Save(_ context.Context, id, file string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return f.Close()
}

func TestRecover(t *testing.T) {
	k := &keeper{kept: []fs.DraftInfo{{ID: "a", Path: "x/f"}, {ID: "bad", Path: "y/f"}}}
	h := &handler{srv: k, dir: "/mnt", ended: make(chan struct{})}
	handle := func(req control.Request) ([]control.Result, error) {
		resp, err := h.Handle(t.Context(), req)
		return resp.Results, err
	}
	res, err := handle(control.Request{Op: control.OpUpload})
	if err == nil || len(res) != 2 || res[0].To != "key-a" || res[1].Error != "conflict" {
		t.Errorf("upload of all: %+v, %v", res, err)
	}
	dir := t.TempDir()
	res, err = handle(control.Request{Op: control.OpSave, Dir: dir})
	if err != nil || res[0].To != filepath.Join(dir, "f") || res[1].To != filepath.Join(dir, "f.bad") {
		t.Errorf("two drafts of one name: %+v, %v", res, err)
	}
	for _, bad := range []string{"", "rel", "/mnt", "/mnt/sub", "/mnt/../mnt"} {
		if _, err := handle(control.Request{Op: control.OpSave, Dir: bad}); err == nil {
			t.Errorf("saving to %q was taken", bad)
		}
	}
	if _, err := handle(control.Request{Op: control.OpDiscard}); err == nil {
		t.Error("discard of all was taken")
	}
	res, err = handle(control.Request{Op: control.OpDiscard, IDs: []string{"a", "none"}})
	if err == nil || len(k.discarded) != 1 || res[1].Error == "" {
		t.Errorf("discard: %+v, %v, %v", res, err, k.discarded)
	}
	if _, err := handle(control.Request{Op: "dance"}); err == nil {
		t.Error("an unknown operation was taken")
	}
}

func TestWait(t *testing.T) {
	h := &handler{ended: make(chan struct{})}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := h.Handle(ctx, control.Request{Op: control.OpWait}); err == nil {
		t.Error("the mount has not ended")
	}
	h.finish(errors.New("not stored: a"))
	if _, err := h.Handle(t.Context(), control.Request{Op: control.OpWait}); err == nil || err.Error() != "not stored: a" {
		t.Errorf("%v", err)
	}
}
