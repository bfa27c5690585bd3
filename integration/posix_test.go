package integration

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/hanwen/go-fuse/v2/posixtest"
)

// posixSkips are go-fuse's tests that do not apply, with the reason.
var posixSkips = map[string]string{
	"Link":             "hard links: one object has one key",
	"LinkUnlinkRename": "hard links: one object has one key",

	"FcntlFlockLocksFile": "wants one process's POSIX locks to exclude each other; ext4 fails it too",
	"Tmpfile":             "O_TMPFILE is not offered yet (EOPNOTSUPP)",
	"XAttr":               "attributes of the user cannot be set yet (EOPNOTSUPP)",
	"XAttrLarge":          "attributes of the user cannot be set yet (EOPNOTSUPP)",
}

const (
	posixName = "PAILFS_POSIX_TEST"
	posixDir  = "PAILFS_POSIX_DIR"
)

// TestPosix runs go-fuse's posixtest against the mount, each test in a process
// of its own, which can be given up.
func TestPosix(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range slices.Sorted(maps.Keys(posixtest.All)) {
		t.Run(name, func(t *testing.T) {
			if why := posixSkips[name]; why != "" {
				t.Skip(why)
			}
			m.sh(t, "mkdir $MNT/"+name)
			environ := append(m.scriptEnviron(), asEnv+"=posix", posixName+"="+name, posixDir+"="+filepath.Join(m.dir, name))
			r := runChild(scriptTimeout, m.work, environ, m.kill9, self, "-test.run", "^TestPosixChild$", "-test.v")
			switch {
			case r.code != 0:
				t.Errorf("%v", r)
			case strings.Contains(r.stdout, "--- SKIP"):
				t.Errorf("skipped itself: %s", clip(r.stdout))
			case !strings.Contains(r.stdout, "--- PASS: TestPosixChild"):
				t.Errorf("did not run: %v", r)
			}
			if r.code == -1 {
				m.start(t)
			}
		})
	}
}

// TestPosixChild is the child of TestPosix.
func TestPosixChild(t *testing.T) {
	name := os.Getenv(posixName)
	if name == "" {
		t.Skip("only as a child of TestPosix")
	}
	posixtest.All[name](t, os.Getenv(posixDir))
}
