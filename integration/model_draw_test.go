package integration

import (
	"slices"
	"strings"

	"pgregory.net/rapid"
)

// modelSlots is how many descriptors a sequence may have open at once.
const modelSlots = 5

// Few names, so that operations meet: each is used for files, directories and
// links alike.
var (
	modelPaths = []string{
		"a", "b", "a/a", "a/b", "b/a", "a/b/a", "a/b/c", "c", "b/ä %+", "a/c", "b/c",
	}
	modelTargets = []string{"a", "b", "a/b", "c", "nowhere", "b/a"}
	modelFlags   = []string{
		"rdonly", "rdwr", "wronly", "rdwr,creat", "wronly,creat,trunc", "rdwr,creat,excl", "rdwr,append",
		"wronly,creat,append", "rdwr,trunc", "rdwr,creat,trunc",
	}
	modelModes = []int{0o644, 0o600, 0o755, 0o400, 0o777, 0o700}
	// modelEdges are places where something changes: pages, requests of the
	// kernel, the first GET, blocks.
	modelEdges = []int64{0, 0, 0, 4096, 4096, 65536, 131072, 300_000, 1 << 20}
)

// uniform draws a number below n. rapid's own draws prefer small numbers by far,
// so that most operations would hardly ever be drawn; its bits are fair.
func uniform(t *rapid.T, n int) int {
	k := 0
	for most := 1; most < 4*n; most *= 2 {
		k *= 2
		if rapid.Bool().Draw(t, "bit") {
			k++
		}
	}
	return k % n
}

func oneOf[V any](t *rapid.T, values []V) V { return values[uniform(t, len(values))] }

// drawSequence draws a whole test. The draws do not depend on any state, so
// that taking one away leaves the others as they are.
func drawSequence(t *rapid.T, mounts []string) sequence {
	s := sequence{
		Mount: oneOf(t, mounts),
		Every: oneOf(t, []int{1, 5, 5, 0}),
	}
	var names []string
	for _, k := range modelOps {
		names = append(names, slices.Repeat([]string{k.name}, k.weight)...)
	}
	n := 20 + uniform(t, 60)
	one := rapid.Custom(func(t *rapid.T) op { return drawOp(t, oneOf(t, names)) })
	if rapid.Bool().Draw(t, "with directories") {
		s.Ops = append(s.Ops, op{Do: "mkdir", Path: "a", Mode: 0o755}, op{Do: "mkdir", Path: "a/b", Mode: 0o700},
			op{Do: "mkdir", Path: "b", Mode: 0o755})
	}
	s.Ops = append(s.Ops, rapid.SliceOfN(one, n, n).Draw(t, "ops")...)
	for i := range s.Ops {
		s.Ops[i].Seed = i + 1 // bytes that no other step writes
		s.Ops[i].Dull = i%4 != 0
	}
	return s
}

func drawOp(t *rapid.T, name string) op {
	o := op{Do: name}
	k, _ := opByName(name)
	for _, arg := range strings.Fields(k.args) {
		switch arg {
		case "path":
			o.Path = oneOf(t, modelPaths)
		case "to":
			o.To = oneOf(t, pick(name == "symlink", modelTargets, modelPaths))
		case "h":
			o.H = uniform(t, modelSlots)
		case "h2":
			o.H2 = uniform(t, modelSlots)
		case "flags":
			o.Flags = oneOf(t, modelFlags)
		case "off":
			o.Off = drawPlace(t)
		case "len":
			o.Len = drawLength(t, name)
		case "mode":
			o.Mode = oneOf(t, modelModes)
		case "time":
			o.Time = 1 + int64(uniform(t, 2_000_000_000))
		}
	}
	if name == "rename" && uniform(t, 2) == 1 { // mostly what is used as a directory
		o.Path, o.To = oneOf(t, []string{"a", "b", "a/b"}), oneOf(t, []string{"c", "b", "b/c", "a/c"})
	}
	return o
}

func pick[V any](first bool, a, b V) V {
	if first {
		return a
	}
	return b
}

// drawPlace is an offset: near the beginning, or near an edge.
func drawPlace(t *rapid.T) int64 {
	edge := oneOf(t, modelEdges)
	return max(0, edge+int64(uniform(t, 300))-3)
}

// drawLength is a size: mostly small, at times across the limit from which
// uploads have parts.
func drawLength(t *rapid.T, name string) int64 {
	switch {
	case strings.HasPrefix(name, "outside-put"):
		return 8 + int64(uniform(t, 100_000)) // long enough to be unlike all others
	case name == "read":
		return int64(uniform(t, 200_000))
	case name == "write":
		return 1 + drawPlace(t)
	case uniform(t, 40) == 39:
		return 9<<20 + 5
	}
	return drawPlace(t)
}
