package demo

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/pailfs/pailfs/cmd/pailfs/internal/mountpoint"
)

// bucketName is the bucket of the demo.
const bucketName = "demo"

// Demo is one run of the demo.
type Demo struct {
	Exe  string // the pailfs program
	Dir  string // where to mount; "" is a temporary directory
	Out  io.Writer
	Stay bool // leave it mounted until ctx ends

	tmp string // holds everything
}

// Run shows the tour. It returns when all is gone again.
func (d *Demo) Run(ctx context.Context) (err error) {
	// A child's parent-death signal is sent when the thread that started it
	// ends; this one lasts as long as Run.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := checkTools(); err != nil {
		return err
	}
	server, err := findServer(d.Exe)
	if err != nil {
		return err
	}
	if d.tmp, err = tempDir(); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.remove()) }()
	s3, err := startServer(ctx, server, filepath.Join(d.tmp, "s3"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s3.stop()) }()
	fmt.Fprintf(d.Out, "An S3 server runs at %s on the folder %s.\n", s3.url, s3.dir)
	m, err := d.startMount(ctx, s3)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, m.stop()) }()
	if err := d.tour(ctx, m); err != nil {
		if ctx.Err() == nil {
			err = errors.Join(err, m.hint())
		}
		return err
	}
	return d.stay(ctx, m)
}

// stay leaves the mount to the user of a terminal.
func (d *Demo) stay(ctx context.Context, m *mount) error {
	if !d.Stay {
		fmt.Fprintln(d.Out, "\nThe tour is over; unmounting and removing everything.")
		return nil
	}
	fmt.Fprintf(d.Out, "\nThe bucket stays mounted at %s: try it from another terminal.\nCtrl-C here ends the demo and removes everything.\n", m.dir)
	select {
	case <-ctx.Done():
		fmt.Fprintln(d.Out, "\nUnmounting and removing everything.")
	case <-m.done:
		fmt.Fprintln(d.Out, "It was unmounted; removing everything.")
	}
	return nil
}

// remove deletes the temporary folder, but never through a mount.
func (d *Demo) remove() error {
	all, err := mountpoint.All()
	if err != nil {
		return err
	}
	for _, m := range all {
		if strings.HasPrefix(m.Dir, d.tmp+"/") {
			return fmt.Errorf("%s is still mounted: `fusermount3 -u -z %s`, then remove %s", m.Dir, m.Dir, d.tmp)
		}
	}
	return os.RemoveAll(d.tmp)
}

// tempDir makes a temporary folder on a file system with extended attributes,
// in which the S3 server keeps what is not content.
func tempDir() (string, error) {
	var tried []string
	for _, parent := range []string{os.TempDir(), "/var/tmp"} {
		dir, err := os.MkdirTemp(parent, "pailfs-demo-")
		if err != nil {
			return "", err
		}
		if full, err := filepath.EvalSymlinks(dir); err == nil {
			dir = full // as the mount table writes it
		}
		err = unix.Setxattr(dir, "user.pailfs-demo", []byte("1"), 0)
		if err == nil {
			return dir, nil
		}
		tried = append(tried, parent)
		if err := os.Remove(dir); err != nil {
			return "", err
		}
	}
	return "", fmt.Errorf("the demo's S3 server needs extended attributes, which %s lack: set TMPDIR to a folder on disk", strings.Join(tried, " and "))
}
