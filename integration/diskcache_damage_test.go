package integration

import (
	"crypto/rand"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pailfs/pailfs/integration/internal/testkit"
)

// uncacheAll drops what the kernel's page cache has of the files of the mount.
const uncacheAll = `for f in $MNT/f*; do dd if=$f of=/dev/null iflag=nocache count=0 status=none; done; `

// garble overwrites the middle of each data file of the cache, and cuts the last.
func (e *env) garble(t *testing.T) {
	t.Helper()
	list := e.cacheFiles(t, ".data")
	if len(list) < 3 {
		t.Fatalf("%d data files are cached", len(list))
	}
	for i, path := range list {
		f, err := os.OpenFile(path, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		info, err := f.Stat()
		if err != nil {
			t.Fatal(err)
		}
		garbage := make([]byte, 10_000)
		_, _ = rand.Read(garbage) // it never fails
		if _, err := f.WriteAt(garbage[:min(info.Size()/3, 10_000)], info.Size()/2); err != nil {
			t.Fatal(err)
		}
		if i == len(list)-1 {
			err = f.Truncate(info.Size() / 2)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// What the local disk has made of the cache is never taken for the object. It is
// fetched anew, and cached again.
func TestDiskCacheDamaged(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	m := e.diskMount(t)
	sizes := []int64{3 * mib, mib + 5, 20*mib + 1, 300_000}
	for i, size := range sizes {
		name := fmt.Sprintf("f%d", i)
		e.s3.putFile(t, name, m.local(t, name, size))
	}
	check := func() {
		t.Helper()
		m.sh(t, uncacheAll+`for i in 0 1 2 3; do cmp $W/f$i $MNT/f$i; done`)
	}
	check()
	for _, remount := range []bool{true, false, true, false} {
		e.waitCached(t, blocksOf(sizes...))
		before := m.logged(t, "is damaged and given up")
		if remount {
			m.unmount(t)
		}
		e.garble(t)
		if remount {
			m.start(t)
		}
		e.gets()
		check()
		if n := m.logged(t, "is damaged and given up") - before; n < len(sizes) {
			t.Errorf("remount %v: %d warnings of damage, want %d at least", remount, n, len(sizes))
		}
		if n := e.gets(); n == 0 {
			t.Errorf("remount %v: nothing was fetched anew", remount)
		}
		check() // what was given up in the middle of that read is stored now
		e.waitCached(t, blocksOf(sizes...))
		e.gets()
		check()
		e.wantGets(t, fmt.Sprintf("remount %v: afterwards", remount), 0)
	}
}

// tinyDisk makes a file system of its own, which ends with the test.
func tinyDisk(t *testing.T, dir, size string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() != 0 {
		testkit.SkipOrFail(t, "a disk that fills up is a small tmpfs, and to mount one takes root")
	}
	if out, err := exec.Command("mount", "-t", "tmpfs", "-o", "mode=0700,size="+size, "tmpfs", dir).CombinedOutput(); err != nil {
		t.Fatalf("mount a tmpfs: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-l", dir).CombinedOutput(); err != nil {
			t.Errorf("umount %s: %v: %s", dir, err, out)
		}
	})
}

// A cache that cannot store is no obstacle to reading, and told of once for each
// kind of trouble, not with each block.
func TestDiskCacheThatFails(t *testing.T) {
	for _, c := range []struct {
		name    string
		prepare func(t *testing.T, dir string)
		minFree string
		warned  bool
	}{
		{"full", func(t *testing.T, dir string) { tinyDisk(t, dir, "2m") }, "0", true},
		{"scarce", func(t *testing.T, dir string) { tinyDisk(t, dir, "32m") }, "1GiB", false},
		{"refuses", filesForDirs, "0", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := newEnv(t, envOptions{})
			c.prepare(t, e.cacheDir())
			m := e.diskMount(t, "--cache-min-free", c.minFree)
			for i := range 4 {
				name := fmt.Sprintf("f%d", i)
				e.s3.putFile(t, name, m.local(t, name, int64(i+1)*2*mib+77))
			}
			m.sh(t, `for i in 0 1 2 3 0 1 2 3; do cmp $W/f$i $MNT/f$i; done`)
			m.remount(t)
			m.sh(t, `for i in 0 1 2 3; do cmp $W/f$i $MNT/f$i; done`)
			// Two mounts, and a full disk has two kinds: a write, and a new file.
			const warning = "the disk cache does not work as it should"
			if n := m.logged(t, warning); (n > 0) != c.warned || n > 4 {
				t.Errorf("%d warnings", n)
			}
		})
	}
}

// filesForDirs puts files where the cache wants its directories.
func filesForDirs(t *testing.T, dir string) {
	t.Helper()
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i := range 256 {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%02x", i)), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A directory that others can look into, or that is none, is refused by one line.
func TestDiskCacheRefused(t *testing.T) {
	e := newEnv(t, envOptions{})
	at, open, file := filepath.Join(e.dir, "at"), filepath.Join(e.dir, "open"), filepath.Join(e.dir, "file")
	for _, dir := range []string{at, open} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(open, 0o755); err != nil { // whatever the umask
		t.Fatal(err)
	}
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, a := range []mountAttempt{
		{what: "open to others", args: []string{"--cache-dir", open}, want: "open to other users.*chmod 700"},
		{what: "a file", args: []string{"--cache-dir", file}, want: "not a directory"},
		{what: "below a file", args: []string{"--cache-dir", file + "/x"}, want: "not a directory"},
		{what: "too small", args: []string{"--cache-dir", e.cacheDir(), "--cache-size", "1MiB"}, want: "cache-size"},
	} {
		t.Run(strings.ReplaceAll(a.what, " ", "-"), func(t *testing.T) {
			a.source, a.dir = e.source(""), at
			e.attempt(t, a)
		})
	}
}
