package lab

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
)

// injector draws faults; it is safe for concurrent use. The draws depend only
// on the seed and on the order of the matching requests.
type injector struct {
	set FaultSet // never changed

	mu      sync.Mutex
	rng     *rand.Rand
	matched []int
	applied []int
}

func newInjector(set FaultSet) *injector {
	rules := slices.Clone(set.Rules) // the caller may go on with its own
	for i := range rules {
		rules[i].Ops = slices.Clone(rules[i].Ops)
	}
	return &injector{
		set:     FaultSet{Seed: set.Seed, Rules: rules},
		rng:     rand.New(rand.NewPCG(set.Seed, 0)),
		matched: make([]int, len(rules)),
		applied: make([]int, len(rules)),
	}
}

// pick returns the first rule that fires for the request, or nil.
func (in *injector) pick(op, key string) *Rule {
	if len(in.set.Rules) == 0 {
		return nil
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	for i := range in.set.Rules {
		r := &in.set.Rules[i]
		if !r.matches(op, key) {
			continue
		}
		in.matched[i]++
		if in.matched[i] <= r.Skip || r.Limit > 0 && in.applied[i] >= r.Limit {
			continue
		}
		if in.rng.Float64() < r.Probability {
			in.applied[i]++
			return r
		}
	}
	return nil
}

func (r *Rule) matches(op, key string) bool {
	return (len(r.Ops) == 0 || slices.Contains(r.Ops, op)) &&
		strings.HasPrefix(key, r.KeyPrefix) && (r.Key == "" || r.Key == key)
}
