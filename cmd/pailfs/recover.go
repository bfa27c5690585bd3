package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/pailfs/pailfs/cmd/pailfs/internal/control"
	"github.com/pailfs/pailfs/cmd/pailfs/internal/mountpoint"
)

// recovery is the verb's settings.
type recovery struct {
	upload, discard bool
	saveTo          string
	timeout         time.Duration
}

func newRecover() *cobra.Command {
	var r recovery
	cmd := &cobra.Command{
		Use:   "recover [DIR] [ID...]",
		Short: "List files that could not be stored, and save them",
		Long: `List the files that a mount keeps because they could not be stored. DIR may be
left out where only one mount has such files.

--upload stores them: at their own place if nobody changed that meanwhile, else
beside it as NAME.recovered-ID. --save-to writes them to a local directory.
--discard forgets those whose ids are given. The first two take all without ids.`,
		Example: "  pailfs recover\n  pailfs recover ~/data --upload\n  pailfs recover --save-to /tmp 3f2a\n  pailfs recover --discard 3f2a",
		RunE: func(cmd *cobra.Command, args []string) error {
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			return r.run(ctx, cmd.OutOrStdout(), args)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&r.upload, "upload", false, "store the files")
	f.StringVar(&r.saveTo, "save-to", "", "write the files to this local directory")
	f.BoolVar(&r.discard, "discard", false, "forget the files with these ids")
	f.DurationVar(&r.timeout, "timeout", 10*time.Minute, "longest time for all of it")
	cmd.MarkFlagsMutuallyExclusive("upload", "save-to", "discard")
	return cmd
}

func (r *recovery) run(ctx context.Context, w io.Writer, args []string) error {
	dirs, ids := splitArgs(args)
	req, err := r.request(ids)
	if err != nil {
		return err
	}
	all, err := statuses(ctx, dirs)
	if err != nil && len(all) == 0 {
		return err
	}
	if req.Op == control.OpList {
		return errors.Join(err, listKept(w, all))
	}
	one, err := choose(all, len(dirs) > 0)
	if err != nil {
		return err
	}
	sockets, err := control.Dir()
	if err != nil {
		return err
	}
	resp, err := control.Call(ctx, sockets, one.Dir, req)
	for _, res := range resp.Results {
		printResult(w, req.Op, res)
	}
	return err
}

// splitArgs takes the first argument as the mount where it looks like a
// directory; ids never hold a slash.
func splitArgs(args []string) (dirs, ids []string) {
	if len(args) == 0 {
		return nil, nil
	}
	first := args[0]
	if strings.Contains(first, "/") || first == "." || first == ".." {
		return args[:1], args[1:]
	}
	if dir, err := mountpoint.Resolve(first); err == nil {
		if _, mounted, err := mountpoint.At(dir); err == nil && mounted {
			return args[:1], args[1:]
		}
	}
	return nil, args
}

func (r *recovery) request(ids []string) (control.Request, error) {
	req := control.Request{Op: control.OpList, IDs: ids, TimeoutMS: r.timeout.Milliseconds()}
	switch {
	case r.upload:
		req.Op = control.OpUpload
	case r.discard:
		if len(ids) == 0 {
			return req, errors.New("--discard needs the ids of what to forget; `pailfs recover` lists them")
		}
		req.Op = control.OpDiscard
	case r.saveTo != "":
		dir, err := localDir(r.saveTo)
		if err != nil {
			return req, err
		}
		req.Op, req.Dir = control.OpSave, dir
	case len(ids) > 0:
		return req, fmt.Errorf("what shall be done with %q? Add --upload, --save-to DIR or --discard", ids[0])
	}
	return req, nil
}

func localDir(arg string) (string, error) {
	dir, err := filepath.Abs(arg)
	if err != nil {
		return "", err
	}
	info, err := os.Stat(dir)
	if err != nil {
		return "", fmt.Errorf("--save-to: %w", err)
	}
	if !info.IsDir() {
		return "", fmt.Errorf("--save-to: %s is not a directory", dir)
	}
	return filepath.EvalSymlinks(dir)
}

// choose finds the mount that is meant.
func choose(all []control.Response, named bool) (control.Response, error) {
	var found []control.Response
	for _, r := range all {
		if named || len(r.Status.Kept) > 0 {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 0:
		return control.Response{}, errors.New("no mount keeps any files")
	case 1:
		return found[0], nil
	}
	return control.Response{}, errors.New("several mounts keep files: name the one that is meant")
}

func listKept(w io.Writer, all []control.Response) error {
	any := false
	for _, r := range all {
		if len(r.Status.Kept) == 0 {
			continue
		}
		any = true
		if err := printDrafts(w, r.Dir+" keeps:", r.Status.Kept); err != nil {
			return err
		}
	}
	if !any {
		fmt.Fprintln(w, "nothing is kept: everything is stored or still waiting")
	}
	return nil
}

func printResult(w io.Writer, op string, r control.Result) {
	what := map[string]string{control.OpUpload: "stored as", control.OpSave: "saved to", control.OpDiscard: "forgotten"}[op]
	switch {
	case r.Error != "":
		fmt.Fprintf(w, "%s  %s  failed: %s\n", r.ID, visible(r.Path), r.Error)
	case r.To == "":
		fmt.Fprintf(w, "%s  %s  %s\n", r.ID, visible(r.Path), what)
	default:
		fmt.Fprintf(w, "%s  %s  %s %s\n", r.ID, visible(r.Path), what, visible(r.To))
	}
}
