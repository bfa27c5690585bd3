package integration

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path"
	"path/filepath"
)

// lane is one goroutine of the writer. It owns the directory wN and works there
// alone, so that it knows what each of its files must hold.
type lane struct {
	n     int
	dir   string // the writer's directory in the mount
	log   *eventLog
	rng   *rand.Rand
	fill  *rand.ChaCha8
	large bool
	huge  bool
	files map[string][]byte // what was written, by path below dir
	dirs  map[string]bool
}

func newLane(n int, o writerOptions, log *eventLog) *lane {
	var seed [32]byte
	copy(seed[:], fmt.Sprintf("%d/%d", o.Seed, n))
	return &lane{
		n: n, dir: o.Dir, log: log, rng: rand.New(rand.NewPCG(o.Seed, uint64(n))), fill: rand.NewChaCha8(seed),
		large: o.Large, huge: o.Huge,
		files: map[string][]byte{}, dirs: map[string]bool{},
	}
}

// root is the directory that the lane owns.
func (l *lane) root() string { return fmt.Sprintf("w%d", l.n) }

func (l *lane) at(name string) string { return filepath.Join(l.dir, name) }

// call logs, acts and logs the outcome.
func (l *lane) call(e event, act func() error) error {
	e.Lane, e.Kind = l.n, logIntend
	l.log.add(e)
	err := act()
	if e.Kind = logAck; err != nil {
		e.Kind, e.Errno = logFail, oracleErrno(err)
	}
	l.log.add(e)
	return err
}

// store is a call that publishes the file's content.
func (l *lane) store(name string, act func() error) error {
	return l.call(event{Op: opStore, Path: name, version: versionOf(l.files[name])}, act)
}

func (l *lane) bytes(n int) []byte {
	p := make([]byte, n)
	_, _ = l.fill.Read(p) // never fails
	return p
}

// open opens a file; what the lane knows of its content follows O_TRUNC.
func (l *lane) open(name string, flags int) (f *os.File, err error) {
	err = l.call(event{Op: "open", Path: name}, func() (err error) {
		f, err = os.OpenFile(l.at(name), flags, 0o644)
		return err
	})
	if err == nil && (flags&os.O_TRUNC != 0 || l.files[name] == nil) {
		l.files[name] = []byte{}
	}
	return f, err
}

// put writes data in pieces of odd lengths.
func (l *lane) put(f *os.File, name string, data []byte, off int64) error {
	return l.call(event{Op: "write", Path: name}, func() error {
		for len(data) > 0 {
			piece := data[:min(len(data), 1+l.rng.IntN(700_000))]
			if _, err := f.WriteAt(piece, off); err != nil {
				return err
			}
			l.written(name, piece, off)
			off += int64(len(piece))
			data = data[len(piece):]
		}
		return nil
	})
}

func (l *lane) written(name string, p []byte, off int64) {
	data := l.files[name]
	if more := off + int64(len(p)) - int64(len(data)); more > 0 {
		data = append(data, make([]byte, more)...)
	}
	copy(data[off:], p)
	l.files[name] = data
}

func (l *lane) resized(name string, size int) {
	data := l.files[name]
	l.files[name] = append(data[:min(len(data), size)], make([]byte, max(0, size-len(data)))...)
}

// edit opens a file, lets change work on it and closes it. When change fails
// there is no close: the lane is over, and its end closes the descriptor.
func (l *lane) edit(name string, flags int, change func(*os.File) error) error {
	f, err := l.open(name, flags)
	if err != nil {
		return err
	}
	if err := change(f); err != nil {
		return err
	}
	return l.store(name, f.Close)
}

func (l *lane) write(name string, size int, synced bool) error {
	return l.edit(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, func(f *os.File) error {
		first := size
		if synced {
			first = size / 2
			if err := l.put(f, name, l.bytes(first), 0); err != nil {
				return err
			}
			if err := l.store(name, f.Sync); err != nil {
				return err
			}
			return l.put(f, name, l.bytes(size-first), int64(first))
		}
		return l.put(f, name, l.bytes(first), 0)
	})
}

func (l *lane) appendTo(name string, size int) error {
	return l.edit(name, os.O_CREATE|os.O_RDWR, func(f *os.File) error {
		return l.put(f, name, l.bytes(size), int64(len(l.files[name])))
	})
}

func (l *lane) patch(name string, pieces int) error {
	return l.edit(name, os.O_CREATE|os.O_RDWR, func(f *os.File) error {
		for range pieces {
			off := l.rng.IntN(len(l.files[name]) + 5000) // beyond the end makes a hole
			if err := l.put(f, name, l.bytes(1+l.rng.IntN(5000)), int64(off)); err != nil {
				return err
			}
		}
		return nil
	})
}

// cut is ftruncate and close, or truncate(2).
func (l *lane) cut(name string, size int, open bool) error {
	if !open {
		l.resized(name, size)
		return l.store(name, func() error { return os.Truncate(l.at(name), int64(size)) })
	}
	return l.edit(name, os.O_RDWR, func(f *os.File) error {
		l.resized(name, size)
		return l.call(event{Op: "ftruncate", Path: name}, func() error { return f.Truncate(int64(size)) })
	})
}

func (l *lane) rename(name, to string) error {
	err := l.call(event{Op: opRename, Path: name, To: to, version: versionOf(l.files[name])}, func() error {
		return os.Rename(l.at(name), l.at(to))
	})
	l.files[to] = l.files[name]
	delete(l.files, name)
	return err
}

// renameOpen renames a file that has unstored content, and goes on writing it.
func (l *lane) renameOpen(name, to string) error {
	f, err := l.open(name, os.O_RDWR)
	if err != nil {
		return err
	}
	if err := l.put(f, name, l.bytes(1000), int64(l.rng.IntN(len(l.files[name])+1))); err != nil {
		return err
	}
	if err := l.rename(name, to); err != nil {
		return err
	}
	if err := l.put(f, to, l.bytes(1000), 0); err != nil {
		return err
	}
	return l.store(to, f.Close)
}

func (l *lane) remove(name string) error {
	delete(l.files, name)
	return l.call(event{Op: opUnlink, Path: name}, func() error { return os.Remove(l.at(name)) })
}

func (l *lane) mkdir(name string) error {
	l.dirs[name] = true
	return l.call(event{Op: opMkdir, Path: name}, func() error { return os.Mkdir(l.at(name), 0o755) })
}

func (l *lane) rmdir(name string) error {
	delete(l.dirs, name)
	return l.call(event{Op: opRmdir, Path: name}, func() error { return os.Remove(l.at(name)) })
}

func (l *lane) moveDir(name, to string) error {
	err := l.call(event{Op: opMoveDir, Path: name, To: to}, func() error { return os.Rename(l.at(name), l.at(to)) })
	delete(l.dirs, name)
	l.dirs[to] = true
	for _, file := range l.filesIn(name) {
		l.files[path.Join(to, path.Base(file))] = l.files[file]
		delete(l.files, file)
	}
	return err
}

// read checks that the file holds what was written.
func (l *lane) read(name string) error {
	return l.call(event{Op: "read", Path: name}, func() error {
		f, err := os.Open(l.at(name))
		if err != nil {
			return err
		}
		defer f.Close()
		got, err := io.ReadAll(f)
		if err != nil {
			return err
		}
		if got, want := versionOf(got), versionOf(l.files[name]); got != want {
			l.log.add(event{Lane: l.n, Kind: logBad, Op: "read", Path: name, version: got, Errno: "want " + want.String()})
		}
		return nil
	})
}
