package integration

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

// Outcomes of what a racer does with a key.
const (
	raceStored  = "stored"  // acknowledged
	raceRefused = "refused" // told that somebody else was first
	raceUnknown = "unknown" // no answer: it may have been stored
	raceRead    = "read"    // a whole version was read
	raceBad     = "bad"     // what must not be
)

// Bases that are no version.
const (
	raceNone   = ""  // there was no file
	raceUnseen = "?" // what was there when it was opened with O_TRUNC, or an empty object of --exclusive=open
)

// raceEvent is one line of a racer's log.
type raceEvent struct {
	Key     string `json:"key"`
	Outcome string `json:"outcome"`
	Version string `json:"version"`
	Base    string `json:"base"` // the version that the racer had read
	How     string `json:"how,omitempty"`
	By      string `json:"by,omitempty"` // the reader
	Note    string `json:"note,omitempty"`
}

// mountOf is the part of a racer's name, or of a version's, that is the mount's.
func mountOf(name string) string {
	mount, _, _ := strings.Cut(name, "-")
	return mount
}

// judge says what may not be, of one key: final is the version that is there in
// the end, "" if none.
//
// A commit replaces the version its writer had read, or is refused. So from the
// first version on there is one chain, each link the base of the next, with all
// that was acknowledged in it, and the final version at its end. Two commits on
// one base would be a writer who lost without being told.
func judge(events []raceEvent, final string) (bad []string) {
	outcome, reads := map[string]string{}, map[string]bool{}
	local := map[string]bool{} // read within the mount that wrote it
	saw := func(id, racer string) {
		if mountOf(id) == mountOf(racer) {
			local[id] = true
		} else {
			reads[id] = true
		}
	}
	next := map[string][]string{} // by base
	for _, e := range events {
		switch e.Outcome {
		case raceBad:
			bad = append(bad, fmt.Sprintf("%s %s of %s: %s", e.Version, e.How, e.Base, e.Note))
		case raceRead:
			saw(e.Version, e.By)
		default:
			outcome[e.Version] = e.Outcome
			switch {
			case e.Base == raceNone, e.Base == raceUnseen:
			case e.Outcome == raceStored:
				reads[e.Base] = true
			default:
				saw(e.Base, e.Version)
			}
			if e.Outcome == raceStored && e.Base != raceUnseen {
				next[e.Base] = append(next[e.Base], e.Version)
			}
		}
	}
	for _, id := range slices.Sorted(maps.Keys(reads)) {
		if o := outcome[id]; o != raceStored && o != raceUnknown {
			bad = append(bad, fmt.Sprintf("%s was read: its writer knows it as %q", id, o))
		}
	}
	// What was refused is seen in its own mount until the kernel has told of the
	// close, which it does after close(2) has returned.
	for _, id := range slices.Sorted(maps.Keys(local)) {
		if outcome[id] == "" {
			bad = append(bad, fmt.Sprintf("%s was read: nobody wrote it", id))
		}
	}
	for _, base := range slices.Sorted(maps.Keys(next)) {
		if len(next[base]) > 1 {
			bad = append(bad, fmt.Sprintf("all of %q replaced %q, and all were acknowledged", next[base], base))
		}
	}
	switch o := outcome[final]; {
	case final == raceNone && len(next) > 0:
		bad = append(bad, "nothing is there in the end")
	case final != raceNone && o != raceStored && o != raceUnknown:
		bad = append(bad, fmt.Sprintf("in the end there is %s: its writer knows it as %q", final, o))
	case len(next[final]) > 0 && final != raceNone:
		bad = append(bad, fmt.Sprintf("in the end there is %s again: %q came after it", final, next[final]))
	}
	return bad
}

func TestRaceJudge(t *testing.T) {
	stored := func(version, base string) raceEvent {
		return raceEvent{Outcome: raceStored, Version: version, Base: base}
	}
	refused := raceEvent{Outcome: raceRefused, Version: "r", Base: "a"}
	for _, c := range []struct {
		name   string
		events []raceEvent
		final  string
		want   string // "" is nothing
	}{
		{"nothing", nil, "", ""},
		{"a chain", []raceEvent{stored("a", ""), refused, stored("b", "a"), stored("c", "b")}, "c", ""},
		{"with a truncating open", []raceEvent{stored("a", ""), stored("t", "?"), stored("c", "t")}, "c", ""},
		{"no answer, not stored", []raceEvent{stored("a", ""), {Outcome: raceUnknown, Version: "u", Base: "a"}}, "a", ""},
		{"no answer, stored", []raceEvent{stored("a", ""), {Outcome: raceUnknown, Version: "u", Base: "a"}}, "u", ""},
		{"a silent loser", []raceEvent{stored("a", ""), stored("b", "a"), stored("c", "a")}, "c", "all of"},
		{"two creators", []raceEvent{stored("a", ""), stored("b", "")}, "b", "all of"},
		{"refused and stored", []raceEvent{stored("a", ""), refused}, "r", `its writer knows it as "refused"`},
		{"refused and read", []raceEvent{stored("a", ""), refused, stored("c", "r")}, "c", "r was read"},
		{"read by a reader", []raceEvent{stored("a", ""), refused, {Outcome: raceRead, Version: "r"}}, "a", "r was read"},
		{"read in its own mount", []raceEvent{stored("a", ""), {Outcome: raceRefused, Version: "m-1/1", Base: "a"},
			{Outcome: raceRead, Version: "m-1/1", By: "m-0"}, {Outcome: raceRefused, Version: "m-0/1", Base: "m-1/1"}}, "a", ""},
		{"stored on a refused base", []raceEvent{stored("a", ""), {Outcome: raceRefused, Version: "m-1/1", Base: "a"},
			stored("m-0/1", "m-1/1")}, "m-0/1", "was read"},
		{"back again", []raceEvent{stored("a", ""), stored("b", "a")}, "a", "again"},
		{"gone", []raceEvent{stored("a", "")}, "", "nothing is there"},
		{"nobody's", []raceEvent{stored("a", "")}, "x", "there is x"},
		{"half a version", []raceEvent{{Outcome: raceBad, Note: "half"}}, "", "half"},
	} {
		got := strings.Join(judge(c.events, c.final), "; ")
		if (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}
