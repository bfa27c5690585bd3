package cache

// Figures of the access pattern, in bytes.
const (
	// late is how far behind its stream a read may be and still be of it, where
	// it reads something once more.
	late = 4 << 20
	// overtaken is how far behind what was left out is still expected: the kernel
	// sends the requests of its read-ahead at once, and they arrive in any order.
	overtaken = 32 << 20
	maxGaps   = 32 // of a stream
	// abreast is how many requests of its size may overtake one of a stream that
	// has just begun.
	abreast = 8
	// nearGap is what a stream may leave out without being taken for less than
	// sequential: fetching that much costs less than another request.
	nearGap = 1 << 20
	// farGap is the longest leap forward that may belong to a stream.
	farGap = 16 << 20

	firstPiece = 1 << 20 // of a stream that begins at the beginning
	minPiece   = 2 << 20 // of read-ahead: a shorter one would cost requests and gain little
	// maxPiece and maxWindow are 24 requests under way: at 25 ms and 60 MB/s a
	// request that is 1 GB/s. Longer requests would need more memory for the same
	// rate, as all of each is held until the reader is there, and shorter ones
	// more CPU time: measured with 2, 4 and 8 MiB.
	maxPiece  = 4 << 20
	maxWindow = 96 << 20
	// leastWindow is what each of many readers gets.
	leastWindow = 8 << 20
	maxScore    = 2 * maxWindow / eagerness
	eagerness   = 4         // the window is so many times what was read in sequence
	wholeEager  = 16        // where that is the beginning of the object, and firstPiece at least: most read on
	wholePart   = 16        // of the memory, which that must not exceed: many may begin at once
	earns       = 512 << 10 // read in sequence before anything is fetched ahead

	maxStreams = 8  // of one handle
	maxStrides = 16 // reads ahead of one that leaps by equal steps

	// A random reader is dense when it has asked so many times for what was not
	// expected, and for so large a part of the object; as each of its reads costs a
	// round trip, it counts for denseLeast at least.
	denseReads = 32
	densePart  = 64
	denseLeast = 128 << 10
)

// stream is a run of reads that follow one another.
type stream struct {
	start, next int64   // what it went over
	gaps        []Range // what was left out of that lately, sorted
	score       int64   // bytes read in sequence, less what was left out
	used        int64   // when, by pattern.clock
}

// leave records what r leaves out, and forgets what nobody will come back for.
func (s *stream) leave(r Range) {
	if r.Off > s.next {
		s.gaps = append(s.gaps, Range{s.next, r.Off})
	}
	for len(s.gaps) > maxGaps || len(s.gaps) > 0 && s.gaps[0].End <= r.End-overtaken {
		s.gaps = s.gaps[1:]
	}
}

// fill takes r out of the gaps, and returns how much of them it was.
func (s *stream) fill(r Range) (filled int64) {
	var left []Range
	for _, g := range s.gaps {
		before, after := Range{g.Off, min(g.End, r.Off)}, Range{max(g.Off, r.End), g.End}
		rest := int64(0)
		for _, part := range []Range{before, after} {
			if part.Len() > 0 {
				left = append(left, part)
				rest += part.Len()
			}
		}
		filled += g.Len() - rest
	}
	if filled > 0 {
		s.gaps = left
	}
	return filled
}

// left reports whether r is, in part, something that s left out.
func (s *stream) left(r Range) bool {
	for _, g := range s.gaps {
		if g.Off < r.End && r.Off < g.End {
			return true
		}
	}
	return false
}

// pattern tells how one handle reads: which of its reads follow one another, and
// what is worth fetching before it is asked for. It is pure: offsets in, plan out.
type pattern struct {
	size    int64 // of the object
	memory  int64 // bytes, for all
	clock   int64
	streams []stream

	typical int64 // how long the streams were that ended; 0: none has
	strays  int64 // reads that nothing announced
	strayed int64 // bytes of them

	last   Range // the latest read
	stride int64 // from the one before it
	steady int   // how many times in a row
}

// plan is what to fetch for a read. A zero range is nothing.
type plan struct {
	piece   func(pos int64) Range // around a missing byte of the read itself
	ahead   Range                 // by requests of size bytes
	size    int64
	strides []Range
	passed  Range // what nobody is going to read any more
	dense   bool  // all of the object is worth it
}

