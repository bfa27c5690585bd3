// Command s3server is the S3 server of pailfs's tests: versitygw over a
// directory or over memory. README.md tells what is true to S3.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/pailfs/pailfs/integration/s3server/server"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr)
	switch {
	case errors.Is(err, flag.ErrHelp):
	case err != nil:
		fmt.Fprintln(os.Stderr, "s3server:", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, the server fails or, if asked for, stdin closes.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	opts, exitOnClose, err := parse(args, stderr)
	if err != nil {
		return err
	}
	srv, err := server.Start(opts)
	if err != nil {
		return err
	}
	if opts.AccessKey == "" {
		fmt.Fprintln(stdout, "access-key", srv.AccessKey)
	}
	if opts.SecretKey == "" {
		fmt.Fprintln(stdout, "secret-key", srv.SecretKey)
	}
	fmt.Fprintln(stdout, "ready", srv.URL())
	select {
	case <-ctx.Done():
	case <-srv.Done():
	case <-closed(stdin, exitOnClose):
	}
	return srv.Close()
}

// closed returns a channel which is closed when r ends: the parent holds the
// other end of the pipe, so it ends with the parent, however that dies. The
// reading goroutine lasts as long as the process.
func closed(r io.Reader, watch bool) <-chan struct{} {
	if !watch {
		return nil
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(io.Discard, r) // an error is an end as well
	}()
	return done
}

func parse(args []string, stderr io.Writer) (opts server.Options, exitOnClose bool, err error) {
	fs := flag.NewFlagSet("s3server", flag.ContinueOnError)
	fs.SetOutput(stderr)
	fs.StringVar(&opts.Listen, "listen", "127.0.0.1:0", "`address` to listen on; port 0 picks a free one")
	fs.StringVar(&opts.Backend, "backend", server.Posix, "where objects are kept: posix or memory")
	fs.StringVar(&opts.Dir, "dir", "", "root `directory` of the posix backend")
	fs.StringVar(&opts.AccessKey, "access-key", "", "access key `ID` (random and printed if empty)")
	fs.StringVar(&opts.SecretKey, "secret-key", "", "secret `key` (random and printed if empty)")
	fs.StringVar(&opts.Region, "region", "us-east-1", "`region` to sign for")
	fs.Var((*names)(&opts.Buckets), "bucket", "`name` of a bucket to create (repeatable)")
	fs.IntVar(&opts.Synthetic, "synthetic", 0, "serve a bucket named synthetic with `N` generated keys (memory)")
	fs.BoolVar(&opts.SyntheticWritable, "synthetic-writable", false, "let changes lie over the synthetic bucket")
	fs.BoolVar(&opts.Verbose, "verbose", false, "write an access log to stderr")
	fs.BoolVar(&exitOnClose, "exit-on-stdin-close", false, "exit when stdin reaches its end")
	if err := fs.Parse(args); err != nil {
		return opts, false, err
	}
	if fs.NArg() > 0 {
		return opts, false, fmt.Errorf("unexpected argument %q", fs.Arg(0))
	}
	return opts, exitOnClose, nil
}

// names is a repeatable flag.
type names []string

func (n *names) String() string { return strings.Join(*n, ",") }

func (n *names) Set(name string) error {
	*n = append(*n, name)
	return nil
}
