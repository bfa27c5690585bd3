package cache

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// growingLayout has parts of 100 bytes, and from the fifth on of 200.
type growingLayout struct{}

func (growingLayout) Part(n int) (off, size int64) {
	if n <= 4 {
		return int64(n-1) * 100, 100
	}
	return 400 + int64(n-5)*200, 200
}

func (growingLayout) At(off int64) int {
	if off < 400 {
		return int(off/100) + 1
	}
	return int(off-400)/200 + 5
}

// sendingModel drives a sending beside content and a store that keeps what a send
// began with: what was read later may be newer, never older.
type sendingModel struct {
	s       sending
	content []byte
	head    int
	under   map[int][]byte
	store   map[int][]byte
	next    byte
}

func (m *sendingModel) part(n int) []byte {
	off, size := m.s.layout.Part(n)
	if off >= int64(len(m.content)) {
		return nil
	}
	return bytes.Clone(m.content[off:min(off+size, int64(len(m.content)))])
}

func (m *sendingModel) write(off, n int) {
	old := len(m.content)
	m.next++
	for len(m.content) < off+n {
		m.content = append(m.content, 0)
	}
	for i := off; i < off+n; i++ {
		m.content[i] = m.next
	}
	if off <= m.head {
		m.head = max(m.head, off+n)
	}
	m.s.wrote(int64(min(off, old)), int64(off+n))
}

func (m *sendingModel) cut(size int) {
	m.content = m.content[:size]
	m.head = min(m.head, size)
	m.s.cut(int64(size))
}

func (m *sendingModel) take(t *rapid.T, n int, ok bool) {
	if !ok {
		return
	}
	if _, twice := m.under[n]; twice {
		t.Fatalf("part %d is sent twice at once", n)
	}
	m.under[n] = m.part(n)
}

func (m *sendingModel) end(n int, sent bool) {
	if sent {
		m.store[n] = m.under[n]
	}
	delete(m.under, n)
	m.s.done(n, sent)
}

func (m *sendingModel) commit(t *rapid.T) {
	size := int64(len(m.content))
	for !m.s.complete(size) {
		n, ok := m.s.rest(size)
		m.take(t, n, ok)
		if !ok && len(m.under) == 0 {
			t.Fatal("nothing is under way, nothing left to send, and it is not complete")
		}
		if !ok {
			for n := range m.under {
				m.end(n, true)
			}
		}
	}
	var got []byte
	for n := 1; n <= m.s.count(size); n++ {
		got = append(got, m.store[n]...)
	}
	if !bytes.Equal(got, m.content) {
		t.Fatalf("stored %d bytes that differ from the %d of the content", len(got), len(m.content))
	}
}

// Whatever is written, cut, sent and lost in between: when it is complete, the
// store has the content.
func TestSendingModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &sendingModel{under: map[int][]byte{}, store: map[int][]byte{}}
		m.s.layout = growingLayout{}
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			switch op := rapid.IntRange(0, 9).Draw(t, "op"); op {
			case 0, 1, 2:
				m.write(m.head, rapid.IntRange(1, 250).Draw(t, "more"))
			case 3:
				m.write(rapid.IntRange(0, len(m.content)+150).Draw(t, "off"), rapid.IntRange(1, 300).Draw(t, "n"))
			case 4:
				m.cut(rapid.IntRange(0, len(m.content)).Draw(t, "size"))
			case 5, 6, 7:
				n, ok := m.s.next(int64(m.head))
				m.take(t, n, ok)
			case 8:
				for n := range m.under {
					m.end(n, rapid.IntRange(0, 3).Draw(t, "lost") > 0)
					break
				}
			case 9:
				if rapid.IntRange(0, 3).Draw(t, "commit") == 0 {
					m.commit(t)
				}
			}
		}
		m.commit(t)
	})
}

// Sequential content is sent once, each part when it is whole, and at the end what
// is left.
func TestSendingOfSequentialContent(t *testing.T) {
	s := sending{layout: growingLayout{}}
	var order []int
	for head := int64(0); head <= 1050; head += 50 {
		for {
			n, ok := s.next(head)
			if !ok {
				break
			}
			off, size := s.layout.Part(n)
			if off+size > head {
				t.Errorf("part %d, up to %d, is taken at %d", n, off+size, head)
			}
			order = append(order, n)
			s.done(n, true)
		}
	}
	for {
		n, ok := s.rest(1050)
		if !ok {
			break
		}
		order = append(order, n)
		s.done(n, true)
	}
	if want := []int{1, 2, 3, 4, 5, 6, 7, 8}; !slices.Equal(order, want) || !s.complete(1050) {
		t.Errorf("sent %v, complete %v; want %v", order, s.complete(1050), want)
	}
}
