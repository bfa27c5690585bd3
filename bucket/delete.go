package bucket

import (
	"context"
	"errors"
	"slices"
	"sync"
	"unicode/utf8"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
	"golang.org/x/sync/errgroup"
)

const (
	// batchesAtOnce: S3 counts each key of a batch against its request rate.
	batchesAtOnce = 4
	// batchTries bounds the sending again of keys that failed inside a batch.
	batchTries = 5
)

// Delete removes one key. A missing key is no error, unless ifMatch is set and
// names a version that is not there: that is ErrChanged.
func (b *Bucket) Delete(ctx context.Context, key, ifMatch string) error {
	short, cancel := b.short(ctx)
	defer cancel()
	_, err := b.s3().DeleteObject(short, &s3.DeleteObjectInput{
		Bucket:              &b.opts.Bucket,
		Key:                 &key,
		IfMatch:             quote(ifMatch),
		RequestPayer:        b.payer(),
		ExpectedBucketOwner: b.owner(),
	})
	if err == nil {
		return nil
	}
	err = fail(ctx, "DeleteObject", key, err)
	again := callFrom(short).attempts() > 1
	switch {
	case errors.Is(err, ErrNotExist) && (ifMatch == "" || again):
		return nil // gone, perhaps by our own first attempt
	case errors.Is(err, ErrChanged) && again && b.absent(ctx, key):
		return nil // the same from a store that finds the condition of a missing key not met
	}
	return changedIf(Condition{ETag: ifMatch}, key, err)
}

// absent is true where a HEAD says that nothing is at key.
func (b *Bucket) absent(ctx context.Context, key string) bool {
	_, err := b.Head(ctx, key)
	return errors.Is(err, ErrNotExist)
}

// DeleteAll removes many keys, 1,000 a request. The result holds an error for
// each key that was not removed, and is empty when all are gone. A key that was
// missing already counts as removed, unless its item names an ETag.
func (b *Bucket) DeleteAll(ctx context.Context, items []DeleteItem) map[string]error {
	var failed failures
	var batch, single []DeleteItem
	for _, item := range items {
		if fitsXML(item.Key) && !b.batches.is(supportNo) {
			batch = append(batch, item)
		} else {
			single = append(single, item)
		}
	}
	b.deleteSingly(ctx, single, &failed)
	group := new(errgroup.Group)
	group.SetLimit(batchesAtOnce)
	for part := range slices.Chunk(batch, maxBatch) {
		group.Go(func() error {
			b.deleteBatch(ctx, part, &failed)
			return nil
		})
	}
	_ = group.Wait() // its functions return no errors
	return failed.all()
}

// fitsXML is false for keys that the XML of DeleteObjects would change on the
// way, and so delete another key: XML 1.0 has no control characters, and parsers
// normalise line ends.
func fitsXML(key string) bool {
	for _, r := range key {
		if r < 0x20 || (r >= 0x7f && r <= 0x9f) || r == 0x2028 || r >= 0xfffe && r <= 0xffff {
			return false
		}
	}
	return utf8.ValidString(key)
}

// deleteBatch removes up to 1,000 keys, and sends again those that failed for
// reasons that pass.
func (b *Bucket) deleteBatch(ctx context.Context, items []DeleteItem, failed *failures) {
	for try := 1; len(items) > 0; try++ {
		errs, err := b.deleteOnce(ctx, items)
		if err == nil {
			b.batches.learn(supportYes)
		} else if !b.batches.is(supportYes) && errors.Is(classify(err), ErrNotSupported) {
			if b.batches.learn(supportNo) {
				b.log.Warn("the store does not remove many objects by one request: each takes its own", "err", err)
			}
			b.deleteSingly(ctx, items, failed)
			return
		}
		var again []DeleteItem
		for _, item := range items {
			each := err
			if each == nil {
				each = errs[item.Key]
			}
			if err == nil && try < batchTries && each != nil && isTransient(each) {
				again = append(again, item)
				continue
			}
			failed.add(item.Key, gone(ctx, item, each))
		}
		items = again
		if len(items) > 0 && sleep(ctx, backoff(try, 0)) != nil {
			for _, item := range items {
				failed.add(item.Key, fail(ctx, "DeleteObjects", item.Key, errs[item.Key]))
			}
			return
		}
	}
}

// deleteSingly removes keys by a request each.
func (b *Bucket) deleteSingly(ctx context.Context, items []DeleteItem, failed *failures) {
	group := new(errgroup.Group)
	group.SetLimit(b.opts.InFlight)
	for _, item := range items {
		group.Go(func() error {
			failed.add(item.Key, b.Delete(ctx, item.Key, item.ETag))
			return nil
		})
	}
	_ = group.Wait() // its functions return no errors
}

// gone is the outcome for one item of a batch.
func gone(ctx context.Context, item DeleteItem, err error) error {
	if err == nil {
		return nil
	}
	err = fail(ctx, "DeleteObjects", item.Key, err)
	if errors.Is(err, ErrNotExist) && item.ETag == "" {
		return nil
	}
	return changedIf(Condition{ETag: item.ETag}, item.Key, err)
}

// deleteOnce sends one batch. It returns the errors of single keys, or that of
// the whole request.
func (b *Bucket) deleteOnce(ctx context.Context, items []DeleteItem) (map[string]error, error) {
	short, cancel := b.short(ctx)
	defer cancel()
	ids := make([]types.ObjectIdentifier, len(items))
	for i := range items {
		ids[i] = types.ObjectIdentifier{Key: &items[i].Key, ETag: quote(items[i].ETag)}
	}
	var out *s3.DeleteObjectsOutput
	err := b.withSums(&b.sums.deletes, func(sums bool) (err error) {
		var opts []func(*s3.Options)
		if !sums {
			opts = append(opts, withContentMD5) // S3 requires one of the two
		}
		out, err = b.s3().DeleteObjects(short, &s3.DeleteObjectsInput{
			Bucket:              &b.opts.Bucket,
			Delete:              &types.Delete{Objects: ids, Quiet: aws.Bool(true)},
			RequestPayer:        b.payer(),
			ExpectedBucketOwner: b.owner(),
		}, opts...)
		if sums && err == nil {
			b.sums.deletes.learn(supportYes)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	errs := make(map[string]error, len(out.Errors))
	for _, e := range out.Errors {
		errs[aws.ToString(e.Key)] = &smithy.GenericAPIError{
			Code:    aws.ToString(e.Code),
			Message: aws.ToString(e.Message),
		}
	}
	return errs, nil
}

// failures gathers errors by key.
type failures struct {
	mu struct {
		sync.Mutex
		errs map[string]error
	}
}

func (f *failures) add(key string, err error) {
	if err == nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.mu.errs == nil {
		f.mu.errs = make(map[string]error)
	}
	f.mu.errs[key] = err
}

func (f *failures) all() map[string]error {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.mu.errs
}
