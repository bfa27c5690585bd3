package bucket

import (
	"testing"
	"time"
)

func TestPatienceFollowsTheStore(t *testing.T) {
	var p pace
	if got := p.patience(); got != firstPatience {
		t.Errorf("unknown store: %v", got)
	}
	for range 50 {
		p.saw(30 * time.Millisecond)
	}
	if got := p.patience(); got != leastPatience {
		t.Errorf("fast store: %v", got)
	}
	for range 50 {
		p.saw(3 * time.Second)
	}
	if got := p.patience(); got < 20*time.Second || got > 40*time.Second {
		t.Errorf("slow store: %v", got)
	}
}

// Each attempt in a row that brings nothing is given twice the time, up to what
// one attempt may take at all.
func TestPatienceGrowsWithAttempts(t *testing.T) {
	c := newCall(60 * time.Second)
	c.pace = &pace{}
	c.begin()
	if got := c.patience(); got != firstPatience {
		t.Errorf("first attempt: %v", got)
	}
	c.begin()
	if got := c.patience(); got != 2*firstPatience {
		t.Errorf("second attempt: %v", got)
	}
	c.fruitless = 5
	if got := c.patience(); got != 20*time.Second {
		t.Errorf("later: %v", got)
	}
	c.pace = nil
	if got := c.patience(); got != 20*time.Second {
		t.Errorf("not a read: %v", got)
	}
}
