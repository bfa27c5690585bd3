package integration

import (
	"errors"
	"fmt"
	"hash/fnv"
	"slices"

	"github.com/pailfs/pailfs/integration/lab"
)

// modelFaults are those that the lab injects while a sequence runs; nil is none.
type modelFaults struct {
	rules []lab.Rule
	seed  uint64
	shift uint64 // other faults for the same sequence
}

// reseed makes the faults of a sequence its own, so that they come again with it.
func (f *modelFaults) reseed(seq sequence) {
	if f == nil {
		return
	}
	h := fnv.New64a()
	fmt.Fprint(h, seq)
	f.seed = h.Sum64() + f.shift
}

// modelRules: most are hidden by retries, as a run of them that outlasts those
// is as good as impossible. Refusals are not retried, and so are seen.
var modelRules = []lab.Rule{
	{Kind: lab.KindStatus, Status: 403, Code: "AccessDenied", Probability: 0.06,
		Ops: []string{"PutObject", "CopyObject", "DeleteObject", "DeleteObjects", "CreateMultipartUpload", "UploadPart"}},
	{Kind: lab.KindSlowDown, Probability: 0.002},
	{Kind: lab.KindError500, Probability: 0.02},
	{Kind: lab.KindRefuse, Probability: 0.01},
	{Kind: lab.KindReset, Probability: 0.015, AfterBytes: 1000},
	{Kind: lab.KindReset, Probability: 0.015, AfterBytes: -1},
	{Kind: lab.KindTruncate, Probability: 0.015, AfterBytes: 300, Phase: lab.PhaseResponse},
	{Kind: lab.KindDelay, Probability: 0.05, DelayMS: 20},
}

// mayCause reports whether a fault can be the reason for an errno.
func (f *modelFaults) mayCause(errno string) bool {
	return f != nil && slices.Contains([]string{"EACCES", "EIO", "ETIMEDOUT"}, errno)
}

// calm runs f without faults.
func (s *modelSession) calm(f func()) {
	if s.faults == nil {
		f()
		return
	}
	s.e.lab.ClearFaults()
	f()
	s.faults.seed++
	if err := s.e.lab.SetFaults(lab.FaultSet{Seed: s.faults.seed, Rules: s.faults.rules}); err != nil {
		panic(modelFailure{err})
	}
}

// resolve finds out what an operation that failed for a fault has done: nothing
// or all of it. c.r is the state after all of it.
func (c *modelCheck) resolve(o op, before *ref) error {
	var errs []error
	c.s.calm(func() {
		for _, r := range c.candidates(o, before) {
			r.gaveUp, c.r = 0, r
			err := c.compareAll()
			if err == nil {
				errs = nil
				return
			}
			errs = append(errs, err)
		}
		if o.Do == "rename" || o.Do == "rename-noreplace" {
			c.r.stop = "a rename that failed halfway"
			errs = []error{c.nothingLost(o, before)}
		}
	})
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("after a fault the mount is in none of the states that are allowed:\n%w", err)
	}
	return nil
}

func (c *modelCheck) candidates(o op, before *ref) []*ref {
	after := c.r
	switch o.Do {
	case "open":
		return []*ref{before} // nothing is stored by it
	case "close":
		// The descriptor is closed in any case. Where it was the last writer's,
		// the content is kept aside.
		f, slot := before.handle(o.H)
		n := before.inodes[f.ino]
		*f.refs--
		before.files[slot] = nil
		if *f.refs == 0 && n.dirty && !n.gone && !before.isOpen(f.ino, true) {
			before.giveUp(f.ino)
			c.mm.kept++
			c.waitFor(before)
		}
		return []*ref{before, after}
	case "truncate":
		kept := before.clone()
		if p, n, errno := kept.existing(o.Path, true); errno == "" && !kept.isOpen(p.id, true) {
			n.dirty = true
			kept.giveUp(p.id)
			c.mm.kept++
			c.waitFor(kept)
			return []*ref{kept, after}
		}
		local := after.clone() // the content is changed here, and waits for a close
		if _, n, errno := local.existing(o.Path, true); errno == "" {
			b := before.inodes[local.idAt(o.Path)]
			n.dirty, n.stored, n.was = true, b.stored, b.was
			local.bucket, local.modes = before.bucket, before.modes
		}
		return []*ref{local, after}
	}
	return []*ref{before, after}
}

func (r *ref) idAt(path string) int {
	p, _ := r.lookup(path, true)
	return p.id
}

// waitFor gives the mount the time to show a file that was given up.
func (c *modelCheck) waitFor(r *ref) {
	now := c.r
	c.r, r.gaveUp = r, 1
	c.mm.kept--
	c.settle()
	c.r = now
}

// nothingLost: a rename that failed halfway leaves each content at its old
// place or at its new one, or at both.
func (c *modelCheck) nothingLost(o op, before *ref) error {
	objects, err := c.s.objects(before.base)
	if err != nil {
		return err
	}
	var bad []error
	written := map[string][]byte{} // content that a rename stores first
	for _, n := range before.inodes {
		if n.dirty && !n.gone {
			written[n.key] = n.data
		}
	}
	has := func(data []byte) bool {
		for key, there := range objects {
			if there.size == int64(len(data)) && c.s.compareObject(key, there, data) == nil {
				return true
			}
		}
		return false
	}
	for key, data := range before.bucket {
		local, dirty := written[key]
		found := key == before.base+o.To || has(data) || dirty && has(local) // it may have been replaced
		if !found {
			bad = append(bad, fmt.Errorf("the content of %q is nowhere", key))
		}
	}
	return errors.Join(bad...)
}
