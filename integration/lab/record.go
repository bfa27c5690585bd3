package lab

// record counts one request. Its methods are safe for concurrent use.
type record struct {
	stats *stats
	to    *counters
	row   *OpStats
}

// begin counts a request of op; first says that it is its connection's first.
func (s *stats) begin(op string, first bool) *record {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.now
	row := c.ops[op]
	if row == nil {
		row = &OpStats{}
		c.ops[op] = row
	}
	row.Count++
	c.total.Requests++
	if first {
		c.total.Connections++
	}
	if s.inFlight == 0 {
		s.idle = make(chan struct{})
	}
	s.inFlight++
	c.total.MaxInFlight = max(c.total.MaxInFlight, s.inFlight)
	return &record{stats: s, to: c, row: row}
}

// end must be called once. whole says that the client had a whole response.
func (r *record) end(whole bool) {
	r.update(func() {
		if !whole {
			r.row.Aborted++
		}
		r.stats.inFlight--
		if r.stats.inFlight == 0 {
			close(r.stats.idle)
		}
	})
}

func (r *record) status(code int) {
	r.update(func() {
		switch {
		case code >= 500:
			r.row.Status5xx++
		case code >= 400:
			r.row.Status4xx++
		}
	})
}

func (r *record) up(n int64) {
	r.update(func() { r.row.BytesUp += n; r.to.total.BytesUp += n })
}

func (r *record) down(n int64) {
	r.update(func() { r.row.BytesDown += n; r.to.total.BytesDown += n })
}

func (r *record) fault(kind string) { r.update(func() { r.to.faults[kind]++ }) }

func (r *record) upstreamError() { r.update(func() { r.to.total.UpstreamErrors++ }) }

func (r *record) update(change func()) {
	r.stats.mu.Lock()
	defer r.stats.mu.Unlock()
	change()
}
