package integration

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	mib         = 1 << 20
	memoryLimit = 128 * mib
)

// sizesOf are those at the edges of parts, and one above every buffer.
func sizesOf() []int64 {
	sizes := []int64{0, 1, 5*mib - 1, 5 * mib, 5*mib + 1, 64*mib + 7}
	if !testing.Short() {
		sizes = append(sizes, 1<<30)
	}
	return sizes
}

// Files of each size go through the mount unchanged in both directions, with
// the program's memory under its limit + 100 MiB.
func TestSizesRoundTrip(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{plain: true, args: []string{"--memory-limit", "128MiB"}})
	for _, size := range sizesOf() {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			file := m.local(t, "src", size)
			want := fileHash(t, file)
			in, out := fmt.Sprintf("in-%d", size), fmt.Sprintf("out-%d", size)
			defer e.s3.rm(t, in)
			defer e.s3.rm(t, out)

			begin := time.Now()
			m.sh(t, fmt.Sprintf("cp $W/src $MNT/%s", in))
			t.Logf("cp in: %v", time.Since(begin).Round(time.Millisecond))
			if got, n := e.s3.hash(t, in); got != want || n != size {
				t.Errorf("in: the object has %d bytes and hash %s, want %d and %s", n, got, size, want)
			}
			if st := m.sh(t, "stat -c %s $MNT/"+in); st != fmt.Sprint(size) {
				t.Errorf("in: the file has %s bytes, want %d", st, size)
			}

			e.s3.putFile(t, out, file)
			begin = time.Now()
			if got := m.sh(t, fmt.Sprintf("sha256sum < $MNT/%s", out)); !strings.HasPrefix(got, want) {
				t.Errorf("out: the file has hash %s, want %s", got, want)
			}
			t.Logf("read: %v", time.Since(begin).Round(time.Millisecond))
			if size > 64*mib+7 {
				return // the hash is enough
			}
			if got := m.sh(t, fmt.Sprintf("cp $MNT/%s $W/back && cmp $W/src $W/back && stat -c %%s $W/back", out)); got != fmt.Sprint(size) {
				t.Errorf("out: the copy has %s bytes, want %d", got, size)
			}
		})
	}
	peak := m.peakRSS(t)
	t.Logf("peak memory %d MiB", peak/mib)
	if peak >= memoryLimit+100*mib {
		t.Errorf("peak memory %d MiB, want under %d", peak/mib, (memoryLimit+100*mib)/mib)
	}
	if open := e.s3.mpus(t); len(open) != 0 {
		t.Errorf("open uploads: %q", open)
	}
	if left := m.sh(t, `find $CACHEDIR -type f -size +1M | wc -l`); left != "0" {
		t.Errorf("%s staged files are left in %s", left, filepath.Base(m.stage))
	}
}

// The same on a server that is no code of ours.
func TestSizesRoundTripPosix(t *testing.T) {
	e := newEnv(t, envOptions{backend: "posix"})
	m := e.mount(t, mountOptions{})
	for _, size := range []int64{0, 1, 5*mib + 1, 20*mib + 3} {
		want := fileHash(t, m.local(t, "src", size))
		m.sh(t, `cp $W/src $MNT/in; mkdir -p $MNT/d; cp $W/src $MNT/d/in`)
		for _, key := range []string{"in", "d/in"} {
			if got, n := e.s3.hash(t, key); got != want || n != size {
				t.Errorf("%s: %d bytes, hash %s; want %d, %s", key, n, got, size, want)
			}
		}
		out := fmt.Sprintf("out-%d", size)
		e.s3.putFile(t, out, filepath.Join(m.work, "src"))
		m.wantSh(t, `sha256sum < $MNT/`+out+` | cut -c 1-64; mv $MNT/d $MNT/e; sha256sum < $MNT/e/in | cut -c 1-64; rm -r $MNT/e $MNT/in`, want+"\n"+want)
		e.s3.rm(t, out)
	}
	e.s3.wantKeys(t, "")
}
