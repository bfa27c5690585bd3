package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/hanwen/go-fuse/v2/fs"
	"github.com/hanwen/go-fuse/v2/fuse"

	"github.com/pailfs/pailfs/integration/internal/mounts"
	"github.com/pailfs/pailfs/integration/internal/testkit"
)

// TestMain makes the test binary the benchmark, for the processes that a run
// starts of itself.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "run", workerCommand, "null":
			os.Exit(mainCode(os.Args[1:], os.Stdout, os.Stderr))
		case "hang":
			os.Exit(hangMain(os.Args[2]))
		}
	}
	// With the race detector each exit would take a second.
	if err := os.Setenv("GORACE", "atexit_sleep_ms=0"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// hangFile is a file whose bytes never come.
type hangFile struct{ nullFile }

func (f *hangFile) Read(context.Context, fs.FileHandle, []byte, int64) (fuse.ReadResult, syscall.Errno) {
	select {}
}

// hangMain serves a mount whose big file hangs in read.
func hangMain(dir string) int {
	root := &nullDir{}
	server, err := fs.Mount(dir, root, &fs.Options{OnAdd: func(ctx context.Context) {
		root.addFile(ctx, bigKey, 0)
		parent := root.GetChild("data").GetChild("big")
		file := &hangFile{nullFile{size: uint64(minBig)}}
		parent.AddChild("big.bin", parent.NewPersistentInode(ctx, file, fs.StableAttr{Mode: syscall.S_IFREG}), true)
	}})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	server.Wait()
	return 0
}

// binaries are the programs that a run needs.
type binaries struct{ pailfs, s3server string }

// needPrograms builds what the environment does not name. It skips where
// nothing can be mounted, and fails there with CI=true.
func needPrograms(t *testing.T) binaries {
	t.Helper()
	if _, err := os.Stat("/dev/fuse"); err != nil {
		testkit.SkipOrFail(t, err.Error())
	}
	testkit.NeedTool(t, "fusermount3", "fuse3")
	testkit.NeedTool(t, "git", "git")
	testkit.NeedTool(t, "find", "findutils")
	return binaries{
		pailfs:   testkit.Program(t, "PAILFS_BIN", "../..", "./cmd/pailfs"),
		s3server: testkit.Program(t, "S3SERVER_BIN", "../s3server", "."),
	}
}

// workDir is a directory with a short name, for sockets, in which nothing may
// be left.
func workDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "pb")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		left, _ := filepath.Glob(filepath.Join(dir, "*"))
		if mounted := mounts.Below(dir); len(left)+len(mounted) > 0 {
			t.Errorf("left behind: %v, mounts %v", left, mounted)
		}
		if processes := processesNaming(dir); len(processes) > 0 {
			t.Errorf("processes left behind: %v", processes)
		}
		if err := removeTree(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// processesNaming returns the command lines that mention dir.
func processesNaming(dir string) []string {
	var out []string
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		text, _ := os.ReadFile(file)
		words := strings.Split(strings.TrimRight(string(text), "\x00"), "\x00")
		if slices.ContainsFunc(words, func(w string) bool { return strings.Contains(w, dir) }) {
			out = append(out, strings.Join(words, " "))
		}
	}
	return out
}

// waitFor waits until ok, or fails the test.
func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(60 * time.Second); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not after a minute", what)
		}
	}
}
