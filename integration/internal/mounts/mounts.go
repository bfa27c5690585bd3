// Package mounts looks for mounts that hang or were left behind: by the kernel's
// table, which touches none of them.
package mounts

import (
	"context"
	"os/exec"
	"slices"
	"time"

	"github.com/moby/sys/mountinfo"
)

// detachLimit is for one mount: to end one may hang as well.
const detachLimit = 10 * time.Second

// Below returns what is mounted at dir or below, the deepest first.
func Below(dir string) (points []string) {
	all, err := mountinfo.GetMounts(mountinfo.PrefixFilter(dir))
	if err != nil {
		return nil
	}
	for _, m := range slices.Backward(all) {
		points = append(points, m.Mountpoint)
	}
	return points
}

// Detach ends all mounts at dir or below, also those that hang, and returns them.
func Detach(dir string) []string {
	found := Below(dir)
	for _, m := range found {
		ctx, cancel := context.WithTimeout(context.Background(), detachLimit)
		_ = exec.CommandContext(ctx, "fusermount3", "-uz", m).Run() // whether it stays, the next look tells
		cancel()
	}
	return found
}
