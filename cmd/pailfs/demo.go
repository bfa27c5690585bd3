package main

import (
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"

	"github.com/pailfs/pailfs/cmd/pailfs/internal/demo"
)

func newDemo() *cobra.Command {
	return &cobra.Command{
		Use:   "demo [DIR]",
		Short: "Try pailfs on a throw-away bucket on this machine",
		Long: `Start an S3 server on a temporary folder, mount a bucket with sample files at
DIR (default a temporary directory) and show what can be done there. On a
terminal the bucket then stays mounted until Ctrl-C; otherwise all is removed.

The server is the program s3server beside pailfs, or $` + demo.EnvServer + `.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			exe, err := os.Executable()
			if err != nil {
				return err
			}
			d := demo.Demo{Exe: exe, Out: cmd.OutOrStdout(), Stay: isTerminal(os.Stdin)}
			if len(args) > 0 {
				d.Dir = args[0]
			}
			return d.Run(ctx)
		},
	}
}

func isTerminal(f *os.File) bool {
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}
