package fs

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"syscall"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

// streamParts is how many parts of files that are being written are sent at once,
// in all.
const streamParts = 16

// upload is one that was begun while its content is being written.
type upload struct {
	bucket.OpenUpload
	in    bucket.PutInput // as it was begun; without content
	attrs bucket.Attributes
}

// beginUpload starts an upload of what is being written to n. Its headers and
// attributes are those of this moment.
func (n *node) beginUpload(ctx context.Context) (cache.PartUpload, error) {
	if n.gone() {
		return nil, syscall.ESTALE // nothing of it will be stored
	}
	in, attrs, err := n.describeInput(ctx, n.key())
	if err != nil {
		return nil, err
	}
	up, err := n.fs.b.Begin(ctx, in)
	if err != nil {
		return nil, err
	}
	return &upload{up, in, attrs}, nil
}

// describeInput is all that goes with the content of n when that is stored at key.
func (n *node) describeInput(ctx context.Context, key string) (in bucket.PutInput, attrs bucket.Attributes, err error) {
	base := n.version()
	if base.ETag != "" && !base.Full { // its headers and metadata are carried over
		if base, err = n.described(ctx, key); err != nil {
			return in, attrs, gone(err)
		}
	}
	in, attrs = n.inputOver(key, base)
	if base.TagCount > 0 {
		if in.Tagging, err = n.fs.b.Tags(ctx, key); err != nil {
			return in, attrs, fmt.Errorf("fetching the tags: %w", err)
		}
	}
	return in, attrs, nil
}

// inputOver is the next version of base, without its content, and its attributes.
func (n *node) inputOver(key string, base bucket.Object) (bucket.PutInput, bucket.Attributes) {
	n.mu.Lock()
	attrs := n.mu.attrs
	n.mu.Unlock()
	in := bucket.PutInput{
		Key: key, If: bucket.Condition{ETag: base.ETag, Absent: base.ETag == ""},
		Headers: base.Headers, StorageClass: base.StorageClass, Metadata: attrs.Encode(base.Metadata), From: base,
	}
	in.From.Key = key
	return in, attrs
}

// storeSent completes the upload that was begun while the sealed draft was
// written. It is not done where there is none, or none that can be used any more:
// then in is stored from the draft as a whole.
func (n *node) storeSent(ctx context.Context, d *cache.Draft, in bucket.PutInput, attrs bucket.Attributes) (o bucket.Object, done bool, err error) {
	sent, parts, err := d.Sent()
	if err != nil {
		return o, !errors.Is(err, bucket.ErrUploadGone), err
	}
	if sent == nil {
		return o, false, nil
	}
	u, ok := sent.(*upload)
	if !ok || !u.fits(in) {
		d.Unsend(false)
		return o, false, nil
	}
	o, err = u.Complete(ctx, parts, d.Size())
	d.Unsend(err == nil)
	if err != nil {
		n.fs.meta.Forget(in.Key) // it may have happened all the same
		return o, !errors.Is(err, bucket.ErrUploadGone), err
	}
	o, err = n.lateAttrs(ctx, u, o, in, attrs)
	return o, true, err
}

// fits tells that u is one of what in says, but for attributes.
func (u *upload) fits(in bucket.PutInput) bool {
	return u.in.Key == in.Key && u.in.If == in.If && u.in.Headers == in.Headers &&
		u.in.StorageClass == in.StorageClass && u.in.Tagging == in.Tagging
}

// lateAttrs gives o the attributes that were set since its upload began, by a copy
// onto itself: S3 takes them at the beginning. The time of the last write alone
// is not worth that; one that was set is.
func (n *node) lateAttrs(ctx context.Context, u *upload, o bucket.Object, in bucket.PutInput, attrs bucket.Attributes) (bucket.Object, error) {
	n.mu.Lock()
	timed := n.mu.timed
	n.mu.Unlock()
	if !timed {
		attrs.Mtime = u.attrs.Mtime
	}
	want := attrs.Encode(in.From.Metadata)
	if maps.Equal(want, u.in.Metadata) {
		return o, nil
	}
	copied, err := n.fs.b.Copy(ctx, bucket.CopyInput{
		From: o, To: in.Key, If: bucket.Condition{ETag: o.ETag}, Replace: true, Headers: o.Headers, Metadata: want,
	})
	if isConflict(err) {
		return o, nil // it was stored, and somebody else has replaced it since
	}
	if err != nil {
		// The content is stored, and the draft stays as an edit of it.
		n.setEdited(o)
		n.mu.Lock()
		n.mu.attrs = attrs
		n.mu.Unlock()
		return o, fmt.Errorf("setting attributes of what was stored: %w", err)
	}
	return copied, nil
}
