package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
)

// workerCommand is what a worker process is started with.
const workerCommand = "worker"

func newRoot(out, progress io.Writer) *cobra.Command {
	root := &cobra.Command{
		Use:   "bench",
		Short: "Measure programs that mount an S3 bucket, side by side",
		Long: `Measure programs that mount an S3 bucket, side by side: pailfs, those of
programs.json that are installed, a FUSE filesystem that does nothing (null),
a client without any filesystem (limit) and a file of the disk (local).

It needs nothing but this program, pailfs and s3server; all it makes is in a
temporary directory and gone afterwards.`,
		SilenceUsage: true, SilenceErrors: true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
	}
	root.SetOut(out)
	root.SetErr(progress)
	root.AddCommand(runCommand(out, progress), tableCommand(out), compareCommand(out), listCommand(out), nullCommand(), workCommand())
	return root
}

func runCommand(out, progress io.Writer) *cobra.Command {
	var (
		o            options
		file, before string
	)
	c := &cobra.Command{
		Use:   "run",
		Short: "Measure, print tables and write one JSON file",
		Long: `Measure, print tables to standard output and write one JSON file.

The exit code is 2 where pailfs or limit failed in a cell, or any program read
or stored wrong data; peers may fail. It is 130 after a signal: what was
measured until then is printed and written.`,
		Example: `  bench run
  bench run --settings lab --workloads W1,W5 --programs limit,pailfs --repeat 3
  bench run --compare before.json --out after.json`,
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return runAndShow(c.Context(), o, file, before, out, progress)
		},
	}
	f := c.Flags()
	f.SortFlags = false
	f.StringSliceVar(&o.settings, "settings", []string{"bare", "lab"}, "how the server is reached")
	f.StringSliceVar(&o.programs, "programs", nil, "programs to measure (default all)")
	f.StringSliceVar(&o.workloads, "workloads", nil, "workloads to run (default all)")
	f.IntVar(&o.repeat, "repeat", 1, "rounds of each; the median is shown, the JSON has all")
	f.IntVar(&o.scale, "scale", 1, "divide sizes and counts by this, to try things out")
	f.DurationVar(&o.timeout, "timeout", 90*time.Second, "limit of one workload")
	f.Float64Var(&o.randSeconds, "rand-seconds", 5, "length of the random reads")
	f.StringVar(&file, "out", "bench.json", "file to write the results to")
	f.StringVar(&before, "compare", "", "results of another run to compare with")
	f.StringVar(&o.programsFile, "programs-file", "", "JSON `file` with more programs, or others of the same names")
	f.StringVar(&o.pailfs, "pailfs", "bin/pailfs", "the pailfs binary")
	f.StringVar(&o.s3server, "s3server", "bin/s3server", "the s3server binary")
	f.StringVar(&o.backend, "backend", "memory", "where the server keeps objects: memory or posix")
	f.StringVar(&o.work, "work", "", "directory for temporary files (default $TMPDIR or /tmp)")
	return c
}

// check finds what would fail only after a while.
func (o options) check() error {
	switch {
	case o.repeat < 1:
		return errors.New("--repeat: at least 1")
	case o.timeout <= 0:
		return errors.New("--timeout: more than 0")
	case o.randSeconds <= 0:
		return errors.New("--rand-seconds: more than 0")
	case o.backend != "memory" && o.backend != "posix":
		return errors.New("--backend: memory or posix")
	}
	return nil
}

func runAndShow(ctx context.Context, o options, name, before string, out, progress io.Writer) error {
	if err := o.check(); err != nil {
		return err
	}
	var old *file
	if before != "" { // read now: it may be the file that is written
		var err error
		if old, err = loadFile(before); err != nil {
			return err
		}
	}
	got, err := run(ctx, o, progress)
	if got == nil || len(got.Results) == 0 {
		return cmp.Or(err, errors.New("nothing was measured: no program has one of these workloads"))
	}
	printTables(out, got)
	if old != nil {
		err = errors.Join(err, printComparison(out, old, got))
	}
	if saveErr := got.save(name); saveErr != nil {
		return errors.Join(err, saveErr)
	}
	fmt.Fprintf(progress, "results are in %s\n", name)
	return errors.Join(err, got.verdict())
}

func tableCommand(out io.Writer) *cobra.Command {
	return &cobra.Command{
		Use: "table FILE", Short: "Print the tables of a JSON file", Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			f, err := loadFile(args[0])
			if err != nil {
				return err
			}
			printTables(out, f)
			return nil
		},
	}
}

func compareCommand(out io.Writer) *cobra.Command {
	return &cobra.Command{
		Use: "compare OLD NEW", Short: "Print new/old for each cell of two JSON files", Args: cobra.ExactArgs(2),
		RunE: func(_ *cobra.Command, args []string) error {
			before, err := loadFile(args[0])
			if err != nil {
				return err
			}
			after, err := loadFile(args[1])
			if err != nil {
				return err
			}
			return printComparison(out, before, after)
		},
	}
}

func listCommand(out io.Writer) *cobra.Command {
	var programsFile string
	c := &cobra.Command{
		Use: "list", Short: "List workloads and programs", Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			programs, err := loadPrograms(programsFile)
			if err != nil {
				return err
			}
			for _, w := range workloads() {
				fmt.Fprintf(out, "%-5s %s\n", w.id, w.title)
			}
			fmt.Fprintln(out)
			for _, p := range programs {
				fmt.Fprintf(out, "%-12s %s\n", p.Name, p.Note)
			}
			return nil
		},
	}
	c.Flags().StringVar(&programsFile, "programs-file", "", "JSON `file` with more programs")
	return c
}

func nullCommand() *cobra.Command {
	var scale int
	c := &cobra.Command{
		Use: "null DIR", Hidden: true, Args: cobra.ExactArgs(1),
		RunE: func(_ *cobra.Command, args []string) error {
			s, err := scaled(scale)
			if err != nil {
				return err
			}
			return nullMain(args[0], s)
		},
	}
	c.Flags().IntVar(&scale, "scale", 1, "as that of run")
	return c
}

func workCommand() *cobra.Command {
	return &cobra.Command{
		Use: workerCommand, Hidden: true, Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error { return workMain(os.Stdin, os.Stdout) },
	}
}

// ours tells that a failure of this program fails the run. Peers may fail.
func ours(name string) bool {
	return name == limitName || name == localName || isPailfs(name)
}
