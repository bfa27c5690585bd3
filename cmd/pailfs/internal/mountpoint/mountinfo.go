package mountpoint

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
)

// Mount is one line of /proc/self/mountinfo.
type Mount struct {
	Dir, Type, Source string
}

// All reads the mount table; it touches no mount. The order is that of
// mounting, so of two at one directory the later is on top.
func All() ([]Mount, error) {
	raw, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return nil, fmt.Errorf("mount table: %w", err)
	}
	return parseTable(bytes.NewReader(raw))
}

// At returns the mount that is on top at dir, an absolute path.
func At(dir string) (Mount, bool, error) {
	all, err := All()
	if err != nil {
		return Mount{}, false, err
	}
	for i := len(all) - 1; i >= 0; i-- {
		if all[i].Dir == dir {
			return all[i], true, nil
		}
	}
	return Mount{}, false, nil
}

// parseTable reads proc_pid_mountinfo(5):
// ID PARENT MAJ:MIN ROOT DIR OPTIONS [OPTIONAL...] - TYPE SOURCE SUPEROPTIONS
func parseTable(r io.Reader) ([]Mount, error) {
	var all []Mount
	sc := bufio.NewScanner(r)
	sc.Buffer(nil, 1<<20)
	for sc.Scan() {
		left, right, ok := strings.Cut(sc.Text(), " - ")
		l, r := strings.Fields(left), strings.Fields(right)
		if !ok || len(l) < 6 || len(r) < 1 {
			continue
		}
		m := Mount{Dir: unescape(l[4]), Type: r[0]}
		if len(r) > 1 {
			m.Source = unescape(r[1])
		}
		all = append(all, m)
	}
	return all, sc.Err()
}

// unescape undoes the kernel's octal escapes of space, tab, newline and
// backslash.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
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
