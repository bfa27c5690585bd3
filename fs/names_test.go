package fs

import (
	"strings"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

func TestNames(t *testing.T) {
	for _, c := range []struct{ part, name string }{
		{"a", "a"}, {"", escapeEmpty}, {".", escapeDot}, {"..", escapeDotDot},
		{".pailfs~dot", ".pailfs~name~.pailfs~dot"}, {"a\\b", "a\\b"}, {"...", "..."}, {"é y", "é y"},
	} {
		name, ok := nameOf(c.part)
		if name != c.name || !ok {
			t.Errorf("nameOf(%q) = %q, %v", c.part, name, ok)
		}
	}
	for _, part := range []string{"a\x00b", strings.Repeat("x", 256), escapePrefix + strings.Repeat("x", 240)} {
		if name, ok := nameOf(part); ok {
			t.Errorf("nameOf(%q) = %q, want it refused", part, name)
		}
	}
}

// Every part that can be shown comes back from its name, no two parts share a
// name, and no name can leave its directory.
func TestNamesReversible(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.OneOf(
			rapid.StringMatching(`[^/]{0,20}`),
			rapid.SampledFrom([]string{"", ".", "..", escapeDot, escapeFile + "x", escapeName + "x", escapePrefix, "..."}),
			rapid.Custom(func(t *rapid.T) string { return escapePrefix + rapid.StringMatching(`[a-z~.]{0,9}`).Draw(t, "rest") }),
		).Draw(t, "part")
		name, ok := nameOf(part)
		if !ok {
			return
		}
		if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "/\x00") || len(name) > maxName {
			t.Fatalf("%q became the bad name %q", part, name)
		}
		if back, fileOnly, ok := partOf(name); !ok || fileOnly || back != part {
			t.Fatalf("%q became %q became %q (%v, %v)", part, name, back, fileOnly, ok)
		}
		if beside, ok := besideName(part); ok {
			if back, fileOnly, ok := partOf(beside); !ok || !fileOnly || back != part || beside == name {
				t.Fatalf("%q beside a directory became %q became %q", part, beside, back)
			}
		}
	})
}

func TestNewKey(t *testing.T) {
	for _, c := range []struct {
		dir, name, key string
		errno          syscall.Errno
	}{
		{"", "a", "a", 0},
		{"p/d/", "a b", "p/d/a b", 0},
		{"p/", strings.Repeat("n", 255), "p/" + strings.Repeat("n", 255), 0},
		{"p/", strings.Repeat("n", 256), "", syscall.ENAMETOOLONG},
		{strings.Repeat("d", 1000) + "/", strings.Repeat("n", 30), "", syscall.ENAMETOOLONG},
		{"p/", escapeFile + "a", "", syscall.EINVAL},
		{"p/", escapeEmpty, "", syscall.EINVAL},
		{"p/", escapeDotDot, "", syscall.EINVAL},
		{"p/", escapePrefix + "else", "", syscall.EINVAL},
	} {
		key, errno := newKey(c.dir, c.name)
		if key != c.key || errno != c.errno {
			t.Errorf("newKey(%q, %q) = %q, %v", c.dir, c.name, key, errno)
		}
	}
}
