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
	conn, pid, err := reach(ctx, sockets, dir)
	switch {
	case err == nil:
		defer conn.Close()
		return u.end(ctx, conn, pid, dir, mounted)
	case !mounted && errors.Is(err, control.ErrNoServer):
		return fmt.Errorf("%s is not mounted", dir)
	case u.lazy && mounted, errors.Is(err, control.ErrNoServer):
		return mountpoint.Unmount(dir, u.lazy)
	}
	return fmt.Errorf("%s: its process does not answer: %w; --lazy detaches it nevertheless", dir, err)
}

// reach connects to the process that serves dir.
func reach(ctx context.Context, sockets, dir string) (conn *control.Conn, pid int, err error) {
	conn, err = control.Dial(ctx, sockets, dir)
	if err != nil {
		return nil, 0, err
	}
	resp, err := conn.Call(ctx, control.Request{Op: control.OpPing, TimeoutMS: 1000})
	if err != nil {
		conn.Close()
		return nil, 0, err
	}
	return conn, resp.PID, nil
}

// end takes a living mount down: uploads, unmount, the process's own end.
func (u *umount) end(ctx context.Context, conn *control.Conn, pid int, dir string, mounted bool) error {
	if u.lazy && mounted {
		return mountpoint.Unmount(dir, true)
	}
	proc, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		proc = -1 // it ends at this very moment
	} else {
		defer unix.Close(proc)
	}
	// What fails here is reported by the wait as well, after another try.
	_, unstored := conn.Call(ctx, u.request(control.OpDrain))
	var remote *control.RemoteError
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted: %s stays mounted", dir)
	case unstored != nil && !errors.As(unstored, &remote):
		return unstored
	}
	// Sent before the unmount: the process may end right after that.
	wait := u.request(control.OpWait)
	if err := conn.Send(wait); err != nil {
		return err
	}
	if mounted {
		if err := unmountIdle(dir); err != nil {
			return err
		}
	}
	_, err = conn.Receive(ctx, wait)
	conn.Close() // the process need not wait for more
	if err != nil {
		return err
	}
	return errors.Join(unstored, awaitExit(ctx, proc))
}

func unmountIdle(dir string) error {
	err := mountpoint.Unmount(dir, false)
	if errors.Is(err, mountpoint.ErrBusy) {
		return fmt.Errorf("%w: `fuser -vm %s` shows by whom; --lazy detaches it nevertheless", err, dir)
	}
	return err
}

// request makes a request that may take as long as uploads do.
func (u *umount) request(op string) control.Request {
	return control.Request{Op: op, TimeoutMS: u.timeout.Milliseconds()}
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
