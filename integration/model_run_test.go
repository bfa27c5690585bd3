package integration

import (
	"errors"
	"fmt"
	"maps"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// modelSetup is one way to mount for model tests.
type modelSetup struct {
	name     string
	weight   int
	args     []string
	wait     time.Duration // until a change by others has to show
	away     bool          // others change the bucket only while it is not mounted
	implicit bool          // others make directories without markers
}

// modelSetups: what is believed for no time, for long, and for a moment. In
// auto mode an attribute may be missed in a directory without marker (clause
// 9.5), so others make those only where each entry is asked.
var modelSetups = []modelSetup{
	{name: "ttl-0", weight: 3, args: []string{"--metadata-ttl", "0", "--metadata", "full"}, implicit: true},
	{name: "ttl-1h", weight: 3, args: []string{"--metadata-ttl", "1h"}, away: true},
	{name: "ttl-300ms", weight: 1, args: []string{"--metadata-ttl", "300ms", "--metadata", "full"}, wait: trusted, implicit: true},
}

// modelSession is one server with a mount of each kind, for many sequences.
// Each of those has a directory of its own.
type modelSession struct {
	t      *testing.T
	e      *env
	mounts map[string]*modelMount
	n      int // sequences so far
	faults *modelFaults
	steps  map[string]int // done, by operation and outcome
}

type modelMount struct {
	modelSetup
	s    *modelSession
	m    *mount
	w    *worker
	kept int // files given up since it was mounted
}

func newModelSession(t *testing.T, o envOptions) *modelSession {
	return &modelSession{t: t, e: newEnv(t, o), mounts: map[string]*modelMount{}, steps: map[string]int{}}
}

// mount is the mount of a name, made when it is first wanted.
func (s *modelSession) mount(name string) *modelMount {
	if mm := s.mounts[name]; mm != nil {
		return mm
	}
	i := slices.IndexFunc(modelSetups, func(o modelSetup) bool { return o.name == name })
	if i < 0 {
		s.t.Fatalf("unknown mount %q", name)
	}
	mm := &modelMount{modelSetup: modelSetups[i], s: s}
	mm.implicit = mm.implicit && s.faults == nil // a marker that could not be stored is only logged
	mm.m = s.e.mount(s.t, mountOptions{args: mm.args})
	mm.w = newWorker(s.t, mm.m)
	s.mounts[name] = mm
	return mm
}

// remount unmounts and mounts again: all caches are cold.
func (mm *modelMount) remount() {
	if err := mm.m.detach(); err != nil {
		panic(modelFailure{err})
	}
	if !mm.m.waitEnded(unmountTimeout) {
		panic(modelFailure{fmt.Errorf("pailfs still runs %v after the unmount", unmountTimeout)})
	}
	var exit *exec.ExitError
	if errors.As(mm.m.exit, &exit) && mm.kept == 0 {
		panic(modelFailure{fmt.Errorf("pailfs after the unmount: %w", mm.m.exit)})
	}
	mm.kept = 0
	mm.m.start(mm.s.t)
}

// reset makes a mount usable after a failure, however it was left. The failure is
// told first: should the reset fail as well, it would not be heard of else.
func (mm *modelMount) reset(why error) {
	mm.s.t.Logf("the mount %s is reset after: %v", mm.name, why)
	mm.w.stop()
	mm.m.kill9()
	mm.m.start(mm.s.t)
	mm.w = newWorker(mm.s.t, mm.m)
}

// modelCheck is one sequence under way.
type modelCheck struct {
	s   *modelSession
	mm  *modelMount
	dir string
	r   *ref
	fds [modelSlots]int
}

// modelFailure is the value of a panic that ends a sequence.
type modelFailure struct{ error }

func (c *modelCheck) fail(format string, args ...any) {
	panic(modelFailure{fmt.Errorf(format, args...)})
}

// run performs a sequence, and returns how the mount differs from the reference.
func (s *modelSession) run(seq sequence) (err error) {
	s.n++
	mm := s.mount(seq.Mount)
	dir := fmt.Sprintf("c%06d", s.n)
	c := &modelCheck{s: s, mm: mm, dir: dir, r: newRef(dir+"/", mm.implicit)}
	s.faults.reseed(seq)
	defer func() {
		if r := recover(); r != nil {
			e, ok := r.(error) // of fail or of a worker that hung
			if !ok {
				panic(r)
			}
			err = e
			mm.reset(err)
		}
	}()
	s.calm(func() {
		if errno := mm.w.Mkdir(dir, 0o755); errno != "" {
			c.fail("mkdir %s: %s", dir, errno)
		}
	})
	if s.faults != nil && seq.Every > 0 {
		seq.Every = 10 // each look is slow
	}
	for i, o := range seq.Ops {
		if c.r.stop != "" {
			break
		}
		c.step(i, o, seq.Every)
	}
	s.calm(func() { c.finish() })
	return nil
}

// step performs one operation on both sides and compares.
func (c *modelCheck) step(i int, o op, every int) {
	now := time.Now()
	if o = c.r.aim(o); o.Do == "" {
		return
	}
	if probe := c.r.clone().apply(o, now, now); probe.skip || dull(o, probe) {
		return
	}
	before := c.r.clone()
	got := c.perform(o)
	c.judgeCloses(o, got)
	want := c.r.apply(o, got.began, got.ended)
	c.s.steps[strings.TrimSpace(o.Do+" "+got.errno)]++
	err := c.judge(want, got)
	if err != nil && c.s.faults.mayCause(got.errno) {
		err = c.resolve(o, before)
	}
	if err != nil {
		c.fail("step %d: %s: %w", i+1, o, err)
	}
	c.settle()
	if c.r.stop == "" && (o.Do == "look" || every > 0 && (i+1)%every == 0) {
		if err := c.compareAll(); err != nil {
			c.fail("after step %d: %s:\n%w", i+1, o, err)
		}
	}
}

// dull leaves out most operations that fail in any case: they would be more
// than half of all. Of a sequence read from a file nothing is left out.
func dull(o op, probe outcome) bool {
	return o.Dull && !slices.Contains(probe.errnos, "") && !slices.Contains(probe.errnos, "ESTALE")
}

// judgeCloses compares the closes that a remount begins with.
func (c *modelCheck) judgeCloses(o op, got did) {
	if o.Do != "remount" && !(c.mm.away && strings.HasPrefix(o.Do, "outside-")) {
		return
	}
	for i, want := range c.r.remount() {
		switch {
		case slices.Contains(want.errnos, got.closes[i]):
		case c.s.faults.mayCause(got.closes[i]):
			c.mm.kept++
			c.r.stop = "a close before a remount failed for a fault: its content is kept aside"
		default:
			c.fail("%s: the close of open file %d gives %q, want %q", o, i, got.closes[i], want.errnos)
		}
	}
}

// settle waits until a file that was given up shows so: its last close returns
// before pailfs is told that the file is released.
func (c *modelCheck) settle() {
	if c.r.gaveUp == 0 {
		return
	}
	c.mm.kept += c.r.gaveUp
	c.r.gaveUp = 0
	for end := time.Now().Add(30 * time.Second); c.compareTree() != nil && time.Now().Before(end); {
		time.Sleep(20 * time.Millisecond)
	}
}

// finish closes what is open, compares a last time and removes the objects.
func (c *modelCheck) finish() {
	stopped := c.r.stop != ""
	got := c.closeAll()
	for i, want := range c.r.remount() {
		if !stopped && !slices.Contains(want.errnos, got[i]) {
			c.fail("at the end: a close gives %q, want %q", got[i], want.errnos)
		}
	}
	c.settle()
	if !stopped {
		if err := c.compareAll(); err != nil {
			c.fail("at the end:\n%w", err)
		}
	}
	uploads, err := c.s.e.s3.openUploads()
	if err != nil || len(uploads) > 0 {
		c.fail("uploads left open: %q, %w", uploads, err)
	}
	left, err := c.s.objects(c.r.base)
	if err == nil {
		err = c.s.removeObjects(slices.Collect(maps.Keys(left)))
	}
	if err != nil {
		c.fail("clean up: %w", err)
	}
}

func (s *modelSession) putObject(key string, data []byte) error {
	return s.e.s3.putReader(key, strings.NewReader(string(data)), int64(len(data)))
}

func (s *modelSession) removeObjects(keys []string) error {
	if len(keys) == 0 {
		return nil
	}
	ctx, cancel := within()
	defer cancel()
	var ids []types.ObjectIdentifier
	for _, k := range keys {
		ids = append(ids, types.ObjectIdentifier{Key: aws.String(k)})
	}
	_, err := s.e.s3.client.DeleteObjects(ctx, &s3.DeleteObjectsInput{
		Bucket: &s.e.bucket, Delete: &types.Delete{Objects: ids, Quiet: aws.Bool(true)},
	})
	return err
}
