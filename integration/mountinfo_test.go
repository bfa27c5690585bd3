package integration

import (
	"os"
	"strconv"
	"strings"
	"testing"
)

// fsType is what df -T and mount show.
const fsType = "fuse.pailfs"

type mountLine struct{ point, fstype, source, options string }

// mountTable reads /proc/self/mountinfo, which never touches a mount.
func mountTable() []mountLine {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil
	}
	return parseMountInfo(string(text))
}

func parseMountInfo(text string) []mountLine {
	var lines []mountLine
	for line := range strings.Lines(text) {
		left, right, ok := strings.Cut(line, " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if ok && len(l) >= 6 && len(r) >= 2 {
			lines = append(lines, mountLine{point: unescapeOctal(l[4]), options: l[5], fstype: r[0], source: unescapeOctal(r[1])})
		}
	}
	return lines
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

func findMount(dir string) (mountLine, bool) {
	for _, m := range mountTable() {
		if m.point == dir {
			return m, true
		}
	}
	return mountLine{}, false
}

func mountsBelow(root string) []string {
	var found []string
	for _, m := range mountTable() {
		if strings.HasPrefix(m.point, root+"/") {
			found = append(found, m.point)
		}
	}
	return found
}

func TestParseMountInfo(t *testing.T) {
	got := parseMountInfo("36 35 98:0 /r /mnt/a\\040b rw,nosuid shared:1 - fuse.pailfs s3://b/x\\040y rw,user_id=0\n")
	want := mountLine{point: "/mnt/a b", fstype: "fuse.pailfs", source: "s3://b/x y", options: "rw,nosuid"}
	if len(got) != 1 || got[0] != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
