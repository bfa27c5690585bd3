package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
)

// dataset is something that workloads need before they can run.
type dataset string

const (
	dataBig   dataset = "big file"
	dataPar   dataset = "parallel files"
	dataMany  dataset = "many files"
	dataSmall dataset = "small files"
	dataFlat  dataset = "flat objects"
	dataDeep  dataset = "nested objects"
	dataRepo  dataset = "git repository"
	dataLocal dataset = "local file"
)

// preparer makes datasets, directly on the server or on the local disk.
type preparer struct {
	store *store
	sizes sizes
	repo  string // where the git repository is made
	local string // and the local file
}

func (p *preparer) prepare(ctx context.Context, d dataset) error {
	tiny := func(int) []byte { return []byte("0123456789abcdef") }
	s := p.sizes
	switch d {
	case dataBig:
		return p.big(ctx, bigKey, s.Big, bigSeed)
	case dataPar:
		return parallel(parallelFiles, parallelFiles, func(i int) error { return p.big(ctx, parKey(i), s.Par, parSeed(i)) })
	case dataMany:
		return parallel(parallelFiles, manyFiles, func(i int) error { return p.big(ctx, manyKey(i), s.many(), manySeed(i)) })
	case dataSmall:
		return p.many(ctx, s.Small, func(i int) string { return smallDir + smallName(i) }, smallData)
	case dataFlat:
		return p.many(ctx, s.Flat, flatKey, tiny)
	case dataDeep:
		return p.many(ctx, s.Deep, s.deepKey, tiny)
	case dataRepo:
		return makeRepo(ctx, p.repo, s.Repo)
	case dataLocal:
		return writeLocal(filepath.Join(p.local, filepath.FromSlash(bigKey)), &pattern{size: s.Big, seed: bigSeed})
	}
	return fmt.Errorf("no dataset %q", d)
}

// big stores in one request: the ETag is then the MD5, and a server that
// copies the object need not compute it.
func (p *preparer) big(ctx context.Context, key string, size int64, seed uint64) error {
	return p.store.put(ctx, key, &pattern{size: size, seed: seed})
}

func (p *preparer) many(ctx context.Context, n int, key func(i int) string, data func(i int) []byte) error {
	return parallel(streams, n, func(i int) error { return p.store.putBytes(ctx, key(i), data(i)) })
}

// writeLocal waits for the disk: what is still to be written there would
// disturb the measurements.
func writeLocal(name string, from io.Reader) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		return err
	}
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(f, from, make([]byte, bufSize))
	return errors.Join(err, f.Sync(), f.Close())
}

const repoDirs = 12

func repoFile(i int) string { return fmt.Sprintf("pkg%02d/file%03d.txt", i%repoDirs, i) }

// repoData is text: git treats binary files in another way.
func repoData(i int) []byte {
	var b bytes.Buffer
	for line := range uint64(100) {
		fmt.Fprintf(&b, "%016x\n", word(uint64(i)+500, line))
	}
	return b.Bytes()
}

// makeRepo makes a git repository of n files in one commit.
func makeRepo(ctx context.Context, dir string, n int) error {
	for i := range n {
		name := filepath.Join(dir, repoFile(i))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(name, repoData(i), 0o644); err != nil {
			return err
		}
	}
	who := []string{"-c", "user.name=bench", "-c", "user.email=bench@localhost", "-c", "commit.gpgsign=false"}
	for _, args := range [][]string{{"init", "-q"}, {"add", "."}, append(who, "commit", "-qm", "one")} {
		cmd := exec.CommandContext(ctx, "git", append([]string{"-C", dir}, args...)...)
		cmd.Env = append(os.Environ(), gitEnv()...)
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("git %s: %w: %s", args[0], err, bytes.TrimSpace(out))
		}
	}
	return nil
}

// gitEnv keeps the user's settings of git out.
func gitEnv() []string { return []string{"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1"} }
