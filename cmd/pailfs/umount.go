package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/pailfs/pailfs/cmd/pailfs/internal/control"
	"github.com/pailfs/pailfs/cmd/pailfs/internal/mountpoint"
)

// umount is the verb's settings.
type umount struct {
	lazy    bool
	timeout time.Duration
}

func newUmount() *cobra.Command {
	var u umount
	cmd := &cobra.Command{
		Use:     "umount DIR",
		Aliases: []string{"unmount"},
		Short:   "Finish uploads and unmount",
		Long: `Upload what is still waiting, unmount DIR and wait until the process that
served it has ended. The exit code is 1, with the names, when something could not
be stored; it is kept and ` + "`pailfs recover`" + ` works on it after the next mount.

A mount whose process is dead is unmounted too.`,
		Args: exactly(1, "umount needs a directory: pailfs umount DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return u.run(ctx, args[0])
		},
	}
	cmd.Flags().BoolVarP(&u.lazy, "lazy", "z", false, "detach now even where programs use it; it ends when they leave")
	cmd.Flags().DurationVar(&u.timeout, "timeout", 5*time.Minute, "longest wait for uploads")
	return cmd
}

func (u *umount) run(ctx context.Context, arg string) error {
	dir, err := mountpoint.Resolve(arg)
	if err != nil {
		return err
	}
	m, mounted, err := mountpoint.At(dir)
	if err != nil {
		return err
	}
	if mounted && m.Type != mountpoint.FSType {
		return fmt.Errorf("%s is a mount of type %s, not of pailfs", dir, m.Type)
	}
	sockets, err := control.Dir()
	if err != nil {
		return err
	}
	pid, served, err := ping(ctx, sockets, dir)
	if err != nil && !u.lazy {
		return fmt.Errorf("%s: its process does not answer: %w; --lazy detaches it nevertheless", dir, err)
	}
	if !mounted && !served {
		return fmt.Errorf("%s is not mounted", dir)
	}
	if !served {
		return mountpoint.Unmount(dir, u.lazy)
	}
	return u.end(ctx, sockets, dir, pid, mounted)
}

// end takes a living mount down: uploads, unmount, the process's own end.
func (u *umount) end(ctx context.Context, sockets, dir string, pid int, mounted bool) error {
	proc, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		proc = -1 // it ends at this very moment
	} else {
		defer unix.Close(proc)
	}
	var unstored error
	if !u.lazy {
		unstored = u.ask(ctx, sockets, dir, control.OpDrain)
		if ctx.Err() != nil {
			return fmt.Errorf("interrupted: %s stays mounted", dir)
		}
	}
	if mounted {
		if err := mountpoint.Unmount(dir, u.lazy); err != nil {
			if errors.Is(err, mountpoint.ErrBusy) {
				return fmt.Errorf("%w: `fuser -vm %s` shows by whom; --lazy detaches it nevertheless", err, dir)
			}
			return err
		}
	}
	if u.lazy && mounted {
		return nil
	}
	// The process tries once more after the unmount; its word is the last.
	if err := u.ask(ctx, sockets, dir, control.OpWait); err != nil {
		return err
	}
	return errors.Join(unstored, awaitExit(ctx, proc))
}

// ask sends a request that may take as long as uploads do. A process that has
// ended meanwhile has nothing left.
func (u *umount) ask(ctx context.Context, sockets, dir, op string) error {
	_, err := control.Call(ctx, sockets, dir, control.Request{Op: op, TimeoutMS: u.timeout.Milliseconds()})
	if errors.Is(err, control.ErrNoServer) {
		return nil
	}
	return err
}

func ping(ctx context.Context, sockets, dir string) (pid int, served bool, err error) {
	resp, err := control.Call(ctx, sockets, dir, control.Request{Op: control.OpPing, TimeoutMS: 5000})
	if errors.Is(err, control.ErrNoServer) {
		return 0, false, nil
	}
	return resp.PID, err == nil, err
}

// awaitExit waits until the process behind a pidfd is gone; after its last
// answer that takes no time.
func awaitExit(ctx context.Context, proc int) error {
	for end := time.Now().Add(30 * time.Second); proc >= 0; {
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(proc), Events: unix.POLLIN}}, 200)
		switch {
		case n > 0:
			return nil
		case err != nil && !errors.Is(err, unix.EINTR):
			return fmt.Errorf("wait for the process: %w", err)
		case ctx.Err() != nil:
			return errors.New("interrupted: the process is still ending")
		case time.Now().After(end):
			return errors.New("the process is still ending")
		}
	}
	return nil
}
