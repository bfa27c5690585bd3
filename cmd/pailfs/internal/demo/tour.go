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
)

// stepPatience is how long one command of the tour may take.
const stepPatience = time.Minute

// step is one stop of the tour.
type step struct {
	say     string
	command string // for sh, in the mount
}

func steps(samples string) []step {
	return []step{
		{"Copy a folder in", "cp -r " + samples + "/tree/. ."},
		{"Look around", "ls -l"},
		{"", "cat notes/hello.txt"},
		{"Copy a file in, move it, rename a directory", "cp " + samples + "/letter.txt notes/"},
		{"", "mv notes/letter.txt notes/2026/reply.txt"},
		{"", "mv pictures photos"},
		{"", "find . -type f | sort"},
		{"", "df -hT ."},
		{"Share links are an attribute of each file", "getfattr --only-values -n user.s3.url notes/hello.txt"},
		{"Anybody can fetch such a link, without credentials", `curl -sS --fail "$(getfattr --only-values -n user.s3.url notes/hello.txt)"`},
		{"", `curl -sS --fail "$(getfattr --only-values -n user.s3.url photos/gradient.png)" | cmp - photos/gradient.png && echo same bytes`},
		{"", "pailfs share --expires 24h photos/gradient.png"},
		{"What it cost", "pailfs status ."},
	}
}

// tour runs the steps in the mount and prints commands and output.
func (d *Demo) tour(ctx context.Context, m *mount) error {
	samples := filepath.Join(d.tmp, "samples")
	if err := writeSamples(samples); err != nil {
		return fmt.Errorf("sample files: %w", err)
	}
	fmt.Fprintf(d.Out, "$ cd %s\n", m.dir)
	for _, s := range steps(samples) {
		if s.say != "" {
			fmt.Fprintf(d.Out, "\n# %s\n", s.say)
		}
		fmt.Fprintf(d.Out, "$ %s\n", s.command)
		out, err := d.step(ctx, m, s.command)
		if out != "" && !strings.HasSuffix(out, "\n") {
			out += "\n"
		}
		fmt.Fprint(d.Out, out)
		switch {
		case ctx.Err() != nil:
			return errors.New("interrupted")
		case err != nil:
			return fmt.Errorf("the tour failed at `%s`: %w", s.command, err)
		}
	}
	return nil
}

// step runs one command and returns its output, stderr included.
func (d *Demo) step(ctx context.Context, m *mount, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, stepPatience)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-c", command)
	cmd.Dir = m.dir
	cmd.Env = childEnv("PATH=" + filepath.Dir(d.Exe) + string(os.PathListSeparator) + os.Getenv("PATH"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	// The whole group: a curl must not outlive its shell, and keep the mount busy.
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	out, err := cmd.CombinedOutput()
	if err != nil && errors.Is(ctx.Err(), context.DeadlineExceeded) {
		err = fmt.Errorf("no end within %v", stepPatience)
	}
	return string(out), err
}
