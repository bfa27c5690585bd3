package mountpoint

import (
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestRootIsMounted(t *testing.T) {
	if m, ok, err := At("/"); err != nil || !ok || m.Type == "" {
		t.Errorf("%+v, %v, %v", m, ok, err)
	}
	if _, ok, err := At(t.TempDir()); err != nil || ok {
		t.Errorf("a plain directory: %v, %v", ok, err)
	}
}

func TestPrepare(t *testing.T) {
	log := slog.New(slog.DiscardHandler)
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty")
	if err := os.Mkdir(empty, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link")
	if err := os.Symlink(empty, link); err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{empty, link, empty + "/../empty/"} {
		if got, err := Prepare(d, log); err != nil || got != empty {
			t.Errorf("%s: %s, %v", d, got, err)
		}
	}
	for d, want := range map[string]string{
		filepath.Join(dir, "none"): "mkdir -p",
		file:                       "not a directory",
		dir:                        "not empty",
		"/proc":                    "busy",
		"":                         "empty",
	} {
		if _, err := Prepare(d, log); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q", d, err, want)
		}
	}
}

func TestBounded(t *testing.T) {
	stop := make(chan struct{})
	defer close(stop)
	_, err := bounded(10*time.Millisecond, func() (int, error) { <-stop; return 0, nil })
	if !errors.Is(err, ErrHangs) {
		t.Errorf("a call that hangs: %v", err)
	}
	if v, err := bounded(time.Minute, func() (int, error) { return 7, nil }); v != 7 || err != nil {
		t.Errorf("%d, %v", v, err)
	}
}

func TestCheckDevice(t *testing.T) {
	if err := checkDevice(filepath.Join(t.TempDir(), "fuse")); err == nil || !strings.Contains(err.Error(), "modprobe") {
		t.Errorf("missing device: %v", err)
	}
	if err := checkDevice("/dev/null"); err != nil {
		t.Error(err)
	}
}

func TestUserAllowOther(t *testing.T) {
	conf := filepath.Join(t.TempDir(), "fuse.conf")
	if userAllowOther(conf) {
		t.Error("no file allows nothing")
	}
	for text, want := range map[string]bool{"# user_allow_other\n": false, "mount_max = 1\n  user_allow_other  \n": true} {
		if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := userAllowOther(conf); got != want {
			t.Errorf("%q: %v", text, got)
		}
	}
}
