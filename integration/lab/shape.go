package lab

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"time"
)

// Shape is the network behaviour. Rates are in MB/s (10^6 bytes), times in
// milliseconds; 0 means no limit and no latency.
type Shape struct {
	LatencyMS  float64 `json:"latency_ms"`  // first byte of each response; added to the server's own time
	JitterMS   float64 `json:"jitter_ms"`   // latency varies by plus or minus this
	StreamMBps float64 `json:"stream_mbps"` // one connection, each direction by itself
	TotalMBps  float64 `json:"total_mbps"`  // all connections, both directions together
}

func (s Shape) validate() error {
	if !(min(s.LatencyMS, s.JitterMS, s.StreamMBps, s.TotalMBps) >= 0) { // NaN too
		return fmt.Errorf("shape: negative value in %+v", s)
	}
	return nil
}

func (s Shape) clamp() Shape {
	return Shape{max(s.LatencyMS, 0), max(s.JitterMS, 0), max(s.StreamMBps, 0), max(s.TotalMBps, 0)}
}

// firstByte returns one sample of the first-byte latency.
func (s Shape) firstByte() time.Duration {
	return millis(s.LatencyMS + (2*rand.Float64()-1)*s.JitterMS)
}

// quantum is how many bytes to move between two looks at the clock: 4 ms
// worth, so that streams share a limit evenly and sleeps stay long enough.
func (s Shape) quantum() int64 {
	slowest := s.StreamMBps
	if slowest == 0 || (s.TotalMBps > 0 && s.TotalMBps < slowest) {
		slowest = s.TotalMBps
	}
	if slowest == 0 {
		return 4 << 20
	}
	return min(max(int64(slowest*1e6*0.004), 4<<10), 1<<20)
}

// burst is how far a pacer may catch up: sleeps end late.
const burst = 2 * time.Millisecond

// pacer is a leaky bucket.
type pacer struct {
	mu   sync.Mutex
	next time.Time
}

// reserve accounts for n bytes and returns how long to wait after them.
func (p *pacer) reserve(n int64, mbps float64) time.Duration {
	if mbps <= 0 {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	now := time.Now()
	if floor := now.Add(-burst); p.next.Before(floor) {
		p.next = floor
	}
	p.next = p.next.Add(time.Duration(float64(n) / mbps * 1e3))
	return p.next.Sub(now)
}

func millis(ms float64) time.Duration {
	return time.Duration(max(ms, 0) * float64(time.Millisecond))
}
