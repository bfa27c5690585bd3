package integration

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const (
	raceKeys  = 20
	raceLanes = 3  // goroutines of one mount
	raceLeast = 12 // deeds of each racer, however short the time
	raceEnv   = "PAILFS_TEST_RACER"
)

// raceOptions say what a process does that races in a mount.
type raceOptions struct {
	Name string        `json:"name"`
	Dir  string        `json:"dir"` // in the mount, or "" of an outside racer
	Log  string        `json:"log"`
	Seed uint64        `json:"seed"`
	Time time.Duration `json:"time"`
	// Empty says that files may be empty: see raceEmpty.
	Empty bool `json:"empty"`
}

func raceKey(n int) string { return fmt.Sprintf("race/k%02d", n) }

// raceLog appends lines.
type raceLog struct {
	mu  sync.Mutex
	out io.Writer
	err error
}

func (l *raceLog) add(e raceEvent) {
	line, err := json.Marshal(e)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err == nil {
		_, err = l.out.Write(append(line, '\n'))
	}
	l.err = errors.Join(l.err, err)
}

// racer is one goroutine that changes files of a mount and reads them.
type racer struct {
	raceDraw
	name  string
	dir   string
	empty bool
	count int
	log   *raceLog
	// Within a mount handles share what is not stored yet: its writers take
	// turns at a file, and its readers wait for them.
	locks *[raceKeys]sync.RWMutex
}

// runRacers runs those of a mount in a process of their own.
func (m *mount) runRacers(o raceOptions) result {
	text, err := json.Marshal(o)
	if err != nil {
		return result{stderr: err.Error(), code: -1}
	}
	self, err := os.Executable()
	if err != nil {
		return result{stderr: err.Error(), code: -1}
	}
	environ := append(m.environ(), asEnv+"=racer", raceEnv+"="+string(text))
	return runChild(o.Time+5*time.Minute, m.work, environ, m.kill9, self)
}

// racerCommand is the test binary as such a process.
func racerCommand() int {
	var o raceOptions
	if err := json.Unmarshal([]byte(os.Getenv(raceEnv)), &o); err != nil {
		return complain(err)
	}
	file, err := os.OpenFile(o.Log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return complain(err)
	}
	log := &raceLog{out: file}
	var locks [raceKeys]sync.RWMutex
	var wg sync.WaitGroup
	for i := range raceLanes {
		name := fmt.Sprintf("%s%d", o.Name, i)
		r := &racer{newRaceDraw(o.Seed, name), name, o.Dir, o.Empty, 0, log, &locks}
		wg.Go(func() { raceFor(o.Time, r.deed) })
	}
	wg.Wait()
	if err := errors.Join(log.err, file.Close()); err != nil {
		return complain(err)
	}
	return 0
}

// raceFor does deeds for the time, and the least number in any case.
func raceFor(duration time.Duration, deed func()) {
	end := time.Now().Add(duration)
	for n := 0; n < raceLeast || time.Now().Before(end); n++ {
		deed()
	}
}

func (r *racer) deed() {
	n := r.key()
	key := raceKey(n)
	if r.rng.IntN(3) == 0 {
		r.locks[n].RLock()
		defer r.locks[n].RUnlock()
		r.read(key)
		return
	}
	r.locks[n].Lock()
	defer r.locks[n].Unlock()
	r.change(key)
}

func (r *racer) read(key string) {
	data, err := os.ReadFile(filepath.Join(r.dir, key))
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESTALE) {
		return
	}
	if err == nil && len(data) == 0 && r.empty {
		return
	}
	e := raceEvent{Key: key, How: "read", By: r.name, Outcome: raceRead}
	if err == nil {
		e.Version, err = unseal(data)
	}
	if err != nil {
		e.Outcome, e.Note = raceBad, r.name+": "+err.Error()
	}
	r.log.add(e)
}

// told is a refusal: somebody else was first.
func told(err error) bool { return errors.Is(err, unix.ESTALE) || errors.Is(err, unix.EEXIST) }

// note logs the outcome of a call that stores.
func (r *racer) note(e raceEvent, err error) {
	switch {
	case err == nil:
		e.Outcome = raceStored
	case told(err):
		e.Outcome = raceRefused
	default:
		e.Outcome, e.Note = raceBad, err.Error()
	}
	r.log.add(e)
}

func (r *racer) id() string {
	r.count++
	return fmt.Sprintf("%s/%d", r.name, r.count)
}

// change reads a file and changes it through the same descriptor, or replaces
// it unread, or makes it.
func (r *racer) change(key string) {
	name := filepath.Join(r.dir, key)
	if r.rng.IntN(8) == 0 {
		r.replace(key, name)
		return
	}
	e := raceEvent{Key: key, Version: r.id(), How: "open"}
	f, err := os.OpenFile(name, os.O_RDWR, 0)
	if errors.Is(err, unix.ENOENT) {
		e.How = "create"
		f, err = os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o644)
	}
	if err != nil {
		r.note(e, err)
		return
	}
	var data []byte
	if e.How != "create" {
		data, err = io.ReadAll(f)
		switch {
		case err == nil && len(data) == 0 && r.empty:
			e.Base, data = raceUnseen, nil
		case err == nil:
			e.Base, err = unseal(data)
		}
	}
	if err == nil {
		time.Sleep(time.Duration(r.rng.IntN(20)) * time.Millisecond) // others may come in between
		e, err = r.write(f, e, data)
	}
	if closed := f.Close(); err == nil {
		err = closed
	}
	r.note(e, err)
}

// write changes the open file, and sometimes does so twice with an fsync after
// the first: then two versions are stored.
func (r *racer) write(f *os.File, e raceEvent, data []byte) (raceEvent, error) {
	c := raceChange{}
	for again := r.rng.IntN(6) == 0; ; again = false {
		c = r.raceDraw.change(e.Version, data)
		e.How += " " + c.how
		if err := c.apply(f); err != nil || !again {
			return e, err
		}
		if err := f.Sync(); err != nil {
			return e, err
		}
		r.note(e, nil)
		e.Base, e.Version, data = e.Version, r.id(), c.next
	}
}

func (c raceChange) apply(f *os.File) error {
	if c.cut >= 0 {
		if err := f.Truncate(int64(c.cut)); err != nil {
			return err
		}
	}
	for _, p := range c.pieces {
		if _, err := f.WriteAt(c.next[p.from:p.to], int64(p.from)); err != nil {
			return err
		}
	}
	return nil
}

// replace truncates in open, so that what it replaces is not known.
func (r *racer) replace(key, name string) {
	e := raceEvent{Key: key, Version: r.id(), Base: raceUnseen, How: "replace"}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_TRUNC, 0)
	if errors.Is(err, unix.ENOENT) {
		return
	}
	if err == nil {
		_, err = f.Write(seal(e.Version, r.body()))
		if closed := f.Close(); err == nil {
			err = closed
		}
	}
	r.note(e, err)
}

// readRaceLog adds a racer's lines to events, by key.
func readRaceLog(t *testing.T, name string, events map[string][]raceEvent) {
	t.Helper()
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for lines := json.NewDecoder(file); ; {
		var e raceEvent
		if err := lines.Decode(&e); errors.Is(err, io.EOF) {
			return
		} else if err != nil {
			t.Fatalf("log %s: %v", name, err)
		}
		events[e.Key] = append(events[e.Key], e)
	}
}
