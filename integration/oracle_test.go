package integration

import "testing"

// The oracle itself: what it lets pass after a crash, and what not.
func TestOracle(t *testing.T) {
	v1, v2 := versionOf([]byte("one")), versionOf([]byte("two"))
	ack := func(op, path, to string, v version) event {
		return event{Kind: logAck, Op: op, Path: path, To: to, version: v}
	}
	intend := func(op, path, to string, v version) event {
		return event{Kind: logIntend, Op: op, Path: path, To: to, version: v}
	}
	stored := []event{ack(opMkdir, "w0", "", version{}), ack(opStore, "w0/f", "", v1)}
	dir := []event{
		ack(opMkdir, "w0", "", version{}), ack(opMkdir, "w0/d", "", version{}), ack(opStore, "w0/d/a", "", v1),
		ack(opStore, "w0/d/b", "", v2), intend(opMoveDir, "w0/d", "w0/e", version{}),
	}
	type files = map[string]version
	for _, c := range []struct {
		name string
		log  []event
		seen files
		dirs []string
		ok   bool
	}{
		{"what was stored", stored, files{"w0/f": v1}, nil, true},
		{"lost", stored, files{}, nil, false},
		{"another version", stored, files{"w0/f": v2}, nil, false},
		{"nobody's", stored, files{"w0/f": v1, "w0/g": v1}, nil, false},
		{"no directory", stored[1:], files{"w0/f": v1}, []string{"w0"}, false},
		{"store, not done", append(stored, intend(opStore, "w0/f", "", v2)), files{"w0/f": v1}, nil, true},
		{"store, done", append(stored, intend(opStore, "w0/f", "", v2)), files{"w0/f": v2}, nil, true},
		{"store, gone", append(stored, intend(opStore, "w0/f", "", v2)), files{}, nil, false},
		{"unlink, half", append(stored, intend(opUnlink, "w0/f", "", version{})), files{}, nil, true},
		{"unlink, acknowledged", append(stored, ack(opUnlink, "w0/f", "", version{})), files{"w0/f": v1}, nil, false},
		{"rename, both", append(stored, intend(opRename, "w0/f", "w0/g", v1)), files{"w0/f": v1, "w0/g": v1}, nil, true},
		{"rename, none", append(stored, intend(opRename, "w0/f", "w0/g", v1)), files{}, nil, false},
		{"rename, acknowledged", append(stored, ack(opRename, "w0/f", "w0/g", v1)), files{"w0/f": v1}, nil, false},
		{"rename of a dirty file, old version moved", append(stored, intend(opRename, "w0/f", "w0/g", v2)), files{"w0/g": v1}, nil, false},
		{"directory, copies", dir, files{"w0/d/a": v1, "w0/d/b": v2, "w0/e/a": v1}, []string{"w0", "w0/d", "w0/e"}, true},
		{"directory, removals", dir, files{"w0/d/a": v1, "w0/e/a": v1, "w0/e/b": v2}, []string{"w0", "w0/d", "w0/e"}, true},
		{"directory, removed before all was copied", dir, files{"w0/d/b": v2, "w0/e/a": v1}, []string{"w0", "w0/d", "w0/e"}, false},
		{"directory, one lost", dir, files{"w0/e/a": v1}, []string{"w0", "w0/e"}, false},
	} {
		seen := found{files: c.seen, dirs: map[string]bool{"w0": true}}
		if c.dirs != nil {
			seen.dirs = map[string]bool{}
		}
		for _, d := range c.dirs {
			seen.dirs[d] = true
		}
		bad := worlds(c.log)[0].check(seen)
		if (len(bad) == 0) != c.ok {
			t.Errorf("%s: %q, want ok: %v", c.name, bad, c.ok)
		}
	}
}
