package fs

import (
	"testing"
	"time"
)

func TestUploadIn(t *testing.T) {
	due := time.Unix(1000, 0)
	for name, c := range map[string]struct{ now, closed, want time.Duration }{
		"not due":                     {-time.Second, -time.Hour, time.Second},
		"due, and nobody writes":      {0, -uploadDelay, 0},
		"a close just before":         {0, -uploadDelay / 4, uploadDelay * 3 / 4},
		"closes go on":                {uploadHold / 2, uploadHold / 2, uploadDelay},
		"closes go on for long":       {uploadHold - 1, uploadHold - 1, 1},
		"closes go on for too long":   {uploadHold, uploadHold, 0},
		"a retry that is due by then": {time.Minute, time.Minute, uploadHold - time.Minute},
	} {
		if got := uploadIn(due.Add(c.now), due, due.Add(c.closed)); got != c.want {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
}
