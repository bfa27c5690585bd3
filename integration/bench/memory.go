package main

import (
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
	"golang.org/x/sys/unix"
)

const (
	maxDefaultMemory = int64(1) << 30 // of the memory limit that pailfs takes by itself,
	memoryPart       = 8              // and its part of the machine's memory
	memoryBeyond     = 80 * mib       // what a pailfs may have beside its limit: program, stacks, metadata
)

// memoryLimit is what a pailfs keeps to: its flag, or its default. Of others
// nothing is known.
func (p program) memoryLimit() int64 {
	if !isPailfs(p.Name) {
		return 0
	}
	const flag = "--memory-limit"
	for i, word := range p.Command {
		value, found := strings.CutPrefix(word, flag+"=")
		if word == flag && i+1 < len(p.Command) {
			value, found = p.Command[i+1], true
		}
		if n, err := humanize.ParseBytes(value); found && err == nil {
			return int64(n)
		}
	}
	return min(maxDefaultMemory, machineMemory()/memoryPart)
}

// machineMemory is computed as pailfs does it: with the limit of the cgroup.
func machineMemory() int64 {
	var info unix.Sysinfo_t
	sizes := []int64{1 << 30}
	if unix.Sysinfo(&info) == nil {
		sizes[0] = int64(info.Totalram) * int64(info.Unit)
	}
	for _, name := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		text, _ := os.ReadFile(name)
		if n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && n > 0 {
			sizes = append(sizes, n)
		}
	}
	return slices.Min(sizes)
}
