package main

import (
	"github.com/spf13/cobra"
)

// newRoot builds the command tree for args, the arguments without the
// program's name.
func newRoot(args []string) *cobra.Command {
	root := &cobra.Command{
		Use:           "pailfs",
		Short:         "Mount an S3 bucket as a local directory",
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetArgs(args)
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(
		newMount(args),
		newUmount(),
		newStatus(),
		newFlush(),
		newShare(),
		newRecover(),
		newCleanup(),
		newDemo(),
		newVersion(),
	)
	return root
}
