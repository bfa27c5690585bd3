package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/pailfs/pailfs/cmd/pailfs/internal/lifetime"
	"github.com/pailfs/pailfs/cmd/pailfs/internal/mountpoint"
)

func newShare() *cobra.Command {
	var expires lifetime.Value
	cmd := &cobra.Command{
		Use:   "share FILE...",
		Short: "Print links by which anybody can read files",
		Long: `Print a presigned URL for each file: whoever has it can read the file, without
credentials, until it ends. Only URLs go to stdout; when they end goes to stderr.

A link ends with the credentials that signed it, which may be sooner than asked.`,
		Example: "  pailfs share report.pdf --expires 7d",
		Args:    cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, files []string) error {
			var failed error
			for _, file := range files {
				s := sharing{out: cmd.OutOrStdout(), info: cmd.ErrOrStderr(), asked: time.Duration(expires), named: len(files) > 1}
				failed = errors.Join(failed, s.print(file))
			}
			return failed
		},
	}
	cmd.Flags().VarP(&expires, "expires", "e", "lifetime: 90s, 15m, 24h, 7d (default that of the mount)")
	return cmd
}

// sharing prints links.
type sharing struct {
	out, info io.Writer
	asked     time.Duration // 0: the mount's default
	named     bool          // say which file a line on info is about
}

func (s *sharing) print(file string) error {
	name := "user.s3.url"
	if s.asked > 0 {
		name += "." + lifetime.Format(s.asked)
	}
	url, err := mountpoint.Getxattr(file, name)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	span, ends, err := lifetime.OfURL(url)
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	fmt.Fprintln(s.out, url)
	label := ""
	if s.named {
		label = file + ": "
	}
	if !ends {
		fmt.Fprintf(s.info, "%sdoes not expire: the mount is anonymous, the link is not signed\n", label)
		return nil
	}
	if s.asked > 0 && span.Lasts < s.asked {
		fmt.Fprintf(s.info, "%swarning: the credentials end before the %s asked for\n", label, lifetime.Format(s.asked))
	}
	fmt.Fprintf(s.info, "%sexpires %s (in %s)\n", label, span.Until.Local().Format(time.RFC3339), lifetime.Human(time.Until(span.Until)))
	return nil
}
