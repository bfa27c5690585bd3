package serve

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cmd/pailfs/internal/options"
)

// connectTimeout bounds the first contact with the store.
const connectTimeout = 10 * time.Second

// connect opens the bucket and checks that it can be used. uploads may be nil.
func connect(ctx context.Context, m *options.Mount, uploads bucket.UploadLog, log *slog.Logger) (*bucket.Bucket, error) {
	o, err := m.Bucket(log)
	if err != nil {
		return nil, err
	}
	o.Uploads = uploads
	ctx, cancel := context.WithTimeout(ctx, connectTimeout)
	defer cancel()
	b, err := bucket.New(ctx, o)
	if err == nil {
		err = b.Check(ctx, m.Source.Prefix)
	}
	if err != nil {
		log.Debug("first contact", "error", err)
		return nil, explain(err, m)
	}
	return b, nil
}

// explain says in one line what is wrong and what to do about it.
func explain(err error, m *options.Mount) error {
	name, at := m.Source.Bucket, m.Endpoint()
	switch {
	case errors.Is(err, bucket.ErrNoCreds):
		return errors.New("no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, choose a --profile, or mount a public bucket with --anonymous")
	case errors.Is(err, bucket.ErrNoBucket):
		return fmt.Errorf("no such bucket: %q does not exist at %s; check the name and --endpoint", name, at)
	case errors.Is(err, bucket.ErrNotExist):
		return fmt.Errorf("no such bucket: %s knows no %q, or is no S3 endpoint (%s)", at, name, flat(err))
	case errors.Is(err, bucket.ErrPermission):
		return fmt.Errorf("access denied: %s", flat(err)) // which says what to check
	case errors.Is(err, context.Canceled):
		return errInterrupted
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("endpoint unreachable: %s gave no answer within %v; check --endpoint, --region and the network", at, connectTimeout)
	case errors.Is(err, bucket.ErrUnreachable):
		return fmt.Errorf("endpoint unreachable: %s", flat(err))
	}
	return fmt.Errorf("bucket %q at %s: %w", name, at, err)
}

// flat puts an error on one line.
func flat(err error) string { return strings.Join(strings.Fields(err.Error()), " ") }
