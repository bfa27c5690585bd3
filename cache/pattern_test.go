package cache

import (
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"
)

const mib = 1 << 20

// reads feeds a pattern and returns the last plan.
func reads(p *pattern, list ...Range) (out plan) {
	for _, r := range list {
		out = p.read(r)
	}
	return out
}

func run(off, end, step int64) (out []Range) {
	for ; off < end; off += step {
		out = append(out, Range{off, min(off+step, end)})
	}
	return out
}

func TestPatternSequentialGrows(t *testing.T) {
	p := pattern{size: 1 << 30, memory: 1 << 30}
	for _, c := range []struct {
		upTo, window int64
	}{{256 << 10, 0}, {512 << 10, 2 * mib}, {mib, 16 * mib}, {4 * mib, 64 * mib}, {64 * mib, maxWindow}, {100 * mib, maxWindow}} {
		var from int64
		if len(p.streams) > 0 {
			from = p.streams[0].next
		}
		out := reads(&p, run(from, c.upTo, 128<<10)...)
		if got := out.ahead.Len(); got != c.window {
			t.Errorf("after %d bytes: window %d, want %d", c.upTo, got, c.window)
		}
		if c.window > 0 && out.ahead.Off != c.upTo {
			t.Errorf("after %d bytes: the window begins at %d", c.upTo, out.ahead.Off)
		}
	}
	if out := reads(&p, Range{100 * mib, 101 * mib}); out.size != maxPiece {
		t.Errorf("pieces of %d", out.size)
	}
}

// Where memory is little, the first to come must not take it all.
func TestPatternGrowsByTheMemory(t *testing.T) {
	p := pattern{size: 1 << 30, memory: 64 * mib}
	if out := reads(&p, run(0, mib, 128<<10)...); out.ahead.Len() != 4*mib {
		t.Errorf("window %d", out.ahead.Len())
	}
}

// What overtook the rest of a stream may have done so by equal steps.
func TestPatternOvertakingIsNoLeap(t *testing.T) {
	for _, order := range [][]int64{{7, 5, 3, 1, 6, 4, 2}, {1, 3, 5, 7, 2, 4, 6}} {
		p := pattern{size: 1 << 30}
		reads(&p, run(0, 4*mib, 128<<10)...)
		for _, i := range append([]int64{0}, order...) {
			off := 4*mib + i*128<<10
			if out := reads(&p, Range{off, off + 128<<10}); len(out.strides) > 0 {
				t.Errorf("order %d: leaps to %v", order, out.strides)
			}
		}
	}
}

// The requests of the kernel's read-ahead overtake one another.
func TestPatternOutOfOrder(t *testing.T) {
	p := pattern{size: 1 << 30}
	all := run(0, 64*mib, mib)
	for i, n := 1, 4; i+n < len(all); i, n = i+n, 8 { // its threads take them at about the same time
		rand.Shuffle(n, func(a, b int) { all[i+a], all[i+b] = all[i+b], all[i+a] })
	}
	reads(&p, all...)
	if p.strays > 1 || len(p.streams) != 1 {
		t.Errorf("%d strays, %d streams", p.strays, len(p.streams))
	}
	if out := reads(&p, Range{64 * mib, 65 * mib}); out.ahead.Len() < 32*mib {
		t.Errorf("window %d", out.ahead.Len())
	}
}

func TestPatternRandomFetchesNothingAhead(t *testing.T) {
	p := pattern{size: 1 << 34}
	for range 500 {
		off := rand.Int64N(p.size>>17) << 17
		if out := p.read(Range{off, off + 128<<10}); out.ahead.Len() > 0 || len(out.strides) > 0 || out.dense {
			t.Fatalf("random read at %d: %+v", off, out)
		}
	}
}

// Two sequential readers of one handle, and a reader of the footer.
func TestPatternSeveralStreams(t *testing.T) {
	p := pattern{size: 1 << 30}
	reads(&p, Range{p.size - 8, p.size}, Range{p.size - 70_000, p.size - 8})
	for i := range int64(8) {
		a := p.read(Range{i * mib, (i + 1) * mib})
		b := p.read(Range{500*mib + i*mib, 500*mib + (i+1)*mib})
		if i > 2 && (a.ahead.Len() < 4*mib || b.ahead.Len() < 4*mib) {
			t.Errorf("%d: windows %v, %v", i, a.ahead, b.ahead)
		}
	}
}

