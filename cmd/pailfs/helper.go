package main

import (
	"errors"
	"path/filepath"
	"strings"
)

// helperArgs turns the ways in which mount(8) and mount.fuse(8) call a program
// into the verb mount. nil means that there is nothing to do.
//
//	/sbin/mount.pailfs SRC DIR [-sfnv] [-o OPTS]   from mount -t pailfs
//	pailfs SRC DIR -o OPTS                         from mount.fuse -t fuse.pailfs
func helperArgs(argv []string) ([]string, error) {
	if len(argv) == 0 {
		return []string{}, nil
	}
	args := argv[1:]
	switch filepath.Base(argv[0]) {
	case "mount.pailfs", "mount.fuse.pailfs":
		return mount8Args(args)
	}
	if len(args) > 0 && strings.HasPrefix(args[0], "s3://") {
		return append([]string{"mount"}, args...), nil
	}
	return append([]string{}, args...), nil
}

// mount8Args reads the arguments of a mount(8) helper, whose -f means "fake"
// and not "foreground".
func mount8Args(args []string) ([]string, error) {
	out := []string{"mount"}
	fake := false
	for i := 0; i < len(args); i++ {
		switch a := args[i]; {
		case a == "-o", a == "-t", a == "-N":
			if i++; i == len(args) {
				return nil, errors.New(a + " needs a value")
			}
			if a == "-N" {
				return nil, errors.New("mounting in another namespace (-N) is not offered")
			}
			if a == "-o" {
				out = append(out, a, args[i])
			}
		case len(a) > 1 && a[0] == '-' && strings.Trim(a[1:], "sfnv") == "":
			fake = fake || strings.Contains(a, "f")
		default:
			out = append(out, a)
		}
	}
	if fake {
		return nil, nil
	}
	return out, nil
}
