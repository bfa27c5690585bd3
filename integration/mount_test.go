package integration

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

const (
	mountTimeout   = 60 * time.Second // until a mount answers
	unmountTimeout = 2 * time.Minute  // until its process has ended
)

// mountOptions say how to mount; the zero value mounts the whole bucket.
type mountOptions struct {
	prefix string   // "" or KEY/PREFIX, without a slash at its end
	args   []string // more flags
	env    []string // more environment
	plain  bool     // the program without the race detector
}

// mount is one running `pailfs mount -f`.
type mount struct {
	e       *env
	o       mountOptions
	dir     string // the mount point: only children may touch it
	stage   string
	work    string // $W of scripts
	logFile string
	cmd     *exec.Cmd
	ended   chan struct{}
	exit    error // of the process, after ended
}

// mount mounts the bucket and unmounts it when the test ends.
func (e *env) mount(t *testing.T, o mountOptions) *mount {
	t.Helper()
	base, err := os.MkdirTemp(e.dir, "m")
	if err != nil {
		t.Fatal(err)
	}
	m := &mount{
		e: e, o: o, dir: filepath.Join(base, "mnt"), stage: filepath.Join(base, "stage"),
		work: filepath.Join(base, "w"), logFile: filepath.Join(base, "pailfs.log"),
	}
	for _, dir := range []string{m.dir, m.work} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s3Tool(t, e, filepath.Join(base, "w", ".bin"))
	t.Cleanup(func() { m.cleanup(t) })
	m.start(t)
	return m
}

func (e *env) source(prefix string) string {
	return strings.TrimSuffix("s3://"+e.bucket+"/"+prefix, "/")
}

// flags are those that every mount of this server has. The last of one name
// counts: a test's own before those of the environment.
func (m *mount) flags() []string {
	level := os.Getenv("PAILFS_TEST_LOG")
	if level == "" {
		level = "info"
	}
	return slices.Concat([]string{"--endpoint", m.e.mountURL, "--region", testRegion, "--path-style",
		"--stage-dir", m.stage, "--log-level", level}, strings.Fields(os.Getenv("PAILFS_TEST_FLAGS")), m.o.args)
}

func (m *mount) program() string {
	if m.o.plain {
		return programs.plain
	}
	return programs.pailfs
}

// environ is the environment of pailfs: nothing of the user's AWS settings.
func (m *mount) environ() []string {
	return append(m.e.environ(), m.o.env...)
}

func (e *env) environ() []string {
	return []string{
		"PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.Getenv("TMPDIR"), "HOME=" + e.dir, "LC_ALL=C.UTF-8",
		"PAILFS_RUNTIME_DIR=" + e.run, "PAILFS_STATE_DIR=" + filepath.Join(e.dir, "state"),
		"AWS_ACCESS_KEY_ID=" + accessKey, "AWS_SECRET_ACCESS_KEY=" + secretKey, "AWS_REGION=" + testRegion,
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true",
		"GOMAXPROCS=" + os.Getenv("GOMAXPROCS"), "GORACE=atexit_sleep_ms=0", // by default each exit takes a second
	}
}

// start runs the program and waits until the mount answers.
func (m *mount) start(t *testing.T) {
	t.Helper()
	logFile, err := os.OpenFile(m.logFile, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer logFile.Close()
	args := append([]string{"mount", "-f", m.e.source(m.o.prefix), m.dir}, m.flags()...)
	m.cmd = exec.Command(m.program(), args...)
	m.cmd.Stdout, m.cmd.Stderr, m.cmd.Env = logFile, logFile, m.environ()
	m.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := m.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	m.ended = make(chan struct{})
	go func(cmd *exec.Cmd, ended chan struct{}) {
		m.exit = cmd.Wait()
		close(ended)
	}(m.cmd, m.ended)
	if err := m.waitMounted(); err != nil {
		t.Fatalf("pailfs %s: %v\n%s", strings.Join(args, " "), err, tail(m.logFile, 40))
	}
}

func (m *mount) waitMounted() error {
	if err := waitForMount(m.dir, m.ended); err != nil {
		return err
	}
	if r := runChild(mountTimeout, m.work, nil, func() { m.kill9() }, "stat", m.dir); r.code != 0 {
		return fmt.Errorf("mounted, but does not answer: %s", r.stderr)
	}
	return nil
}

// waitForMount looks at mountinfo, which cannot hang.
func waitForMount(dir string, ended <-chan struct{}) error {
	for end := time.Now().Add(mountTimeout); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if got, ok := findMount(dir); ok {
			if got.FSType != fsType {
				return fmt.Errorf("mounted as %q, want %q", got.FSType, fsType)
			}
			return nil
		}
		select {
		case <-ended:
			return fmt.Errorf("the program ended before it mounted")
		default:
		}
	}
	return fmt.Errorf("not mounted after %v", mountTimeout)
}

