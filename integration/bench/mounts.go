package main

import (
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// mountPoints reads the kernel's table, which never touches a mount.
func mountPoints() []string {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	var points []string
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 4 {
			points = append(points, unescapeOctal(fields[4]))
		}
	}
	return points
}

// unescapeOctal undoes the kernel's \040 for spaces and the like.
func unescapeOctal(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if n, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(n))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

func isMounted(dir string) bool {
	for _, p := range mountPoints() {
		if p == dir {
			return true
		}
	}
	return false
}

// mountsBelow returns what is mounted at or below dir, the deepest first.
func mountsBelow(dir string) []string {
	var below []string
	for _, p := range mountPoints() {
		if p == dir || strings.HasPrefix(p, dir+"/") {
			below = append([]string{p}, below...)
		}
	}
	return below
}

// unmount asks politely, as a user would; an unmount may hang as well, so it
// has its own time limit.
func unmount(dir string, flags string, limit time.Duration) error {
	cmd := exec.Command("fusermount3", flags, dir)
	if err := cmd.Start(); err != nil {
		return err
	}
	kill := time.AfterFunc(limit, func() { _ = cmd.Process.Kill() })
	defer kill.Stop()
	return cmd.Wait()
}
