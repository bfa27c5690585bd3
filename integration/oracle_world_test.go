package integration

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
)

// world is what a log makes of one lane's part of the bucket: what has been
// acknowledged, and the call that was under way at the end, if any.
type world struct {
	files   map[string]version
	dirs    map[string]bool
	pending *event
}

// worlds replays a log, lane by lane.
func worlds(events []event) map[int]*world {
	all := map[int]*world{}
	for _, e := range events {
		w := all[e.Lane]
		if w == nil {
			w = &world{files: map[string]version{}, dirs: map[string]bool{}}
			all[e.Lane] = w
		}
		switch e.Kind {
		case logIntend, logFail: // what failed may have been done, too, in part or whole
			w.pending = &e
		case logAck:
			w.pending = nil
			w.apply(e)
		}
	}
	return all
}

// apply takes over an acknowledged call.
func (w *world) apply(e event) {
	switch e.Op {
	case opStore:
		w.files[e.Path] = e.version
	case opRename:
		delete(w.files, e.Path)
		w.files[e.To] = e.version
	case opUnlink:
		delete(w.files, e.Path)
	case opMkdir:
		w.dirs[e.Path] = true
	case opRmdir:
		delete(w.dirs, e.Path)
	case opMoveDir:
		for _, name := range w.below(e.Path) {
			w.files[path.Join(e.To, path.Base(name))] = w.files[name]
			delete(w.files, name)
		}
		delete(w.dirs, e.Path)
		w.dirs[e.To] = true
	}
}

func (w *world) below(dir string) (in []string) {
	for name := range w.files {
		if strings.HasPrefix(name, dir+"/") {
			in = append(in, name)
		}
	}
	slices.Sort(in)
	return in
}

// found is what somebody saw of a part of the bucket.
type found struct {
	files map[string]version
	dirs  map[string]bool
}

// check names what may not be so. What the pending call touches has several
// allowed states, everything else one.
func (w *world) check(f found) (bad []string) {
	open, bad := w.settlePending(f)
	keys := maps.Clone(f.files)
	maps.Copy(keys, w.files)
	for _, name := range slices.Sorted(maps.Keys(keys)) {
		got, is := f.files[name]
		want, should := w.files[name]
		switch {
		case open[name]:
		case should && !is:
			bad = append(bad, fmt.Sprintf("%q is missing: acknowledged %v", name, want))
		case is && !should:
			bad = append(bad, fmt.Sprintf("%q is there (%v): never stored, or removed", name, got))
		case got != want:
			bad = append(bad, fmt.Sprintf("%q is %v: acknowledged %v", name, got, want))
		}
	}
	for dir := range w.dirs {
		if !f.dirs[dir] && !open[dir] {
			bad = append(bad, fmt.Sprintf("directory %q is missing", dir))
		}
	}
	for dir := range f.dirs {
		if !w.dirs[dir] && !open[dir] {
			bad = append(bad, fmt.Sprintf("directory %q is there: never made, or removed", dir))
		}
	}
	return bad
}

// settlePending checks what the call under way may have left, and returns the
// names that it is about.
func (w *world) settlePending(f found) (open map[string]bool, bad []string) {
	e := w.pending
	if e == nil {
		return nil, nil
	}
	one := func(name string, allowed ...state) {
		if s := stateOf(f.files, name); !slices.Contains(allowed, s) {
			bad = append(bad, fmt.Sprintf("%q is %v during %v: want one of %v", name, s, e, allowed))
		}
	}
	old := stateOf(w.files, e.Path)
	switch e.Op {
	case opStore:
		one(e.Path, old, there(e.version))
		return map[string]bool{e.Path: true}, bad
	case opUnlink:
		one(e.Path, old, state{})
		return map[string]bool{e.Path: true}, bad
	case opRename:
		// A dirty source is stored, the version is copied, the source removed.
		one(e.To, stateOf(w.files, e.To), there(e.version))
		if stateOf(f.files, e.To) == there(e.version) {
			one(e.Path, there(e.version), state{})
		} else {
			one(e.Path, old, there(e.version))
		}
		return map[string]bool{e.Path: true, e.To: true}, bad
	case opMkdir, opRmdir:
		return map[string]bool{e.Path: true}, nil
	case opMoveDir:
		return w.settleMoveDir(f, e)
	}
	return nil, nil // opens, writes and reads store nothing
}

// settleMoveDir: each file is at the old place or at the new one, or at both;
// none goes from the old place before all have come to the new.
func (w *world) settleMoveDir(f found, e *event) (open map[string]bool, bad []string) {
	open = map[string]bool{e.Path: true, e.To: true}
	if !f.dirs[e.Path] && !f.dirs[e.To] {
		bad = append(bad, fmt.Sprintf("neither directory is left of %v", e))
	}
	var removed, uncopied []string
	for _, name := range w.below(e.Path) {
		to := path.Join(e.To, path.Base(name))
		open[name], open[to] = true, true
		want := there(w.files[name])
		from, dest := stateOf(f.files, name), stateOf(f.files, to)
		if from != want && from.is || dest != want && dest.is {
			bad = append(bad, fmt.Sprintf("%q is %v and %q is %v during %v: want %v", name, from, to, dest, e, want))
		}
		if !from.is {
			removed = append(removed, name)
		}
		if !dest.is {
			uncopied = append(uncopied, name)
		}
	}
	if len(removed) > 0 && len(uncopied) > 0 {
		bad = append(bad, fmt.Sprintf("%q are gone while %q are not copied yet, during %v", removed, uncopied, e))
	}
	return open, bad
}

// state is a version or none.
type state struct {
	is bool
	v  version
}

func there(v version) state { return state{true, v} }

func stateOf(files map[string]version, name string) state {
	v, ok := files[name]
	return state{ok, v}
}

func (s state) String() string {
	if !s.is {
		return "absent"
	}
	return s.v.String()
}
