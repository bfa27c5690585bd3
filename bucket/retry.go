package bucket

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	backoffBase = 50 * time.Millisecond
	backoffCap  = 5 * time.Second
	// deadAfter bounds the attempts to dial a store that does not answer at all.
	deadAfter = 15 * time.Second
)

// errGaveUp joins the last attempt's error when no time is left for another.
var errGaveUp = errors.New("no time is left to try again")

// call is the state of one S3 call with all its attempts. It travels in ctx,
// since the SDK's retryer knows nothing of the call it is asked about.
type call struct {
	stall time.Duration // longest wait for progress in one attempt
	limit time.Duration // of idle time over all attempts
	dead  time.Duration // of consecutive failures to connect
	pace  *pace         // of a read: how soon an attempt counts as stalled; else nil

	fruitless int // attempts before this call that brought nothing

	progress atomic.Int64 // unix ns of the last byte, or of the attempt's start
	sent     atomic.Bool  // an attempt may have reached the store

	mu struct {
		sync.Mutex
		attempts  int
		idle      time.Duration // waits without progress, all attempts
		deadSince time.Time
	}
}

type callKey struct{}

func callFrom(ctx context.Context) *call {
	if c, ok := ctx.Value(callKey{}).(*call); ok {
		return c
	}
	return newCall(defaultDeadline)
}

func newCall(deadline time.Duration) *call {
	c := &call{stall: deadline / 3, limit: deadline, dead: min(deadAfter, deadline)}
	c.touch()
	return c
}

// short begins a metadata call: all of it ends within Options.Deadline.
func (b *Bucket) short(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx = context.WithValue(ctx, callKey{}, newCall(b.opts.Deadline))
	return context.WithTimeout(ctx, b.opts.Deadline)
}

// transfer begins a call that moves a body. It may take as long as bytes move;
// what Options.Deadline bounds is the sum of the waits without progress.
func (b *Bucket) transfer(ctx context.Context) context.Context {
	return context.WithValue(ctx, callKey{}, newCall(b.opts.Deadline))
}

// reading is transfer for a GET after so many in a row that brought nothing. One
// that stalls for longer than the store's usual is sent again.
func (b *Bucket) reading(ctx context.Context, fruitless int) context.Context {
	c := newCall(b.opts.Deadline)
	c.pace, c.fruitless = &b.pace, fruitless
	return context.WithValue(ctx, callKey{}, c)
}

// patience is how long this attempt may go on without progress.
func (c *call) patience() time.Duration {
	if c.pace == nil {
		return c.stall
	}
	return min(c.stall, c.pace.patience()<<min(c.attempts()-1+c.fruitless, 8))
}

// slow begins a call that the store may work on for minutes before it answers:
// a copy of gigabytes, or the completion of thousands of parts.
func (b *Bucket) slow(ctx context.Context) (context.Context, context.CancelFunc) {
	c := newCall(b.opts.Deadline)
	c.stall, c.limit = 5*b.opts.Deadline, 6*b.opts.Deadline
	ctx = context.WithValue(ctx, callKey{}, c)
	return context.WithTimeout(ctx, c.limit)
}

func (c *call) touch() { c.progress.Store(time.Now().UnixNano()) }

func (c *call) begin() {
	c.touch()
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.attempts++
}

func (c *call) attempts() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.attempts
}

func (c *call) addIdle(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.idle += d
}

func (c *call) left() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.limit - c.mu.idle
}

// next decides on another attempt after err: the wait before it, or false.
func (c *call) next(err error, deadline time.Duration) (time.Duration, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	c.mu.idle += now.Sub(time.Unix(0, c.progress.Load()))
	wait := backoff(c.mu.attempts, retryAfter(err))
	if !isDialError(err) {
		c.mu.deadSince = time.Time{}
	} else if c.mu.deadSince.IsZero() {
		c.mu.deadSince = now
	}
	if !c.mu.deadSince.IsZero() && now.Add(wait).Sub(c.mu.deadSince) > c.dead {
		return 0, false
	}
	if c.mu.idle+wait > c.limit || wait > deadline {
		return 0, false
	}
	c.mu.idle += wait
	return wait, true
}

// backoff is exponential with full jitter ("Exponential Backoff And Jitter", AWS
// Architecture Blog), and never less than the store asked for.
func backoff(attempts int, after time.Duration) time.Duration {
	top := backoffCap
	if shift := attempts - 1; shift < 7 {
		top = min(backoffBase<<max(shift, 0), backoffCap)
	}
	return after + rand.N(top+1)
}

// retryAfter is the Retry-After header of the answer in err, or 0.
func retryAfter(err error) time.Duration {
	var resp *smithyhttp.ResponseError
	if !errors.As(err, &resp) || resp.Response == nil {
		return 0
	}
	v := resp.Response.Header.Get("Retry-After")
	if s, err := strconv.Atoi(v); err == nil && s >= 0 {
		return time.Duration(min(s, 3600)) * time.Second
	}
	if at, err := http.ParseTime(v); err == nil {
		return max(0, time.Until(at))
	}
	return 0
}

// retryer is the SDK's retry policy. Unlike the standard one it has no token
// bucket, which some 35 simultaneous failures empty; attempts are bounded by the
// call's time and not by number, and all of a Bucket wait at one throttle.
type retryer struct{ throttle *throttle }

var _ aws.RetryerV2 = (*retryer)(nil)

func (r *retryer) IsErrorRetryable(err error) bool { return isTransient(err) }

// MaxAttempts 0 is "no limit".
func (r *retryer) MaxAttempts() int { return 0 }

// RetryDelay is 0: GetRetryToken has waited, since only it is given the ctx.
func (r *retryer) RetryDelay(int, error) (time.Duration, error) { return 0, nil }

func (r *retryer) GetInitialToken() func(error) error { return noRelease }

func (r *retryer) GetAttemptToken(ctx context.Context) (func(error) error, error) {
	c := callFrom(ctx)
	gen, waited, err := r.throttle.enter(ctx, c.left())
	c.addIdle(waited)
	if err != nil {
		return noRelease, err
	}
	c.begin()
	return func(err error) error {
		if err == nil {
			r.throttle.ok(gen)
		} else if isThrottled(err) {
			r.throttle.slow(gen, retryAfter(err))
		}
		return nil
	}, nil
}

func (r *retryer) GetRetryToken(ctx context.Context, err error) (func(error) error, error) {
	wait, ok := callFrom(ctx).next(err, untilDeadline(ctx))
	if !ok {
		return noRelease, errGaveUp
	}
	return noRelease, sleep(ctx, wait)
}

func noRelease(error) error { return nil }
