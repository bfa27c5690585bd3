package bucket

import (
	"sync"
	"time"
)

// pace knows how long the store lets readers wait: for the first byte and
// between two. A GET that waits far longer than that is worth another one.
type pace struct {
	mu        sync.Mutex
	mean, dev time.Duration // of the longest wait of each GET
	known     bool
}

const (
	// firstPatience is what a GET is given while nothing is known.
	firstPatience = 5 * time.Second
	// leastPatience is above what a busy store or a lost packet takes now and
	// then: S3's own guide names waits of over two seconds as worth a retry.
	leastPatience = 2 * time.Second
	// patienceFactor is over the mean and four deviations (as in RFC 6298, for the
	// same reason): slow and even must not look like stalled.
	patienceFactor = 8
)

// saw takes the longest wait of a GET that was not given up.
func (p *pace) saw(wait time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.known {
		p.mean, p.dev, p.known = wait, wait/2, true
		return
	}
	p.dev += ((wait - p.mean).Abs() - p.dev) / 4
	p.mean += (wait - p.mean) / 8
}

// patience is how long to wait for a byte before the GET is sent again.
func (p *pace) patience() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.known {
		return firstPatience
	}
	return max(leastPatience, patienceFactor*(p.mean+4*p.dev))
}
