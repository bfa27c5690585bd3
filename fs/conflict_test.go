package fs

import (
	"strings"
	"testing"
	"time"
)

func TestConflictKey(t *testing.T) {
	at := time.Date(2026, 3, 4, 5, 6, 7, 0, time.FixedZone("", 3600))
	const suffix = ".conflict-h-20260304T040607Z"
	long := strings.Repeat("n", 255)
	for _, c := range []struct {
		key, host string
		try       int
		want      string
	}{
		{"f", "h", 1, "f" + suffix},
		{"d/e/f.txt", "h", 1, "d/e/f.txt" + suffix},
		{"f", "h", 3, "f" + suffix + "-3"},
		{"f", "my host/ü", 1, "f.conflict-my_host__-20260304T040607Z"},
		{"f", "", 1, "f.conflict-host-20260304T040607Z"},
		{"d/" + long, "h", 1, "d/" + long[:255-len(suffix)] + suffix},
		{"d/" + strings.Repeat("é", 127), "h", 1, "d/" + strings.Repeat("é", (255-len(suffix))/2) + suffix},
	} {
		if got := conflictKey(c.key, c.host, at, c.try); got != c.want {
			t.Errorf("%q: %q, want %q", c.key, got, c.want)
		}
	}
	dir := strings.Repeat(strings.Repeat("d", 200)+"/", 5)
	for _, key := range []string{dir + "short-name", dir + "x", long, escapePrefix + long[:200]} {
		got := conflictKey(key, strings.Repeat("h", 300), at, 100)
		if name, ok := nameOf(lastPart(got)); !ok || len(name) > maxName {
			t.Errorf("%q: name %q, %v", key, name, ok)
		}
		if len(key) < 900 && len(got) >= maxKey {
			t.Errorf("%q: a key of %d bytes", key, len(got))
		}
	}
}
