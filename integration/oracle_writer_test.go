package integration

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// writerOptions say what a writer process does.
type writerOptions struct {
	Dir   string `json:"dir"` // in the mount
	Log   string `json:"log"`
	Work  string `json:"work"` // where hold meets the test
	Seed  uint64 `json:"seed"`
	Lanes int    `json:"lanes"` // that do random work ...
	Deeds int    `json:"deeds"` // ... of this length
	Large bool   `json:"large"` // with many files that need a multipart upload
	Huge  bool   `json:"huge"`  // with files whose edits copy parts, and many edits
	// Script is done by one lane instead, a deed a line.
	Script string `json:"script,omitempty"`
}

const writerEnv = "PAILFS_TEST_WRITER"

// write runs a writer in a process of its own, until its work is done or each
// lane has met an error.
func (m *mount) write(t *testing.T, limit time.Duration, o writerOptions) result {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o.Work = m.work
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	environ := append(m.environ(), asEnv+"=writer", writerEnv+"="+string(text))
	return runChild(limit, m.work, environ, m.kill9, self)
}

// writerCommand is the test binary as a writer.
func writerCommand() int {
	var o writerOptions
	if err := json.Unmarshal([]byte(os.Getenv(writerEnv)), &o); err != nil {
		return complain(err)
	}
	file, err := os.OpenFile(o.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return complain(err)
	}
	defer file.Close()
	log := &eventLog{file: file}
	if o.Script != "" {
		if err := newLane(0, o, log).script(o); err != nil {
			return complain(err)
		}
		return 0
	}
	var wg sync.WaitGroup
	errs := make([]error, o.Lanes)
	for i := range errs {
		wg.Go(func() { errs[i] = newLane(i, o, log).random(o.Deeds) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return complain(err)
	}
	return 0
}

// script does deeds such as "write w0/f 100". Verbs: see do.
func (l *lane) script(o writerOptions) error {
	for line := range strings.Lines(o.Script) {
		words := append(strings.Fields(line), "", "")
		if words[0] == "" {
			continue
		}
		if words[0] == "hold" {
			if err := holdAt(o.Work); err != nil {
				return err
			}
			continue
		}
		if err := l.do(words[0], words[1], words[2]); err != nil {
			return err
		}
	}
	return nil
}

// do does one deed: verb, path, and size or target.
func (l *lane) do(verb, name, arg string) error {
	size := 0
	_, _ = fmt.Sscan(arg, &size) // a target has none
	switch verb {
	case "write":
		return l.write(name, size, false)
	case "sync":
		return l.write(name, size, true)
	case "append":
		return l.appendTo(name, size)
	case "patch":
		return l.patch(name, size)
	case "cut":
		return l.cut(name, size, false)
	case "cutopen":
		return l.cut(name, size, true)
	case "mv":
		return l.rename(name, arg)
	case "mvopen":
		return l.renameOpen(name, arg)
	case "rm":
		return l.remove(name)
	case "mkdir":
		return l.mkdir(name)
	case "rmdir":
		return l.rmdir(name)
	case "mvdir":
		return l.moveDir(name, arg)
	case "read":
		return l.read(name)
	}
	return fmt.Errorf("unknown deed %q", verb)
}

// holdAt waits until the test goes on; see mount.during.
func holdAt(work string) error {
	if err := os.WriteFile(filepath.Join(work, "held"), nil, 0o644); err != nil {
		return err
	}
	for {
		if _, err := os.Stat(filepath.Join(work, "go")); err == nil {
			return nil
		}
		time.Sleep(2 * time.Millisecond)
	}
}

// random does n deeds of the lane's own choice.
func (l *lane) random(n int) error {
	if err := l.mkdir(l.root()); err != nil {
		return err
	}
	for range n {
		verb, name, arg := l.choose()
		if err := l.do(verb, name, arg); err != nil {
			return err
		}
	}
	return nil
}

// choose picks a deed that fits what is there.
func (l *lane) choose() (verb, name, arg string) {
	old, dirs := slices.Sorted(maps.Keys(l.files)), slices.Sorted(maps.Keys(l.dirs))
	if big := l.hugeFile(); big != "" && l.rng.IntN(3) == 0 {
		return l.chooseHuge(big)
	}
	dirs = slices.DeleteFunc(dirs, func(d string) bool { return d == l.root() })
	if len(old) == 0 || len(old) < 3 && l.rng.IntN(2) == 0 {
		return "write", l.someName(), fmt.Sprint(l.someSize())
	}
	name = old[l.rng.IntN(len(old))]
	switch l.rng.IntN(20) {
	case 0, 1, 2:
		return "write", cmp.Or(l.newName(len(old)), name), fmt.Sprint(l.someSize())
	case 3, 4:
		return "sync", cmp.Or(l.newName(len(old)), name), fmt.Sprint(l.someSize())
	case 5, 6:
		return "append", name, fmt.Sprint(1 + l.rng.IntN(30_000))
	case 7, 8:
		return "patch", name, fmt.Sprint(1 + l.rng.IntN(6))
	case 9:
		return "cut", name, fmt.Sprint(l.rng.IntN(2*len(l.files[name]) + 10))
	case 10:
		return "cutopen", name, fmt.Sprint(l.rng.IntN(len(l.files[name]) + 1))
	case 11, 12:
		return "mv", name, l.otherName(name)
	case 13:
		return "mvopen", name, l.otherName(name)
	case 14:
		return "rm", name, ""
	case 15, 16, 17:
		return l.chooseDir(dirs)
	}
	return "read", name, ""
}

// hugeFile is the file whose edits copy parts, or "".
func (l *lane) hugeFile() string {
	for name, data := range l.files {
		if len(data) >= hugeLeast {
			return name
		}
	}
	return ""
}

// chooseHuge picks a deed for it.
func (l *lane) chooseHuge(name string) (verb, _, arg string) {
	switch l.rng.IntN(6) {
	case 0:
		return "append", name, fmt.Sprint(1 + l.rng.IntN(3<<20))
	case 1:
		return "cut", name, fmt.Sprint(hugeLeast + l.rng.IntN(len(l.files[name])))
	case 2:
		return "mv", name, l.otherName(name)
	case 3:
		return "sync", name, fmt.Sprint(l.hugeSize())
	}
	return "patch", name, fmt.Sprint(1 + l.rng.IntN(4))
}

// chooseDir picks a deed for directories.
func (l *lane) chooseDir(dirs []string) (verb, name, arg string) {
	fresh := ""
	for i := range 4 {
		if d := path.Join(l.root(), fmt.Sprintf("d%d", i)); !l.dirs[d] {
			fresh = d
			break
		}
	}
	if len(dirs) == 0 || fresh != "" && len(dirs) < 3 && l.rng.IntN(3) == 0 {
		return "mkdir", fresh, ""
	}
	name = dirs[l.rng.IntN(len(dirs))]
	if len(l.filesIn(name)) == 0 && l.rng.IntN(2) == 0 {
		return "rmdir", name, ""
	}
	return "mvdir", name, fresh
}

func (l *lane) filesIn(dir string) (in []string) {
	for name := range l.files {
		if path.Dir(name) == dir {
			in = append(in, name)
		}
	}
	slices.Sort(in)
	return in
}

// newName is the name of another file, or "" when there are enough: memory and
// time of the check are bounded.
func (l *lane) newName(have int) string {
	if have > 6 {
		return ""
	}
	return l.someName()
}

func (l *lane) someName() string {
	dirs := slices.Sorted(maps.Keys(l.dirs))
	base := []string{"a", "b", "c", "d.txt", "e f", "ü+%"}
	return path.Join(dirs[l.rng.IntN(len(dirs))], base[l.rng.IntN(len(base))])
}

func (l *lane) otherName(than string) string {
	for {
		if name := l.someName(); name != than {
			return name
		}
	}
}

// hugeLeast is more than an edit sends rather than copies: 16 MiB, and a part.
const hugeLeast = 22 << 20

func (l *lane) hugeSize() int { return hugeLeast + l.rng.IntN(38<<20) }

// someSize is small as a rule, and rarely needs a multipart upload. One file of
// a lane at a time may be huge.
func (l *lane) someSize() int {
	switch n := l.rng.IntN(16); {
	case l.huge && l.hugeFile() == "" && n < 8:
		return l.hugeSize()
	case n == 0:
		return 0
	case n == 1, l.large && n < 8:
		return 8<<20 + l.rng.IntN(12<<20)
	case n < 4:
		return l.rng.IntN(2 << 20)
	}
	return 1 + l.rng.IntN(60_000)
}
