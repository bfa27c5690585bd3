package main

import "fmt"

const (
	mib       = int64(1) << 20
	fileSize  = int64(4096)      // of a small file
	blockSize = int64(128) << 10 // of a random read
	addSize   = mib              // appended to the big file
	minBig    = 16 * mib         // below, parts of multipart uploads would be too small for S3
)

// sizes say how much data the workloads have.
type sizes struct {
	Big     int64 `json:"big_bytes"`
	Par     int64 `json:"parallel_bytes"` // of each file read in parallel
	Small   int   `json:"small_files"`
	Flat    int   `json:"flat_objects"`
	Deep    int   `json:"nested_objects"`
	Dirs    int   `json:"nested_prefixes"`
	Repo    int   `json:"repo_files"`
	Samples int   `json:"open_samples"` // of opening one file
}

// parallelFiles is how many files of size Par there are.
const parallelFiles = 4

// manyFiles is how many files of size many there are.
const manyFiles = 64

// scaled divides the sizes of the full benchmark, within what still makes sense.
func scaled(by int) (sizes, error) {
	if by < 1 {
		return sizes{}, fmt.Errorf("--scale %d: at least 1", by)
	}
	n := func(full, least int) int { return max(full/by, least) }
	big := max((1024*mib/int64(by))/mib*mib, minBig)
	return sizes{
		Big: big, Par: big / parallelFiles,
		Small: n(1000, 10), Flat: n(50_000, 50), Deep: n(10_000, 40), Dirs: n(500, 4), Repo: n(120, 4), Samples: n(50, 5),
	}, nil
}

// middle is an offset in the big file that no part size divides.
func (s sizes) middle() int64 { return s.Big/2 + 12*stampEvery }

// many is the size of each of the files that are read all at once: 8 MiB at
// full size. It is not stored: older results can still be compared.
func (s sizes) many() int64 { return s.Big / 128 }

func (s sizes) smallTotal() int64 { return int64(s.Small) * fileSize }

// Keys of the data that prepare makes.
const (
	bigKey   = "data/big/big.bin"
	bigSeed  = uint64(7)
	smallDir = "data/small/"
	flatDir  = "data/flat/"
	deepDir  = "data/deep/"
	parDir   = "data/par/"
	manyDir  = "data/many/"
)

func parKey(i int) string    { return fmt.Sprintf("%s%d.bin", parDir, i) }
func parSeed(i int) uint64   { return uint64(20 + i) }
func manyKey(i int) string   { return fmt.Sprintf("%s%02d.bin", manyDir, i) }
func manySeed(i int) uint64  { return uint64(200 + i) }
func smallName(i int) string { return fmt.Sprintf("f%04d.dat", i) }
func smallSeed(i int) uint64 { return uint64(1000 + i) }
func flatKey(i int) string   { return fmt.Sprintf("%sobject-%06d", flatDir, i) }

// deepKey spreads the objects over directories two levels deep, ten of them
// on the first.
func (s sizes) deepKey(i int) string {
	d := i % s.Dirs
	return fmt.Sprintf("%sa%02d/b%03d/c%05d", deepDir, d%10, d, i)
}

// smallData is the content of a small file.
func smallData(i int) []byte {
	b := make([]byte, fileSize)
	fill(b, 0, smallSeed(i))
	return b
}
