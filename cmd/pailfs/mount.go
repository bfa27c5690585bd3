package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"os/user"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/pailfs/pailfs/cmd/pailfs/internal/background"
	"github.com/pailfs/pailfs/cmd/pailfs/internal/mountpoint"
	"github.com/pailfs/pailfs/cmd/pailfs/internal/options"
	"github.com/pailfs/pailfs/cmd/pailfs/internal/serve"
)

const mountHelp = `Mount a bucket, or the part of it below PREFIX, at the directory DIR.

The command returns when the mount answers; a process in the background serves
it until ` + "`pailfs umount DIR`" + ` or SIGTERM, which finish all uploads first.

Each flag can also be given as an option of -o (with _ or -) and as an
environment variable: --read-only, -o read_only and PAILFS_READ_ONLY=true are
the same; the first of these that is given counts. PAILFS_STATE_DIR moves logs
and waiting files, PAILFS_RUNTIME_DIR the control sockets.

Credentials come from where all AWS tools look: environment, profiles, SSO, web
identity, container and instance roles.

In /etc/fstab:
  s3://BUCKET/PREFIX /mnt/data fuse.pailfs _netdev,allow_other,region=eu-west-1 0 0`

// newMount makes the verb; args are the program's own, for the process in the
// background.
func newMount(args []string) *cobra.Command {
	var m options.Mount
	cmd := &cobra.Command{
		Use:     "mount s3://BUCKET[/PREFIX] DIR",
		Short:   "Mount a bucket at a directory",
		Long:    mountHelp,
		Example: "  pailfs mount s3://photos ~/photos\n  pailfs mount s3://data/in /mnt/in --read-only --endpoint https://minio.example.org",
		Args:    exactly(2, "mount needs a source and a directory: pailfs mount s3://BUCKET[/PREFIX] DIR"),
		RunE: func(cmd *cobra.Command, pos []string) error {
			child := background.FromEnv()
			err := m.Complete(cmd.Flags(), pos, os.LookupEnv)
			if err == nil {
				setHome()
				err = mountAs(cmd.Context(), &m, child, args)
			}
			if err != nil && child != nil {
				child.Fail(fmt.Errorf("%s", oneLine(err)))
			}
			return err
		},
	}
	m.AddFlags(cmd.Flags())
	return cmd
}

// mountAs plays the part of this process: the command that waits, the child in
// the background, or both in one.
func mountAs(ctx context.Context, m *options.Mount, child *background.Child, args []string) error {
	switch {
	case child != nil:
		return serveChild(m, child)
	case m.Foreground:
		c := serve.Config{Mount: m, Version: buildInfo().Version, Foreground: true}
		return c.Run()
	}
	return startChild(ctx, m, args)
}

func serveChild(m *options.Mount, child *background.Child) error {
	dir, err := mountpoint.Resolve(m.Dir)
	if err != nil {
		return err
	}
	m.Dir = dir
	if err := child.Detach(); err != nil {
		return err
	}
	c := serve.Config{Mount: m, Version: buildInfo().Version}
	c.Ready = func(dir, logFile string) error {
		return child.Ready(background.Message{PID: os.Getpid(), Dir: dir, LogFile: logFile})
	}
	return c.Run()
}

func startChild(ctx context.Context, m *options.Mount, args []string) error {
	ctx, stop := interruptible(ctx)
	defer stop()
	dir, err := mountpoint.Resolve(m.Dir)
	if err != nil {
		return err
	}
	msg, err := background.Start(ctx, args, dir)
	if err != nil {
		return err
	}
	if m.LogLevel() <= slog.LevelDebug {
		fmt.Fprintf(os.Stderr, "pailfs: ready: %s at %s, process %d, log %s\n", m.Source, msg.Dir, msg.PID, msg.LogFile)
	}
	return nil
}

// setHome gives mounts from fstab, which start without HOME, the user's AWS
// profiles.
func setHome() {
	if os.Getenv("HOME") != "" {
		return
	}
	if u, err := user.LookupId(strconv.Itoa(os.Getuid())); err == nil {
		_ = os.Setenv("HOME", u.HomeDir) // a home that does not fit a variable is none
	}
}

// exactly is cobra.ExactArgs with a message that says what to write.
func exactly(n int, message string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) != n {
			return fmt.Errorf("%s", message)
		}
		return nil
	}
}
