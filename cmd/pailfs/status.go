package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/dustin/go-humanize"
	"github.com/spf13/cobra"

	"github.com/pailfs/pailfs/cache"
	"github.com/pailfs/pailfs/cmd/pailfs/internal/control"
	"github.com/pailfs/pailfs/cmd/pailfs/internal/lifetime"
	"github.com/pailfs/pailfs/cmd/pailfs/internal/mountpoint"
	"github.com/pailfs/pailfs/fs"
)

func newStatus() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status [DIR]",
		Short: "Show mounts, waiting files and requests",
		Long:  "Show one mount, or all mounts of this user: what waits for its upload, what is\nkept because it could not be stored, and the S3 requests by operation.",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			all, err := statuses(ctx, args)
			if err != nil && len(all) == 0 {
				return err
			}
			return errors.Join(err, printStatuses(cmd.OutOrStdout(), all, asJSON))
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON, one list of mounts")
	return cmd
}

// statuses asks the mount in args, or all of this user.
func statuses(ctx context.Context, args []string) ([]control.Response, error) {
	sockets, err := control.Dir()
	if err != nil {
		return nil, err
	}
	if len(args) == 0 {
		return control.Mounts(ctx, sockets)
	}
	dir, err := mountpoint.Resolve(args[0])
	if err != nil {
		return nil, err
	}
	resp, err := control.Call(ctx, sockets, dir, control.Request{Op: control.OpStatus, TimeoutMS: 5000})
	if errors.Is(err, control.ErrNoServer) {
		return nil, notServed(dir)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", dir, err)
	}
	return []control.Response{resp}, nil
}

// notServed says what is at dir where no process answers for it.
func notServed(dir string) error {
	m, mounted, err := mountpoint.At(dir)
	switch {
	case err != nil:
		return err
	case !mounted:
		return fmt.Errorf("%s is not mounted", dir)
	case m.Type == mountpoint.FSType:
		return fmt.Errorf("%s: its process is gone or another user's; `pailfs umount %s` clears a dead mount", dir, dir)
	}
	return fmt.Errorf("%s is a mount of type %s, not of pailfs", dir, m.Type)
}

// statusJSON is one mount as `pailfs status --json` prints it.
type statusJSON struct {
	PID     int    `json:"pid"`
	Version string `json:"version"`
	LogFile string `json:"log_file,omitempty"`
	*fs.Status
}

func printStatuses(w io.Writer, all []control.Response, asJSON bool) error {
	slices.SortFunc(all, func(a, b control.Response) int { return a.Status.Since.Compare(b.Status.Since) })
	if asJSON {
		list := make([]statusJSON, 0, len(all))
		for _, r := range all {
			list = append(list, statusJSON{r.PID, r.Version, r.LogFile, r.Status})
		}
		enc := json.NewEncoder(w)
		enc.SetIndent("", "  ")
		return enc.Encode(list)
	}
	if len(all) == 0 {
		fmt.Fprintln(w, "no mounts")
	}
	for i, r := range all {
		if i > 0 {
			fmt.Fprintln(w)
		}
		if err := printStatus(w, r); err != nil {
			return err
		}
	}
	return nil
}

func printStatus(w io.Writer, r control.Response) error {
	st := r.Status
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	access := "read-write"
	if st.ReadOnly {
		access = "read-only"
	}
	fmt.Fprintf(t, "mount\t%s\n", r.Dir)
	fmt.Fprintf(t, "source\t%s, %s\n", st.Source, access)
	fmt.Fprintf(t, "since\t%s (%s)\n", st.Since.Local().Format("2006-01-02 15:04:05"), lifetime.Human(time.Since(st.Since)))
	fmt.Fprintf(t, "process\t%d, version %s\n", r.PID, r.Version)
	if r.LogFile != "" {
		fmt.Fprintf(t, "log\t%s\n", r.LogFile)
	}
	fmt.Fprintf(t, "pending\t%s\n", summary(st.Pending))
	if w := st.Writeback; w != nil {
		fmt.Fprintf(t, "write-back\t%s\n", waiting(*w))
	}
	fmt.Fprintf(t, "kept\t%s\n", summary(st.Kept))
	if err := t.Flush(); err != nil {
		return err
	}
	if err := printDrafts(w, "\nwaiting for upload:", st.Pending); err != nil {
		return err
	}
	if err := printDrafts(w, "\nkept, not stored (see `pailfs recover`):", st.Kept); err != nil {
		return err
	}
	if err := printCopies(w, st.Copies); err != nil {
		return err
	}
	return printRequests(w, st)
}

func printCopies(w io.Writer, copies []fs.ConflictCopyInfo) error {
	if len(copies) == 0 {
		return nil
	}
	fmt.Fprintln(w, "\nin conflict with others, stored as a copy:")
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "AGE\tPATH\tCOPY")
	for _, c := range copies {
		fmt.Fprintf(t, "%s\t%s\t%s\n", lifetime.Human(time.Since(c.Since)), visible(c.Path), visible(c.Copy))
	}
	return t.Flush()
}

func summary(drafts []fs.DraftInfo) string {
	if len(drafts) == 0 {
		return "none"
	}
	var total uint64
	for _, d := range drafts {
		total += uint64(max(d.Size, 0))
	}
	return fmt.Sprintf("%d, %s", len(drafts), humanize.IBytes(total))
}

// waiting is what a mount with --writeback has promised to store.
func waiting(w cache.JournalStatus) string {
	if w.Files == 0 {
		return "nothing waits"
	}
	return fmt.Sprintf("%d closed, %s, since %s at most", w.Files, humanize.IBytes(uint64(max(w.Bytes, 0))), lifetime.Human(time.Since(w.Oldest)))
}

func printDrafts(w io.Writer, title string, drafts []fs.DraftInfo) error {
	if len(drafts) == 0 {
		return nil
	}
	fmt.Fprintln(w, title)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "ID\tSIZE\tAGE\tPATH\tREASON")
	for _, d := range drafts {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", d.ID, humanize.IBytes(uint64(max(d.Size, 0))), lifetime.Human(time.Since(d.Since)), visible(d.Path), d.Reason)
	}
	return t.Flush()
}

func printRequests(w io.Writer, st *fs.Status) error {
	if len(st.Requests) == 0 {
		return nil
	}
	fmt.Fprintln(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "REQUESTS\tERRORS\tSENT\tRECEIVED\t  OPERATION")
	for _, op := range slices.Sorted(maps.Keys(st.Requests)) {
		c := st.Requests[op]
		fmt.Fprintf(t, "%d\t%d\t%s\t%s\t  %s\n", c.Requests, c.Errors, humanize.IBytes(uint64(c.BytesUp)), humanize.IBytes(uint64(c.BytesDown)), op)
	}
	return t.Flush()
}

// visible quotes a name that would disturb a table or a terminal.
func visible(name string) string {
	if quoted := fmt.Sprintf("%q", name); len(quoted) != len(name)+2 {
		return quoted
	}
	return name
}
