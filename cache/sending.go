package cache

// PartLayout says where the parts of an upload begin and end (bucket.Layout).
type PartLayout interface {
	// Part is where part number (from 1) begins and how long it is, but for the
	// last; size 0 is beyond the last there may be.
	Part(number int) (off, size int64)
	// At is the part that holds off.
	At(off int64) (number int)
}

// sending is which parts of a draft's content the store has. It is pure: it sends
// nothing and has no lock. A part that changes after it was taken is taken again,
// but never while a send of it is under way: which of two comes last, nobody knows.
type sending struct {
	layout PartLayout
	parts  []partState // of number i+1; none beyond the last that was taken
	fresh  int         // every part up to this number has been taken
	busy   int         // parts under way
}

type partState struct {
	busy  bool // a send is under way
	sent  bool // the store has it, as it is now or as it was
	stale bool // changed since the last send began
}

// wrote notes that [off, end) has other bytes now, or another part has the end
// of the content.
func (s *sending) wrote(off, end int64) {
	if off >= end || len(s.parts) == 0 {
		return
	}
	last := min(s.layout.At(end-1), len(s.parts))
	for i := s.layout.At(off) - 1; i < last; i++ {
		s.parts[i].stale = true
	}
}

// cut notes that the content ends at size now: every part that has, or had, bytes
// beyond it.
func (s *sending) cut(size int64) {
	for i := s.layout.At(size) - 1; i < len(s.parts); i++ {
		s.parts[i].stale = true
	}
}

// next takes the first part that was never taken and lies below head, up to where
// the content has been written from its beginning. What was overwritten since it
// was sent waits for rest: who seeks back once does so again.
func (s *sending) next(head int64) (number int, ok bool) {
	if off, size := s.layout.Part(s.fresh + 1); size == 0 || off+size > head {
		return 0, false
	}
	s.fresh++
	s.take(s.fresh)
	return s.fresh, true
}

// rest takes a part of the size bytes of content that the store does not have as
// it is now.
func (s *sending) rest(size int64) (number int, ok bool) {
	for n := 1; n <= s.count(size); n++ {
		if n > len(s.parts) || !s.parts[n-1].busy && !s.parts[n-1].has() {
			s.take(n)
			return n, true
		}
	}
	return 0, false
}

func (s *sending) take(number int) {
	for len(s.parts) < number {
		s.parts = append(s.parts, partState{})
	}
	p := &s.parts[number-1]
	p.busy, p.stale = true, false
	s.busy++
}

// done ends a send of a part that was taken.
func (s *sending) done(number int, sent bool) {
	p := &s.parts[number-1]
	p.busy = false
	p.sent = p.sent || sent
	p.stale = p.stale || !sent
	s.busy--
}

// complete says that the store has all of the size bytes of content.
func (s *sending) complete(size int64) bool {
	n := s.count(size)
	if len(s.parts) < n || s.busy > 0 {
		return false
	}
	for _, p := range s.parts[:n] {
		if !p.has() {
			return false
		}
	}
	return true
}

// count is how many parts size bytes have. No upload is without a part.
func (s *sending) count(size int64) int { return s.layout.At(max(size-1, 0)) }

func (p partState) has() bool { return p.sent && !p.stale }
