package fs

import (
	"context"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

// doubtful is a bucket whose failed changes may have happened all the same: the
// answer can be lost, and what would tell can fail as well. So what was known of
// such a key does not count any more, whoever changed it and for what.
type doubtful struct {
	bucket.API
	meta *cache.Metadata
}

func (d doubtful) Put(ctx context.Context, in bucket.PutInput) (bucket.Object, error) {
	o, err := d.API.Put(ctx, in)
	return o, d.doubt(in.Key, err)
}

func (d doubtful) Copy(ctx context.Context, in bucket.CopyInput) (bucket.Object, error) {
	o, err := d.API.Copy(ctx, in)
	return o, d.doubt(in.To, err)
}

func (d doubtful) Delete(ctx context.Context, key, ifMatch string) error {
	return d.doubt(key, d.API.Delete(ctx, key, ifMatch))
}

func (d doubtful) DeleteAll(ctx context.Context, items []bucket.DeleteItem) map[string]error {
	failed := d.API.DeleteAll(ctx, items)
	for key, err := range failed {
		_ = d.doubt(key, err)
	}
	return failed
}

func (d doubtful) doubt(key string, err error) error {
	if err != nil {
		d.meta.Forget(key)
	}
	return err
}
