package bucket

import (
	"context"
	"crypto/rand"
	"errors"
	"time"
)

// CommitKey is the metadata name of the random id that a conditional write
// leaves with the object. After a lost answer it tells one's own commit from
// somebody else's: to the conditions of S3 both are just another version.
const CommitKey = "pailfs-commit"

const (
	// commitTries is how often the parts or the body are sent for one commit.
	// 409 ConditionalRequestConflict asks for that: the upload is then void.
	commitTries = 3
	commitPause = 100 * time.Millisecond
)

// stored is what a write's answer says.
type stored struct {
	etag, version string
	at            time.Time
	sent          bool // the request that publishes may have reached the store
	repeated      bool // more than one attempt was made
}

// outcome is what is known of a publishing request that has failed.
func (c *call) outcome() stored {
	if c == nil {
		return stored{}
	}
	return stored{sent: c.sent.Load(), repeated: c.attempts() > 1}
}

// withCommit is meta with the commit id, and without anybody else's.
func withCommit(meta map[string]string, id string) map[string]string {
	out := lowerKeys(meta)
	delete(out, CommitKey)
	if id != "" {
		out[CommitKey] = id
	}
	return out
}

// commit runs write until its outcome is known: a success, one that mine
// recognises in the object that is there now, or a failure.
func (b *Bucket) commit(ctx context.Context, key string, write func() (Object, stored, error), mine func(Object) bool) (Object, error) {
	for try := 1; ; try++ {
		o, s, err := write()
		if err == nil {
			return o, nil
		}
		if found, ok := b.recognise(ctx, key, s, err, mine); ok {
			return found, nil
		}
		if !mustResend(err) || try == commitTries {
			return Object{}, err
		}
		if err := sleep(ctx, commitPause+backoff(try, 0)); err != nil {
			return Object{}, fail(ctx, "commit", key, err)
		}
	}
}

// mustResend is true where the store has dropped the upload: because another
// conditional write was under way, or because somebody aborted it.
func mustResend(err error) bool {
	switch codeOf(err) {
	case "ConditionalRequestConflict", "NoSuchUpload":
		return true
	}
	return false
}

// recognise looks whether a write that failed with err has happened all the
// same. It costs one HEAD, and only where that is possible.
func (b *Bucket) recognise(ctx context.Context, key string, s stored, err error, mine func(Object) bool) (Object, bool) {
	if mine == nil || !s.sent || ctx.Err() != nil {
		return Object{}, false
	}
	known := errors.Is(err, ErrChanged) || errors.Is(err, ErrNotExist)
	unknown := errors.Is(err, ErrUnreachable) || errors.Is(err, ErrServer) || errors.Is(err, ErrThrottled)
	// A refusal says nothing of the attempt before it, whose answer may be lost.
	if !known && !unknown && !s.repeated {
		return Object{}, false
	}
	ctx, cancel := context.WithTimeout(ctx, min(deadAfter, b.opts.Deadline))
	defer cancel()
	o, headErr := b.Head(ctx, key)
	if headErr != nil || !mine(o) {
		return Object{}, false
	}
	b.log.Info("own commit recognised after a lost answer", "key", key, "etag", o.ETag)
	return o, true
}

// newCommitID is unguessable, so that no two writers ever share one.
func newCommitID() string { return rand.Text() }