// A stream may leap forward over what it has earned, and stays one.
func TestPatternForwardLeap(t *testing.T) {
	p := pattern{size: 1 << 30}
	reads(&p, run(0, 16*mib, mib)...)
	out := p.read(Range{24 * mib, 25 * mib})
	if len(p.streams) != 1 || out.ahead.Off != 25*mib || out.ahead.Len() == 0 {
		t.Errorf("%d streams, %+v", len(p.streams), out)
	}
	if out := reads(&p, run(25*mib, 60*mib, mib)...); out.passed.End < 24*mib {
		t.Errorf("what was left out is not given up: %+v", out.passed)
	}
	if p.read(Range{200 * mib, 201 * mib}); len(p.streams) != 2 {
		t.Errorf("a far leap is the same stream")
	}
}

// Reads that leap by equal steps are fetched ahead, exactly.
func TestPatternStrides(t *testing.T) {
	for _, step := range []int64{40 * mib, 64 << 10, -4096} {
		p := pattern{size: 1 << 30}
		var out plan
		at := int64(100 * mib)
		for range 6 {
			out = p.read(Range{at, at + 4096})
			at += step
		}
		if len(out.strides) < 8 || out.strides[0] != (Range{at, at + 4096}) {
			t.Errorf("step %d: %v", step, out.strides)
		}
		if out.ahead.Len() > 0 {
			t.Errorf("step %d: also a window: %v", step, out.ahead)
		}
	}
}

// A handle whose runs are short does not fetch far beyond their ends.
func TestPatternShortRuns(t *testing.T) {
	p := pattern{size: 1 << 34}
	for i := range int64(30) {
		at := (i * 7 % 31) << 28
		for k, r := range run(at, at+4*mib, mib) {
			out := p.read(r)
			if i > 20 && int64(k+1)*mib+out.ahead.Len() > 6*mib {
				t.Fatalf("run %d, after %d MiB: window %d", i, k+1, out.ahead.Len())
			}
		}
	}
}

func TestPatternDense(t *testing.T) {
	p := pattern{size: 1 << 30}
	n := 0
	for range 1000 {
		n++
		off := rand.Int64N(p.size>>17) << 17
		if p.read(Range{off, off + 128<<10}).dense {
			break
		}
	}
	if n < 100 || n > 200 { // a 64th is 128 reads; some follow one another by chance
		t.Errorf("dense after %d reads", n)
	}
}

// Whatever is read: a plan stays in the object, and its piece has the byte.
func TestPatternPlansAreSound(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		p := pattern{size: rapid.Int64Range(1, 1<<34).Draw(rt, "size")}
		for range rapid.IntRange(1, 40).Draw(rt, "reads") {
			off := rapid.Int64Range(0, p.size-1).Draw(rt, "off")
			if len(p.streams) > 0 && rapid.Bool().Draw(rt, "goes on") {
				off = min(p.streams[0].next, p.size-1)
			}
			r := Range{off, min(p.size, off+rapid.Int64Range(1, mib).Draw(rt, "len"))}
			out := p.read(r)
			for _, pos := range []int64{r.Off, r.End - 1} {
				if piece := out.piece(pos); pos < piece.Off || pos >= piece.End {
					rt.Fatalf("piece %v for %d of %v", piece, pos, r)
				}
			}
			for _, s := range out.strides {
				if s.Off < 0 || s.Off >= p.size {
					rt.Fatalf("stride %v", s)
				}
			}
			if out.ahead.Len() < 0 || out.ahead.Len() > maxWindow || out.ahead.Len() > 0 && (out.size < minPiece || out.size > maxPiece) {
				rt.Fatalf("ahead %v by %d", out.ahead, out.size)
			}
			if len(p.streams) > maxStreams {
				rt.Fatal("too many streams")
			}
		}
	})
}
