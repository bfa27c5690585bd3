package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

func nameWorkloads() []workload {
	return []workload{
		{id: "W7", title: "ls -lU of one directory", unit: unitTime, needs: []dataset{dataFlat},
			mount: func(t *task, r *report) error {
				r.Ops = int64(t.Sizes.Flat)
				return r.timed(func() error { return lines(t.Sizes.Flat+1, "ls", "-lU", t.path(flatDir)) })
			},
			limit: listDirect(flatDir, func(s sizes) int { return s.Flat })},
		{id: "W8", title: "find in nested directories", unit: unitTime, needs: []dataset{dataDeep},
			mount: func(t *task, r *report) error {
				r.Ops = int64(t.Sizes.Deep)
				return r.timed(func() error {
					return lines(t.Sizes.Deep, "find", t.path(deepDir), "-type", "f", "-printf", "%s %P\\n")
				})
			},
			limit: listDirect(deepDir, func(s sizes) int { return s.Deep })},
		{id: "W9", title: "mv of a directory", unit: unitTime, writes: true, needs: []dataset{dataSmall}, setup: copySmall,
			mount: func(t *task, r *report) error {
				r.Ops = int64(t.Sizes.Small)
				return r.timed(func() error { return command("mv", "-T", t.path(t.Dir+"src"), t.path(t.Dir+"dst")) })
			},
			limit: moveDirect, missing: moveMissing, verify: moveVerify},
		{id: "W10", title: "stat cold files by name", unit: unitTime, needs: []dataset{dataSmall}, mount: statSmall,
			limit: listDirect(smallDir, func(s sizes) int { return s.Small })},
	}
}

// listDirect is the quickest way to know names and sizes: a listing without
// delimiter.
func listDirect(prefix string, n func(sizes) int) func(ctx context.Context, s *store, t *task, r *report) error {
	return func(ctx context.Context, s *store, t *task, r *report) error {
		r.Ops = int64(n(t.Sizes))
		return r.timed(func() error { return s.countIs(ctx, prefix, n(t.Sizes)) })
	}
}

func statSmall(t *task, r *report) error {
	r.Ops = int64(t.Sizes.Small)
	return r.timed(func() error {
		for i := range t.Sizes.Small {
			info, err := os.Lstat(t.path(smallDir + smallName(i)))
			if err != nil {
				return err
			}
			if info.Size() != fileSize {
				return fmt.Errorf("%w: %s has %d bytes", errBadData, smallName(i), info.Size())
			}
		}
		return nil
	})
}

func copySmall(ctx context.Context, s *store, t *task) error {
	return s.copyAll(ctx, smallDir, t.Dir+"src/")
}

func moveDirect(ctx context.Context, s *store, t *task, r *report) error {
	r.Ops = int64(t.Sizes.Small)
	return r.timed(func() error {
		if err := s.copyAll(ctx, t.Dir+"src/", t.Dir+"dst/"); err != nil {
			return err
		}
		return s.removeAll(ctx, t.Dir+"src/")
	})
}

func moveMissing(ctx context.Context, s *store, t *task, _ *report) error {
	return errors.Join(s.countIs(ctx, t.Dir+"dst/", t.Sizes.Small), s.countIs(ctx, t.Dir+"src/", 0))
}

func moveVerify(ctx context.Context, s *store, t *task, _ *report) error {
	return parallel(smallWorkers, t.Sizes.Small, func(i int) error {
		return s.sameBytes(ctx, t.Dir+"dst/"+smallName(i), 0, smallData(i))
	})
}

func treeWorkloads() []workload {
	return []workload{
		{id: "W14", title: "git clone, git status", unit: unitTime, writes: true, needs: []dataset{dataRepo},
			mount: gitClone, missing: cloneMissing, verify: cloneVerify},
		{id: "W15", title: "rm -r of a directory", unit: unitTime, writes: true, needs: []dataset{dataSmall}, setup: copySmall,
			mount: func(t *task, r *report) error {
				r.Ops = int64(t.Sizes.Small)
				return r.timed(func() error { return command("rm", "-r", t.path(t.Dir+"src")) })
			},
			limit: func(ctx context.Context, s *store, t *task, r *report) error {
				r.Ops = int64(t.Sizes.Small)
				return r.timed(func() error { return s.removeAll(ctx, t.Dir+"src/") })
			},
			missing: func(ctx context.Context, s *store, t *task, _ *report) error { return s.countIs(ctx, t.Dir+"src/", 0) }},
	}
}

func gitClone(t *task, r *report) error {
	if err := os.MkdirAll(t.path(t.Dir), 0o755); err != nil {
		return err
	}
	clone := t.path(t.Dir + "clone")
	safe := []string{"-c", "safe.directory=*"}
	err := r.timed(func() error {
		if err := command("git", append(safe, "clone", "-q", "file://"+t.Repo, clone)...); err != nil {
			return err
		}
		return lines(0, "git", append(safe, "-C", clone, "status", "--porcelain")...)
	})
	if err != nil {
		return err
	}
	return filepath.WalkDir(clone, func(name string, d fs.DirEntry, err error) error {
		if err == nil && d.Type().IsRegular() {
			r.Names = append(r.Names, strings.TrimPrefix(name, clone+"/"))
		}
		return err
	})
}

func cloneMissing(ctx context.Context, s *store, t *task, r *report) error {
	all, err := s.list(ctx, t.Dir+"clone/")
	if err != nil {
		return err
	}
	have := map[string]bool{}
	for _, e := range all {
		have[strings.TrimPrefix(e.key, t.Dir+"clone/")] = true
	}
	for _, name := range r.Names {
		if !have[name] {
			return fmt.Errorf("%s is missing", name)
		}
	}
	return nil
}

func cloneVerify(ctx context.Context, s *store, t *task, _ *report) error {
	return parallel(smallWorkers, t.Sizes.Repo, func(i int) error {
		return s.sameBytes(ctx, t.Dir+"clone/"+repoFile(i), 0, repoData(i))
	})
}

// command runs a program of the system and keeps its complaints.
func command(name string, args ...string) error {
	_, err := output(name, args...)
	return err
}

// lines runs a program and wants n lines of output.
func lines(n int, name string, args ...string) error {
	out, err := output(name, args...)
	if err != nil {
		return err
	}
	if got := bytes.Count(out, []byte("\n")); got != n {
		return fmt.Errorf("%s: %d lines, want %d", name, got, n)
	}
	return nil
}

func output(name string, args ...string) ([]byte, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), append(gitEnv(), "LC_ALL=C")...)
	var out, complaints bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaints
	if err := cmd.Run(); err != nil {
		return nil, fmt.Errorf("%s: %w: %.300s", name, err, bytes.TrimSpace(complaints.Bytes()))
	}
	return out.Bytes(), nil
}
