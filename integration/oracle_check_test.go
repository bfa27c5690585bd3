package integration

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
	"time"
)

// trial is one writer's work in a directory of its own, and the check of it.
type trial struct {
	m   *mount
	dir string // in the mount, and the prefix of its keys
	log string
	// crash says that calls may fail as those of a mount whose process is gone.
	crash bool
}

// newTrial makes the directory.
func newTrial(t *testing.T, m *mount, name string) *trial {
	t.Helper()
	m.sh(t, "mkdir "+quote(m.dir+"/", name))
	return &trial{m: m, dir: name, log: fmt.Sprintf("%s/%s.log", m.work, name)}
}

func (tr *trial) options(o writerOptions) writerOptions {
	o.Dir, o.Log = tr.m.dir+"/"+tr.dir, tr.log
	return o
}

// check compares the bucket with the log, as another client sees it and as the
// mount does. What it returns are faults; the note is for the reader.
func (tr *trial) check(t *testing.T) (bad []string, note string) {
	t.Helper()
	events := readLog(t, tr.log)
	acks := 0
	for _, e := range events {
		switch {
		case e.Kind == logAck:
			acks++
		case e.Kind == logBad, e.Kind == logFail && !(tr.crash && isDisconnect(e)):
			bad = append(bad, e.String())
		}
	}
	outside := tr.outside(t)
	mounted := tr.mounted(t)
	for _, d := range differ(outside.files, mounted.files) {
		bad = append(bad, "the mount and the other client differ: "+d)
	}
	all := worlds(events)
	lanes := slices.Sorted(maps.Keys(all))
	for _, n := range lanes {
		bad = append(bad, all[n].check(mounted.part(fmt.Sprintf("w%d", n)))...)
		if e := all[n].pending; e != nil {
			note += fmt.Sprintf("; %q %q was under way", e.Op, e.Path)
		}
	}
	for name := range mounted.files {
		if n := strings.TrimPrefix(part(name), "w"); !slices.Contains(lanes, number(n)) {
			bad = append(bad, fmt.Sprintf("%q is nobody's", name))
		}
	}
	return bad, fmt.Sprintf("%d calls acknowledged, %d files%s", acks, len(outside.files), note)
}

// fail reports what check found, with the end of the log.
func (tr *trial) fail(t *testing.T, bad []string, how string) {
	t.Helper()
	if len(bad) == 0 {
		return
	}
	events := readLog(t, tr.log)
	var last strings.Builder
	for _, e := range events[max(0, len(events)-30):] {
		fmt.Fprintln(&last, e)
	}
	t.Errorf("%s: %s\nits log ends:\n%s", how, strings.Join(bad, "\n"), &last)
}

// isDisconnect: what calls get while, and after, the process of their mount dies.
// Of a write that goes past the page cache the kernel says EIO, as of one that was
// cut short (fs/fuse/file.c, fuse_get_res_by_io).
func isDisconnect(e event) bool {
	return e.Errno == "ENOTCONN" || e.Errno == "ECONNABORTED" || e.Op == "write" && e.Errno == "EIO"
}

// outside reads every object below the trial's directory.
func (tr *trial) outside(t *testing.T) found {
	t.Helper()
	f := found{files: map[string]version{}, dirs: map[string]bool{}}
	for _, key := range tr.m.e.settled(t, tr.dir+"/") {
		name := strings.TrimPrefix(key, tr.dir+"/")
		if name == "" {
			continue // the trial's own directory
		}
		sum, size := tr.m.e.s3.hash(t, key)
		if dir, is := strings.CutSuffix(name, "/"); !is {
			f.files[name] = version{size, sum}
		} else if size != 0 {
			t.Errorf("the marker %q has %d bytes", dir, size)
		}
	}
	return f
}

// settled lists keys once the bucket does not change any more: the server may
// still be at work on a request whose sender is dead.
func (e *env) settled(t *testing.T, prefix string) []string {
	t.Helper()
	keys := e.s3.ls(t, prefix)
	for {
		time.Sleep(20 * time.Millisecond)
		again := e.s3.ls(t, prefix)
		if slices.Equal(again, keys) {
			return keys
		}
		keys = again
	}
}

// mounted reads every file through the mount.
func (tr *trial) mounted(t *testing.T) found {
	t.Helper()
	out := tr.m.sh(t, "cd "+quote(tr.m.dir+"/", tr.dir)+
		`; find . -mindepth 1 -type d -printf 'd %P\n'; find . -type f -printf 'f %s %P\n' -exec sha256sum -- {} \;`)
	f := found{files: map[string]version{}, dirs: map[string]bool{}}
	lines := strings.Split(out, "\n")
	for len(lines) > 0 && lines[0] != "" {
		kind, rest, _ := strings.Cut(lines[0], " ")
		if kind == "d" {
			f.dirs[rest] = true
			lines = lines[1:]
			continue
		}
		size, name, _ := strings.Cut(rest, " ")
		sum, _, _ := strings.Cut(lines[1], " ")
		f.files[name] = version{int64(number(size)), sum}
		lines = lines[2:]
	}
	return f
}

// part is what belongs to one lane.
func (f found) part(root string) found {
	in := func(name string) bool { return part(name) == root }
	out := found{files: map[string]version{}, dirs: map[string]bool{}}
	for name, v := range f.files {
		if in(name) {
			out.files[name] = v
		}
	}
	for dir := range f.dirs {
		if in(dir) {
			out.dirs[dir] = true
		}
	}
	return out
}

// part is the first part of a path.
func part(name string) string {
	first, _, _ := strings.Cut(path.Clean(name), "/")
	return first
}

// number is -1 for what is none.
func number(s string) int {
	n := -1
	_, _ = fmt.Sscan(s, &n)
	return n
}

// differ names what two views do not agree on.
func differ(a, b map[string]version) (out []string) {
	both := maps.Clone(a)
	maps.Copy(both, b)
	for _, name := range slices.SortedFunc(maps.Keys(both), cmp.Compare) {
		if sa, sb := stateOf(a, name), stateOf(b, name); sa != sb {
			out = append(out, fmt.Sprintf("%q is %v there and %v in the mount", name, sa, sb))
		}
	}
	return out
}
