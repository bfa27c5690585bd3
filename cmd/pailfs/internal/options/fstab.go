package options

import (
	"fmt"
	"strings"

	"github.com/spf13/pflag"
)

// fromList applies mount(8)'s -o options to flags that were not given
// themselves. Within the list the last one wins, as mount(8) has it.
func fromList(f *pflag.FlagSet, lists []string) error {
	given := map[string]bool{}
	f.Visit(func(fl *pflag.Flag) { given[fl.Name] = true })
	for _, list := range lists {
		for opt := range strings.SplitSeq(list, ",") {
			if err := applyOption(f, given, strings.TrimSpace(opt)); err != nil {
				return err
			}
		}
	}
	return nil
}

func applyOption(f *pflag.FlagSet, given map[string]bool, opt string) error {
	key, value, hasValue := strings.Cut(opt, "=")
	switch {
	case opt == "", ignored(key):
		return nil
	case key == "ro":
		key, value, hasValue = "read-only", "true", true
	case key == "rw":
		key, value, hasValue = "read-only", "false", true
	case unkept(key):
		return fmt.Errorf("mount option %q is not offered", key)
	}
	fl := f.Lookup(strings.ReplaceAll(key, "_", "-"))
	if fl == nil || fl.Name == "options" || fl.Name == "help" {
		return fmt.Errorf("unknown mount option %q (every flag of `pailfs mount --help` may stand here)", key)
	}
	if !hasValue {
		if fl.NoOptDefVal == "" {
			return fmt.Errorf("mount option %q needs a value: %s=…", key, key)
		}
		value = fl.NoOptDefVal
	}
	if given[fl.Name] {
		return nil
	}
	if err := set(f, fl, value); err != nil {
		return fmt.Errorf("mount option %s=%q: %w", key, value, err)
	}
	return nil
}

// ignored names what mount(8), systemd and mount.fuse(8) put into the list for
// themselves, and what holds for every FUSE mount anyway: fusermount3 mounts
// nosuid and nodev, and S3 keeps no access times.
func ignored(key string) bool {
	switch key {
	case "defaults", "auto", "noauto", "nofail", "_netdev", "user", "nouser", "users",
		"owner", "group", "nosuid", "suid", "nodev", "dev", "exec", "async",
		"atime", "noatime", "diratime", "nodiratime", "relatime", "norelatime",
		"strictatime", "nostrictatime", "lazytime", "nolazytime",
		"setuid", "fsname", "subtype", "default_permissions":
		return true
	}
	return strings.HasPrefix(key, "x-") || strings.HasPrefix(key, "X-") || strings.HasPrefix(key, "comment")
}

// unkept names promises of mount(8) that pailfs could only pretend to keep.
func unkept(key string) bool {
	switch key {
	case "noexec", "sync", "dirsync", "remount", "bind", "rbind", "move", "mand":
		return true
	}
	return false
}
