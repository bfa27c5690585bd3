package lab

import (
	"context"
	"maps"
	"sync"
	"time"
)

// statsGrace is how long Stats waits for requests to end. A client has its
// response a moment before the lab is done with the request.
const statsGrace = 50 * time.Millisecond

// OpStats counts one operation. Bytes are body bytes that passed.
type OpStats struct {
	Count     int64 `json:"count"` // requests begun
	BytesUp   int64 `json:"bytes_up"`
	BytesDown int64 `json:"bytes_down"`
	Status4xx int64 `json:"status_4xx,omitempty"`
	Status5xx int64 `json:"status_5xx,omitempty"`
	Aborted   int64 `json:"aborted,omitempty"` // ended without a whole response
}

// Snapshot is the state of the counters. Requests of the admin interface are
// in none of them.
type Snapshot struct {
	Requests       int64              `json:"requests"`
	BytesUp        int64              `json:"bytes_up"`
	BytesDown      int64              `json:"bytes_down"`
	Connections    int64              `json:"connections"` // of clients, by their first request
	InFlight       int64              `json:"in_flight"`
	MaxInFlight    int64              `json:"max_in_flight"`
	UpstreamErrors int64              `json:"upstream_errors,omitempty"` // failed dials
	FaultsApplied  map[string]int64   `json:"faults_applied"`            // by kind
	Ops            map[string]OpStats `json:"ops"`
}

// Count returns the number of requests of the given operations, of all
// operations if none is given.
func (s Snapshot) Count(ops ...string) int64 {
	if len(ops) == 0 {
		return s.Requests
	}
	var n int64
	for _, op := range ops {
		n += s.Ops[op].Count
	}
	return n
}

// Stats returns the counters. Counts of requests, faults and statuses include
// all that any client can know of; for bytes, Aborted and InFlight to be as
// exact, Stats waits up to 50 ms for requests under way to end (see Quiet).
func (l *Lab) Stats() Snapshot {
	l.grace()
	return l.stats.snapshot(false)
}

// Reset zeroes the counters and returns what they were, waiting like Stats.
// Requests under way at that moment stay in InFlight and are otherwise
// counted only in what Reset returns, as far as they had come.
func (l *Lab) Reset() Snapshot {
	l.grace()
	return l.stats.snapshot(true)
}

// Quiet waits until no request is under way. It fails where ctx ends before.
func (l *Lab) Quiet(ctx context.Context) error {
	l.stats.mu.Lock()
	idle := l.stats.idle
	l.stats.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (l *Lab) grace() {
	ctx, cancel := context.WithTimeout(l.ctx, statsGrace)
	defer cancel()
	_ = l.Quiet(ctx) // what is still under way then is not about to end
}

// counters are what Reset replaces as a whole, so that a request never ends
// in other counters than those it began in.
type counters struct {
	total  Snapshot
	faults map[string]int64
	ops    map[string]*OpStats
}

type stats struct {
	mu       sync.Mutex
	now      *counters
	inFlight int64
	idle     chan struct{} // closed while inFlight is 0
}

func newStats() *stats {
	s := &stats{now: newCounters(), idle: make(chan struct{})}
	close(s.idle)
	return s
}

func newCounters() *counters {
	return &counters{faults: map[string]int64{}, ops: map[string]*OpStats{}}
}

func (s *stats) snapshot(reset bool) Snapshot {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := s.now.total
	out.InFlight = s.inFlight
	out.FaultsApplied = maps.Clone(s.now.faults)
	out.Ops = make(map[string]OpStats, len(s.now.ops))
	for op, row := range s.now.ops {
		out.Ops[op] = *row
	}
	if reset {
		s.now = newCounters()
		s.now.total.MaxInFlight = s.inFlight
	}
	return out
}
