package integration

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/pailfs/pailfs/integration/lab"
)

// startLab puts the counting, failing proxy between the mounts and the server.
func (e *env) startLab(t *testing.T) {
	t.Helper()
	l, err := lab.Start(strings.TrimPrefix(e.endpoint, "http://"), lab.Shape{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	e.lab, e.mountURL = l, l.URL()
}

func (e *env) setFaults(t *testing.T, rules ...lab.Rule) {
	t.Helper()
	if err := e.lab.SetFaults(lab.FaultSet{Seed: 1, Rules: rules}); err != nil {
		t.Fatal(err)
	}
}

// requests are counts by S3 operation.
type requests map[string]int64

// takeRequests returns the counts since the last call and zeroes them.
func (e *env) takeRequests() requests {
	got := requests{}
	for op, row := range e.lab.Reset().Ops {
		if row.Count > 0 {
			got[op] = row.Count
		}
	}
	return got
}

func (r requests) total() (n int64) {
	for _, c := range r {
		n += c
	}
	return n
}

func (r requests) String() string {
	var parts []string
	for op, n := range r {
		parts = append(parts, fmt.Sprintf("%s %d", op, n))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// over names the operations of r that are over the budget; an operation
// that the budget does not name has none.
func (r requests) over(budget requests) []string {
	var bad []string
	for op, n := range r {
		if n > budget[op] {
			bad = append(bad, fmt.Sprintf("%s %d (budget %d)", op, n, budget[op]))
		}
	}
	slices.Sort(bad)
	return bad
}
