package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/pailfs/pailfs/integration/internal/mounts"
	"github.com/pailfs/pailfs/integration/internal/testkit"
)

// The programs under test, set once by TestMain.
var programs struct {
	pailfs   string // with the race detector if the tests have it
	plain    string // never with it: for tests that measure memory
	s3server string
	missing  string // why nothing can be mounted on this machine, or ""
}

// asEnv makes a copy of the test binary act as something else.
const asEnv = "PAILFS_TEST_AS"

func TestMain(m *testing.M) {
	switch os.Getenv(asEnv) {
	case "s3":
		os.Exit(s3Command(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	case "writer":
		os.Exit(writerCommand())
	case "racer":
		os.Exit(racerCommand())
	case workerAs:
		os.Exit(workerMain(os.Stdin, os.Stdout))
	case "posix":
		os.Exit(m.Run())
	}
	os.Exit(mainRun(m))
}

func mainRun(m *testing.M) int {
	root, err := os.MkdirTemp("", "pailfs-it")
	if err != nil {
		return complain(err)
	}
	defer os.RemoveAll(root)
	if err := os.Setenv("TMPDIR", root); err != nil {
		return complain(err)
	}
	if programs.missing = missingTools(); programs.missing == "" {
		if err := buildAll(filepath.Join(root, "bin")); err != nil {
			return complain(err)
		}
	}
	code := m.Run()
	for _, left := range mounts.Detach(root) {
		fmt.Fprintf(os.Stderr, "leftover mount: %s\n", left)
		code = max(code, 1)
	}
	return code
}

func complain(err error) int {
	fmt.Fprintln(os.Stderr, "integration:", err)
	return 1
}

func missingTools() string {
	if _, err := os.Stat("/dev/fuse"); err != nil {
		return "no /dev/fuse: " + err.Error()
	}
	for _, tool := range []string{"fusermount3", "bash", "python3", "timeout", "getfattr", "setfattr", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			return tool + " is not installed (Debian: apt install fuse3 attr curl python3 coreutils)"
		}
	}
	return ""
}

// needMount skips the test where nothing can be mounted; with CI=true it fails.
func needMount(t *testing.T) {
	t.Helper()
	if programs.missing != "" {
		testkit.SkipOrFail(t, programs.missing)
	}
}

// buildAll builds what the environment does not name.
func buildAll(bin string) error {
	programs.pailfs, programs.plain = os.Getenv("PAILFS_BIN"), os.Getenv("PAILFS_BIN")
	programs.s3server = os.Getenv("S3SERVER_BIN")
	if programs.plain == "" {
		programs.plain = filepath.Join(bin, "pailfs")
		programs.pailfs = programs.plain
		if err := testkit.Build("..", programs.plain, "./cmd/pailfs"); err != nil {
			return err
		}
		if raceEnabled {
			programs.pailfs = filepath.Join(bin, "race", "pailfs")
			if err := testkit.Build("..", programs.pailfs, "-race", "./cmd/pailfs"); err != nil {
				return err
			}
		}
	}
	if programs.s3server == "" {
		programs.s3server = filepath.Join(bin, "s3server")
		return testkit.Build("s3server", programs.s3server, ".")
	}
	return nil
}
