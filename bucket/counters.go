package bucket

import (
	"sync"
	"sync/atomic"
)

// counters counts HTTP attempts by S3 operation.
type counters struct {
	ops sync.Map // operation name -> *opCount
}

type opCount struct {
	requests, errors, up, down atomic.Int64
}

func (c *counters) of(op string) *opCount {
	if v, ok := c.ops.Load(op); ok {
		return v.(*opCount)
	}
	v, _ := c.ops.LoadOrStore(op, &opCount{})
	return v.(*opCount)
}

// Counters returns HTTP requests and body bytes by S3 operation ("GetObject",
// "PutObject", ...) since New. Each attempt of a retried call counts. Errors are
// attempts without an answer and answers of 300 and above, but for 404, 412 and
// 416, which answer the question that was asked.
func (b *Bucket) Counters() map[string]Counter {
	out := make(map[string]Counter)
	b.http.counts.ops.Range(func(k, v any) bool {
		n := v.(*opCount)
		out[k.(string)] = Counter{
			Requests:  n.requests.Load(),
			Errors:    n.errors.Load(),
			BytesUp:   n.up.Load(),
			BytesDown: n.down.Load(),
		}
		return true
	})
	return out
}
