package cache

import (
	"bufio"
	"bytes"
	"fmt"
	"log"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestDiskShared has two Disks on one directory, which both store, read, look
// and evict as they can.
func TestDiskShared(t *testing.T) {
	dir := diskDir(t)
	var log syncBuffer
	var disks []*Disk
	for range 2 {
		d, err := OpenDisk(DiskOptions{Dir: dir, Size: minDiskSize, Log: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		disks = append(disks, d)
	}
	var versions []Version
	var contents [][]byte
	for i := range 10 {
		v := testVersion(fmt.Sprint(i), int64(i+1)*700_001)
		versions, contents = append(versions, v), append(contents, diskContent(v))
	}
	var wg sync.WaitGroup
	for g := range 6 {
		d := disks[g%2]
		wg.Go(func() {
			r := rand.New(rand.NewPCG(1, uint64(g)))
			for range 60 {
				i := r.IntN(len(versions))
				useShared(t, d, r, versions[i], contents[i])
			}
		})
	}
	for _, d := range disks {
		wg.Go(func() {
			for range 10 {
				d.look()
			}
		})
	}
	wg.Wait()
	for i, d := range disks {
		d.look()
		s := d.Stats()
		t.Logf("disk %d: %+v\n%s", i, s, log.String())
		if s.Corrupt > 0 || s.Hits == 0 || s.Stored == 0 {
			t.Errorf("disk %d: %+v\n%s", i, s, log.String())
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	if disks[0].Stats().Evicted+disks[1].Stats().Evicted == 0 {
		t.Error("nothing was evicted")
	}
	if used := du(t, dir); used > minDiskSize+minDiskSize/16 {
		t.Errorf("%d bytes used", used)
	}
}

// useShared does some of everything with one object.
func useShared(t *testing.T, d *Disk, r *rand.Rand, v Version, content []byte) {
	f := d.Open(v)
	defer f.Close()
	off := r.Int64N(v.Size)
	n := min(r.Int64N(1_500_000)+1, v.Size-off)
	p := make([]byte, n)
	for range 3 {
		got := f.ReadAt(p, off)
		if !bytes.Equal(p[:got], content[off:off+int64(got)]) {
			t.Errorf("wrong bytes of %s in the %d at %d", v.Key, got, off)
		}
		_, hole := f.Have(Range{off, off + n})
		f.Store(hole.Off, [][]byte{content[hole.Off:hole.End]})
	}
	f.Store(0, [][]byte{content})
	if file, ok := f.Passthrough(); ok {
		defer file.Close()
		all := make([]byte, v.Size)
		if _, err := file.ReadAt(all, 0); err != nil || !bytes.Equal(all, content) {
			t.Errorf("the file of %s is wrong: %v", v.Key, err)
		}
	}
}

// syncBuffer is a buffer for several writers.
type syncBuffer struct {
	sync.Mutex
	b bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.Lock()
	defer s.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.Lock()
	defer s.Unlock()
	return s.b.String()
}

const helperEnv = "PAILFS_TEST_DISK_HELPER"

func helperVersions() (list []Version) {
	for i := range 6 {
		list = append(list, testVersion(fmt.Sprint("killed", i), int64(i*i)*300_000+5000))
	}
	return list
}

// TestMain is the tests, or the process that TestDiskKilled kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv(helperEnv); dir != "" {
		storeForever(dir)
	}
	os.Exit(m.Run())
}

// storeForever stores and evicts until it is killed, and ends with a word of why
// where it cannot.
func storeForever(dir string) {
	d, err := OpenDisk(DiskOptions{Dir: dir, Size: minDiskSize, Log: slog.Default()})
	if err != nil {
		log.Fatal(err)
	}
	versions := helperVersions()
	contents := make([][]byte, len(versions))
	for i, v := range versions {
		contents[i] = diskContent(v)
	}
	for g := range 3 {
		go func() {
			r := rand.New(rand.NewPCG(uint64(os.Getpid()), uint64(g)))
			for {
				i := r.IntN(len(versions))
				f := d.Open(versions[i])
				off := r.Int64N(versions[i].Size)
				end := min(off+r.Int64N(300_000), versions[i].Size)
				f.Store(off, [][]byte{contents[i][off:end]})
				if r.IntN(10) == 0 {
					list, _, err := d.scan()
					if err != nil {
						log.Fatal(err)
					}
					d.evict(list, 1)
				}
				fmt.Println("stored")
				f.Close()
			}
		}()
	}
	time.Sleep(time.Minute)
	log.Fatal("nobody has killed it")
}

func TestDiskKilled(t *testing.T) {
	dir := diskDir(t)
	total := int64(0)
	for round := range 8 {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), helperEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for n := 0; n < 20+17*round && lines.Scan(); {
			if strings.Contains(lines.Text(), "stored") {
				n++
			}
		}
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		d := testDisk(t, DiskOptions{Dir: dir})
		for _, v := range helperVersions() {
			f := d.Open(v)
			total += wantRight(t, f, diskContent(v))
			f.Close()
		}
		// A pair may be half made, but no block is ever wrong.
		if s := d.Stats(); s.Corrupt > 1 {
			t.Errorf("stats: %+v", s)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	}
	if total == 0 {
		t.Error("nothing was there after a kill")
	}
}

func benchDisk(b *testing.B) (*DiskFile, []byte) {
	d, err := OpenDisk(DiskOptions{Dir: diskDir(b), Size: 4 << 30, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { d.Close() })
	f := d.Open(testVersion("bench", 64<<20))
	b.Cleanup(f.Close)
	return f, diskContent(f.v)
}

func BenchmarkDiskStore(b *testing.B) {
	for _, piece := range []int64{DiskBlock, ChunkSize, 1 << 20} {
		b.Run(fmt.Sprint(piece), func(b *testing.B) {
			f, content := benchDisk(b)
			b.SetBytes(piece)
			at := int64(0)
			for b.Loop() {
				if at == f.v.Size { // all is there: begin anew
					b.StopTimer()
					list, _, _ := f.d.scan()
					f.d.evict(list, 1)
					at = 0
					b.StartTimer()
				}
				f.Store(at, [][]byte{content[at : at+piece]})
				at += piece
			}
			if f.d.Stats().Dropped > 0 {
				b.Error("dropped")
			}
		})
	}
}

func BenchmarkDiskReadAt(b *testing.B) {
	for _, piece := range []int64{DiskBlock, ChunkSize, 1 << 20} {
		b.Run(fmt.Sprint(piece), func(b *testing.B) {
			f, content := benchDisk(b)
			f.Store(0, [][]byte{content})
			p := make([]byte, piece)
			b.SetBytes(piece)
			for i := int64(0); b.Loop(); i++ {
				if n := f.ReadAt(p, i*piece%f.v.Size); n != len(p) {
					b.Fatal(n)
				}
			}
		})
	}
}
