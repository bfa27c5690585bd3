package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
)

// Exit codes beside 0 and 1.
const (
	exitFailed      = 2   // pailfs or limit failed in a cell, or stored or gave wrong data
	exitInterrupted = 130 // by a signal
)

func main() { os.Exit(mainCode(os.Args[1:], os.Stdout, os.Stderr)) }

// mainCode is main with its streams and its exit code.
func mainCode(args []string, out, progress io.Writer) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	// A second signal ends the program as signals do.
	defer context.AfterFunc(ctx, stop)()
	root := newRoot(out, progress)
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return 0
	}
	fmt.Fprintln(progress, "bench:", err)
	switch {
	case errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.Is(err, errFailed):
		return exitFailed
	}
	return 1
}

// errFailed is a run that came to its end with cells that it must not have.
var errFailed = errors.New("failed")

// verdict is an error where pailfs or the direct client failed, or any program
// had wrong data.
func (f *file) verdict() error {
	bad, failed := 0, 0
	for i := range f.Results {
		r := &f.Results[i]
		switch {
		case r.BadData != "":
			bad++
		case r.Error != "" && ours(r.Program):
			failed++
		}
	}
	if bad+failed == 0 {
		return nil
	}
	return fmt.Errorf("%w: %d cells of limit or pailfs, and %d of any program with BAD DATA", errFailed, failed, bad)
}
