package integration

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pailfs/pailfs/integration/lab"
)

// `pailfs mount` returns when the mount answers; `pailfs umount` ends it.
func TestBackgroundMount(t *testing.T) {
	e := newEnv(t, envOptions{})
	dir := filepath.Join(e.dir, "mnt")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { lazyUnmount(dir) })
	environ := append(e.environ(), "MNT="+dir, "PAILFS="+programs.pailfs, "URL="+e.mountURL, "SOURCE="+e.source(""), "D="+e.dir)
	run := func(script string) result {
		t.Helper()
		return runChild(scriptTimeout, e.dir, environ, func() { lazyUnmount(dir) }, "bash", "-euc", script)
	}
	// Options also come from the environment.
	begin := time.Now()
	r := run(`PAILFS_ENDPOINT=$URL PAILFS_PATH_STYLE=true $PAILFS mount $SOURCE $MNT --stage-dir $D/stage --log-file $D/log`)
	if r.code != 0 {
		t.Fatalf("mount: %v", r)
	}
	t.Logf("mount returned after %v", time.Since(begin).Round(time.Millisecond))
	if _, mounted := findMount(dir); !mounted {
		t.Fatal("mount returned, and nothing is mounted")
	}
	if r := run(`echo hi > $MNT/f; cat $MNT/f; $PAILFS status $MNT --json`); r.code != 0 || !strings.HasPrefix(r.stdout, "hi\n") {
		t.Errorf("use: %v", r)
	}
	if got := e.s3.get(t, "f"); got != "hi\n" {
		t.Errorf("object: %q", got)
	}
	if r := run(`$PAILFS umount $MNT`); r.code != 0 {
		t.Errorf("umount: %v", r)
	}
	if _, mounted := findMount(dir); mounted {
		t.Error("umount returned, and it is still mounted")
	}
	if r := run(`$PAILFS umount $MNT`); r.code == 0 {
		t.Errorf("umount of what is not mounted: %v, want a failure", r)
	}
}

// `pailfs umount` of a mount in the foreground ends its process with 0.
func TestUmountVerb(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	m.sh(t, `for i in $(seq 20); do head -c 300K /dev/urandom > $W/u$i; cp $W/u$i $MNT/u$i; done; $PAILFS umount $MNT`)
	if !m.waitEnded(unmountTimeout) || m.exit != nil {
		t.Errorf("the program's end: %v", m.exit)
	}
	// K01 B07: everything is there when it has ended.
	if n := len(e.s3.ls(t, "u")); n != 20 {
		t.Errorf("%d objects, want 20", n)
	}
}

// SIGTERM and SIGINT: unmount and exit 0.
func TestSignalsUnmount(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		t.Run(signal.String(), func(t *testing.T) {
			e := newEnv(t, envOptions{})
			m := e.mount(t, mountOptions{})
			m.sh(t, `echo hi > $MNT/f`)
			if err := m.cmd.Process.Signal(signal); err != nil {
				t.Fatal(err)
			}
			if !m.waitEnded(unmountTimeout) || m.exit != nil {
				t.Errorf("after %v: %v, want exit 0", signal, m.exit)
			}
			if _, mounted := findMount(m.dir); mounted {
				t.Error("still mounted")
			}
			if got := e.s3.get(t, "f"); got != "hi\n" {
				t.Errorf("object: %q", got)
			}
		})
	}
}

// SIGTERM while close() uploads: the upload is finished, cp exits 0.
func TestSignalFinishesUploads(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	m := e.mount(t, mountOptions{})
	want := fileHash(t, m.local(t, "src", 24*mib))
	e.lab.SetShape(lab.Shape{TotalMBps: 8}) // 3 s
	parts := make(chan struct{}, 1)
	e.lab.Observe(func(op, _ string) {
		if op == "UploadPart" || op == "PutObject" {
			select {
			case parts <- struct{}{}:
			default:
			}
		}
	})
	done := make(chan result, 1)
	go func() { done <- m.try(scriptTimeout, `cp $W/src $MNT/f`) }()
	select {
	case <-parts:
	case <-time.After(scriptTimeout):
		t.Error("no upload began")
	}
	if err := m.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	r := <-done
	if !m.waitEnded(unmountTimeout) || m.exit != nil {
		t.Errorf("after SIGTERM: %v, want exit 0", m.exit)
	}
	if r.code != 0 {
		t.Errorf("cp: %v", r)
	}
	if got, _ := e.s3.hash(t, "f"); got != want {
		t.Error("the object differs from what cp stored")
	}
}

// The mount answers while the store is silent, and can be unmounted.
func TestUnmountWithSilentStore(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	m := e.mount(t, mountOptions{})
	m.sh(t, `echo hi > $MNT/f`)
	e.setFaults(t, lab.Rule{Kind: lab.KindStall, Probability: 1, DelayMS: 120_000, AfterBytes: -1})
	if r := m.try(5*time.Second, `cat $MNT/other`); r.code == 0 || r.code == -1 {
		t.Errorf("cat of a file the store says nothing of: %v, want a failure or the time limit", r)
	}
	begin := time.Now()
	m.unmount(t)
	if took := time.Since(begin); took > time.Minute { // the store is silent for two
		t.Errorf("unmount took %v", took)
	}
}

func TestVersion(t *testing.T) {
	needMount(t)
	r := runChild(time.Minute, t.TempDir(), nil, nil, programs.pailfs, "version")
	if r.code != 0 || !strings.Contains(r.stdout, "pailfs") {
		t.Errorf("version: %v", r)
	}
}
