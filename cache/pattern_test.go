package cache

import "testing"

func TestPattern(t *testing.T) {
	const k, m = 1 << 10, 1 << 20
	type read struct {
		off, n int64
		stream bool
	}
	for name, c := range map[string]struct {
		reads []read
		ahead int64
	}{
		"head only":       {[]read{{0, 128 * k, true}}, 0},
		"stream":          {[]read{{0, 1 * m, true}, {1 * m, 1 * m, true}, {2 * m, 2 * m, true}}, maxAhead},
		"out of order":    {[]read{{128 * k, 128 * k, true}, {0, 128 * k, true}, {256 * k, 512 * k, true}}, 1},
		"random":          {[]read{{50 * m, 4 * k, false}, {20 * m, 4 * k, false}, {90 * m, 4 * k, false}}, 0},
		"seek and stream": {[]read{{50 * m, 128 * k, false}, {50*m + 128*k, 1 * m, true}}, 1},
		"seek, reversed":  {[]read{{50*m + 128*k, 128 * k, false}, {50 * m, 128 * k, true}, {50*m + 256*k, 1 * m, true}}, 1},
		"stray in stream": {[]read{{0, 1 * m, true}, {90 * m, 4 * k, false}, {1 * m, 1 * m, true}}, 2},
		"from the start":  {[]read{{0, 1 * m, true}, {1 * m, 9 * m, true}, {0, 128 * k, true}}, 0},
		"late request":    {[]read{{0, 1 * m, true}, {1 * m, 3 * m, true}, {2 * m, 128 * k, false}}, maxAhead},
	} {
		t.Run(name, func(t *testing.T) {
			p := pattern{seq: true}
			for _, r := range c.reads {
				if got := p.miss(r.off, r.off+r.n); got != r.stream {
					t.Errorf("miss(%d, +%d) = %v", r.off, r.n, got)
				}
			}
			if got := p.ahead(); got != c.ahead {
				t.Errorf("ahead() = %d, want %d", got, c.ahead)
			}
		})
	}
}
