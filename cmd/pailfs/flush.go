package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/pailfs/pailfs/cmd/pailfs/internal/control"
	"github.com/pailfs/pailfs/cmd/pailfs/internal/mountpoint"
)

func newFlush() *cobra.Command {
	var timeout time.Duration
	cmd := &cobra.Command{
		Use:   "flush DIR",
		Short: "Wait until all closed files are on S3",
		Long: `Upload now what programs have closed on a mount with --writeback, and wait for
it. (sync(1) does not reach a FUSE file system.) The exit code is 1, with the names,
when something is not on S3: because it could not be stored yet, or is kept for
` + "`pailfs recover`" + `. A file that is still being written is left alone.`,
		Args: exactly(1, "flush needs a directory: pailfs flush DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return flush(ctx, args[0], timeout)
		},
	}
	cmd.Flags().DurationVar(&timeout, "timeout", 5*time.Minute, "longest wait for uploads")
	return cmd
}

func flush(ctx context.Context, arg string, timeout time.Duration) error {
	dir, err := mountpoint.Resolve(arg)
	if err != nil {
		return err
	}
	sockets, err := control.Dir()
	if err != nil {
		return err
	}
	_, err = control.Call(ctx, sockets, dir, control.Request{Op: control.OpFlush, TimeoutMS: timeout.Milliseconds()})
	var remote *control.RemoteError
	switch {
	case errors.Is(err, control.ErrNoServer):
		return notServed(dir)
	case errors.As(err, &remote):
		return fmt.Errorf("not on S3: %w", err)
	}
	return err
}
