package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/pailfs/pailfs/cmd/pailfs/internal/mountpoint"
)

// mount is the running mount. It stays in the foreground, as a child, so that
// it cannot outlive the demo.
type mount struct {
	*process
	dir string
	log string
}

func (d *Demo) startMount(ctx context.Context, s3 *server) (*mount, error) {
	dir, err := d.mountDir()
	if err != nil {
		return nil, err
	}
	m := &mount{dir: dir, log: filepath.Join(d.tmp, "mount.log")}
	args := []string{"mount", "--foreground", "s3://" + bucketName, dir, "--endpoint", s3.url}
	fmt.Fprintf(d.Out, "\n$ pailfs %s &\n", strings.Join(args, " "))
	cmd := exec.Command(d.Exe, append(args, "--log-file", m.log, "--stage-dir", filepath.Join(d.tmp, "stage"))...)
	cmd.Env = childEnv(s3.env()...)
	if m.process, err = start(cmd, syscall.SIGTERM); err != nil {
		return nil, fmt.Errorf("start %s: %w", d.Exe, err)
	}
	if err := m.await(ctx); err != nil {
		return nil, errors.Join(err, m.stop())
	}
	return m, nil
}

func (d *Demo) mountDir() (string, error) {
	if d.Dir != "" {
		return mountpoint.Resolve(d.Dir)
	}
	dir := filepath.Join(d.tmp, "mnt")
	return dir, os.Mkdir(dir, 0o755)
}

// await waits until the mount answers.
func (m *mount) await(ctx context.Context) error {
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(startPatience); time.Now().Before(end); {
		select {
		case <-m.done:
			return m.failure("the mount")
		case <-ctx.Done():
			return errors.New("interrupted")
		case <-tick.C:
		}
		at, mounted, err := mountpoint.At(m.dir)
		if err != nil {
			return err
		}
		if mounted && at.Type == mountpoint.FSType && at.Source == "s3://"+bucketName {
			return mountpoint.Probe(m.dir)
		}
	}
	return errors.New("the mount did not answer")
}

// stop ends the mount: SIGTERM finishes uploads and unmounts, a second one gives
// up on uploads. What is then left is detached by force.
func (m *mount) stop() error {
	if m.end(30*time.Second, syscall.SIGTERM, syscall.SIGTERM, syscall.SIGKILL) && m.err == nil {
		return nil
	}
	err := m.failure("the mount")
	if at, mounted, terr := mountpoint.At(m.dir); terr == nil && mounted && at.Type == mountpoint.FSType {
		err = errors.Join(err, mountpoint.Unmount(m.dir, true))
	}
	return err
}

// hint returns the end of the mount's log as an error, for a tour that failed.
func (m *mount) hint() error {
	raw, err := os.ReadFile(m.log)
	if err != nil {
		return err
	}
	lines := strings.Split(strings.TrimSpace(string(raw)), "\n")
	return fmt.Errorf("the mount's log ends with: %s", strings.Join(lines[max(0, len(lines)-5):], " | "))
}