// read tells the pattern of a read of r, which is not empty.
func (p *pattern) read(r Range) plan {
	p.clock++
	strides := p.leap(r)
	s := p.follow(r)
	if s == nil {
		return p.stray(r, strides)
	}
	s.used = p.clock
	if r.End <= s.next { // late, or again
		filled := s.fill(r)
		s.score = min(s.score+filled, maxScore)
		out := p.of(s, r)
		if filled == 0 {
			p.strayFrom(r, &out)
		}
		return out.leaping(strides)
	}
	gap := max(r.Off-s.next, 0)
	s.leave(r)
	s.score = max(min(s.score+r.End-max(r.Off, s.next), maxScore)-gap, 0)
	s.next = r.End
	return p.of(s, r).leaping(strides)
}

// leaping adds the next leaps to a plan, unless there is a stream to fetch ahead
// of: the kernel's requests of one arrive in any order, and by chance with equal
// steps, also backwards to what has been read.
func (p plan) leaping(strides []Range) plan {
	if p.ahead.Len() == 0 {
		p.strides = strides
	}
	return p
}

// follow finds the stream that r belongs to: the one it is nearest to.
func (p *pattern) follow(r Range) *stream {
	var best *stream
	for i := range p.streams {
		s := &p.streams[i]
		if s.left(r) {
			return s
		}
		gap := r.Off - s.next
		if r.Off < max(s.start, s.next-late) || gap > max(nearGap, abreast*r.Len()) && (gap > farGap || gap > s.score) {
			continue
		}
		if best == nil || abs(gap) < abs(r.Off-best.next) {
			best = s
		}
	}
	return best
}

// stray begins a stream. It takes the place of the one that was not used for
// the longest time.
func (p *pattern) stray(r Range, strides []Range) plan {
	fresh := stream{start: r.Off, next: r.End, score: r.Len(), used: p.clock}
	var s *stream
	if len(p.streams) < maxStreams {
		p.streams = append(p.streams, fresh)
		s = &p.streams[len(p.streams)-1]
	} else {
		s = &p.streams[0]
		for i := range p.streams {
			if p.streams[i].used < s.used {
				s = &p.streams[i]
			}
		}
		p.typical = (3*p.typical + s.next - s.start) / 4
		*s = fresh
	}
	out := p.of(s, r).leaping(strides)
	p.strayFrom(r, &out)
	return out
}

// strayFrom counts a read that follows no other.
func (p *pattern) strayFrom(r Range, out *plan) {
	p.strays++
	p.strayed += max(r.Len(), denseLeast)
	out.dense = p.strays >= denseReads && p.strayed >= p.size/densePart
}

// of is the plan for a read of r in s.
func (p *pattern) of(s *stream, r Range) plan {
	out := plan{piece: func(int64) Range { return r }}
	window := p.window(s)
	if window == 0 {
		if p.clock == 1 && r.Off == 0 && r.End < firstPiece { // most files are read from their beginning
			out.piece = func(int64) Range { return Range{0, firstPiece} }
		}
		return out
	}
	left := p.size - s.next
	out.size = min(max(min(window, left)/maxStrides, minPiece), maxPiece)
	if r.Off >= s.next-nearGap { // not one that came late
		out.piece = func(pos int64) Range { return Range{pos, max(r.End, pos+out.size)} }
	}
	out.ahead = Range{s.next, s.next + window}
	out.passed = Range{s.start, s.next - overtaken}
	return out
}

// window is how far ahead of s to fetch.
func (p *pattern) window(s *stream) int64 {
	length := s.next - s.start
	window := eagerness * s.score
	if s.start == 0 && s.score >= firstPiece {
		window = max(window, min(wholeEager*s.score, p.memory/wholePart))
	}
	switch {
	case s.score < earns:
		return 0
	case p.typical > 0 && length < 2*p.typical:
		// Streams of this handle are short: not beyond where they end.
		return max(0, min(window, p.typical-length))
	}
	return min(window, maxWindow)
}

// leap tells whether the reads leap by equal steps, and returns the next ones.
func (p *pattern) leap(r Range) (out []Range) {
	step := r.Off - p.last.Off
	before := p.last
	p.last = r
	if step == 0 || before.Len() == 0 || step > 0 && step <= r.Len() || step < 0 && -step < r.Len() {
		p.stride, p.steady = 0, 0
		return nil
	}
	if step != p.stride {
		p.stride, p.steady = step, 0
		return nil
	}
	p.steady++
	for i := range int64(min(1<<min(p.steady, 8), maxStrides)) {
		next := Range{r.Off + (i+1)*step, r.End + (i+1)*step}
		if p.steady < 2 || next.Off < 0 || next.Off >= p.size {
			break
		}
		out = append(out, next)
	}
	return out
}

func abs(n int64) int64 { return max(n, -n) }
