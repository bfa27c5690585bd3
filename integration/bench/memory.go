package main

import (
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/pailfs/pailfs/fs"
)

// memoryBeyond is what a pailfs may have beside its limit: program, stacks, metadata.
const memoryBeyond = 80 * mib

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
	return fs.DefaultMemoryLimit()
}