func (m *mount) pid() int { return m.cmd.Process.Pid }

// unmount ends the mount as a user would. A process that does not end in time
// is killed, and the test fails.
func (m *mount) unmount(t *testing.T) {
	t.Helper()
	if err := m.detach(); err != nil {
		t.Error(err)
		lazyUnmount(m.dir)
	}
	if !m.waitEnded(unmountTimeout) {
		t.Errorf("pailfs still runs %v after the unmount", unmountTimeout)
		m.kill9()
		return
	}
	if m.exit != nil {
		t.Errorf("pailfs after the unmount: %v", m.exit)
	}
}

// detach is fusermount3 -u. A mount is busy for a moment while anybody looks at
// it, also pailfs itself when it has just begun, or a program that is ending;
// what stays busy has an open file, and the error says whose.
func (m *mount) detach() error {
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(50 * time.Millisecond) {
		r := runChild(30*time.Second, m.work, nil, func() { m.kill9() }, "fusermount3", "-u", m.dir)
		switch {
		case r.code == 0:
			return nil
		case !strings.Contains(r.stderr, "busy") || time.Now().After(end):
			return fmt.Errorf("fusermount3 -u: %v; used by %q", r, holders(m.dir))
		}
	}
}

// holders names the processes that have something open in a mount. It asks
// only /proc, which cannot hang.
func holders(dir string) (out []string) {
	for _, pattern := range []string{"/proc/[0-9]*/cwd", "/proc/[0-9]*/root", "/proc/[0-9]*/fd/*"} {
		links, _ := filepath.Glob(pattern)
		for _, link := range links {
			at, err := os.Readlink(link)
			if err != nil || at != dir && !strings.HasPrefix(at, dir+"/") {
				continue
			}
			name, _ := os.ReadFile(filepath.Join("/proc", strings.Split(link, "/")[2], "comm"))
			out = append(out, fmt.Sprintf("%s (%s): %s", link, strings.TrimSpace(string(name)), at))
		}
	}
	return out
}

// remount unmounts and mounts again: all caches are cold.
func (m *mount) remount(t *testing.T) {
	t.Helper()
	m.unmount(t)
	m.start(t)
}

func (m *mount) waitEnded(d time.Duration) bool {
	select {
	case <-m.ended:
		return true
	case <-time.After(d):
		return false
	}
}

// kill9 kills the program with its children and detaches what is left.
func (m *mount) kill9() {
	_ = syscall.Kill(-m.pid(), syscall.SIGKILL)
	m.waitEnded(mountTimeout)
	lazyUnmount(m.dir)
}

// lazyUnmount takes all mounts away that dir has.
func lazyUnmount(dir string) {
	for range 10 {
		if _, mounted := findMount(dir); !mounted {
			return
		}
		_ = exec.Command("fusermount3", "-uz", dir).Run() // whether it stays, the next look tells
	}
}

func (m *mount) cleanup(t *testing.T) {
	if m.cmd == nil || m.cmd.Process == nil {
		return
	}
	if _, mounted := findMount(m.dir); mounted {
		m.unmount(t)
	}
	m.kill9()
	if text, err := os.ReadFile(m.logFile); err == nil {
		for _, bad := range []string{"DATA RACE", "panic:", "fatal error:", "goroutine 1 ["} {
			if strings.Contains(string(text), bad) {
				t.Errorf("the mount's log has %q", bad)
				t.Logf("%s", around(string(text), bad))
				break
			}
		}
	}
	if t.Failed() {
		t.Logf("log of the mount:\n%s", tail(m.logFile, 40))
	}
}

// around is what follows the first occurrence of what in text.
func around(text, what string) string {
	i := strings.Index(text, what)
	return text[i:min(len(text), i+4000)]
}

// peakRSS is the largest resident set of the process so far, in bytes.
func (m *mount) peakRSS(t *testing.T) int64 {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", m.pid()))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			return kib << 10
		}
	}
	t.Fatal("no VmHWM in /proc/PID/status")
	return 0
}
