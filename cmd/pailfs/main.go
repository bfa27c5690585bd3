package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

func main() { os.Exit(run(os.Args)) }

// run is main with an exit code.
func run(argv []string) int {
	args, err := helperArgs(argv)
	if err != nil {
		return fail(err)
	}
	if args == nil {
		return 0
	}
	if err := newRoot(args).ExecuteContext(context.Background()); err != nil {
		return fail(err)
	}
	return 0
}

func fail(err error) int {
	fmt.Fprintln(os.Stderr, "pailfs: "+oneLine(err))
	return 1
}

// oneLine puts joined errors beside each other.
func oneLine(err error) string {
	var lines []string
	for line := range strings.Lines(err.Error()) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}

// interruptible ends ctx at the signals that stop a command. The process that
// serves a mount does not use it: it has uploads to finish.
func interruptible(ctx context.Context) (context.Context, context.CancelFunc) {
	return signal.NotifyContext(ctx, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
}
