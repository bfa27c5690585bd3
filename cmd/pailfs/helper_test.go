package main

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

func TestHelperArgs(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{"pailfs mount s3://b /m", "mount s3://b /m"},
		{"pailfs s3://b /m -o ro,dev", "mount s3://b /m -o ro,dev"},
		{"/sbin/mount.pailfs s3://b /m -o ro", "mount s3://b /m -o ro"},
		{"/sbin/mount.fuse.pailfs s3://b /m -sn -v -t fuse.pailfs -o ro", "mount s3://b /m -o ro"},
		{"/sbin/mount.pailfs s3://b /m -f -o ro", "NOTHING"},
		{"/sbin/mount.pailfs s3://b /m -o", "ERROR"},
		{"/sbin/mount.pailfs s3://b /m -N /proc/1/ns/mnt", "ERROR"},
		{"pailfs status", "status"},
		{"pailfs", ""},
	} {
		got, err := helperArgs(strings.Fields(c.in))
		text := strings.Join(got, " ")
		switch {
		case err != nil:
			text = "ERROR"
		case got == nil:
			text = "NOTHING"
		}
		if text != c.want {
			t.Errorf("%s: %q, want %q", c.in, text, c.want)
		}
	}
}

func TestOneLine(t *testing.T) {
	err := errors.Join(errors.New("a"), errors.Join(errors.New("b\n"), errors.New("c")))
	if got := oneLine(err); got != "a; b; c" {
		t.Errorf("%q", got)
	}
}

func TestBadCommandLines(t *testing.T) {
	for line, want := range map[string]string{
		"mount s3://b":                     "a source and a directory",
		"mount bucket /m":                  "write s3://bucket",
		"mount s3://bucket /m --nonsense":  "nonsense",
		"umount":                           "needs a directory",
		"share --expires 8d f":             "7 days",
		"share --expires 0 f":              "longer than zero",
		"share --expires -1h f":            "longer than zero",
		"share /dev/null":                  "not a file in a pailfs mount",
		"share /nonexistent":               "no such file",
		"recover --discard":                "needs the ids",
		"recover --upload --discard x":     "none of the others can be",
		"recover x":                        "what shall be done",
		"recover --save-to /nonexistent x": "no such file",
		"frobnicate":                       "unknown command",
	} {
		err := newRoot(strings.Fields(line)).ExecuteContext(t.Context())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q", line, err, want)
		}
	}
}

func TestSplitArgs(t *testing.T) {
	for _, c := range []struct{ in, dirs, ids string }{
		{"", "", ""},
		{"/mnt/a x y", "/mnt/a", "x y"},
		{"./a x", "./a", "x"},
		{". x", ".", "x"},
		{"x y", "", "x y"},
	} {
		dirs, ids := splitArgs(strings.Fields(c.in))
		if !slices.Equal(dirs, strings.Fields(c.dirs)) || !slices.Equal(ids, strings.Fields(c.ids)) {
			t.Errorf("%s: %v %v", c.in, dirs, ids)
		}
	}
}
