package main

import (
	"errors"
	"os"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/pailfs/pailfs/cmd/pailfs/internal/options"
	"github.com/pailfs/pailfs/cmd/pailfs/internal/serve"
)

const cleanupHelp = `Large files are stored by multipart uploads. What a process that was killed has
sent of one stays with the store, and costs, until somebody aborts the upload.
The next mount of the same place does so by itself; this command does it without
a mount, and for mounts that never come back.

It removes uploads below PREFIX that are older than --older-than, and that the
stage directory's records say a dead mount of this machine has begun. An upload
of a mount that lives is never removed.

--all removes those of other programs and machines as well: all that the bucket
has below PREFIX, but for those of living mounts of this machine and user. Whoever still
sends to one of them fails. Look at them with --dry-run, then say --yes.`

func newCleanup() *cobra.Command {
	var m options.Mount
	store := pflag.NewFlagSet("cleanup", pflag.ContinueOnError)
	m.AddStoreFlags(store)
	c := serve.Cleanup{Mount: &m}
	yes := false
	cmd := &cobra.Command{
		Use:     "cleanup s3://BUCKET[/PREFIX]",
		Short:   "Remove uploads that were never completed",
		Long:    cleanupHelp,
		Example: "  pailfs cleanup s3://data\n  pailfs cleanup s3://data/in --older-than 1h --dry-run\n  pailfs cleanup s3://data --all --older-than 168h --yes",
		Args:    exactly(1, "cleanup needs a source: pailfs cleanup s3://BUCKET[/PREFIX]"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if c.All && !c.DryRun && !yes {
				return errors.New("--all also removes uploads of other programs: look at them with --dry-run, then say --yes")
			}
			if c.OlderThan < 0 {
				return errors.New("--older-than must not be negative")
			}
			if err := m.CompleteStore(store, args[0], os.LookupEnv); err != nil {
				return err
			}
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			c.Out = cmd.OutOrStdout()
			return c.Run(ctx)
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.DurationVar(&c.OlderThan, "older-than", 24*time.Hour, "remove only uploads that began so long ago")
	f.BoolVar(&c.DryRun, "dry-run", false, "say what would be removed")
	f.BoolVar(&c.All, "all", false, "uploads of other programs and machines, too")
	f.BoolVar(&yes, "yes", false, "with --all: do it")
	f.AddFlagSet(store)
	return cmd
}
