package fs

import (
	"context"
	"strings"
	"syscall"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

// When a file that is created with O_EXCL is the creator's (Options.Exclusive).
const (
	ExclusiveClose = "close" // when its close has stored it: who is later gets ESTALE there
	ExclusiveOpen  = "open"  // when open returns, among all machines: for lock files
)

// takeName makes the name of a new file the creator's before its open returns, where
// that was asked for: it stores an empty object, on the condition that there is
// none. EEXIST says that somebody else has the name; what is known of it is
// forgotten then, so that the next lookup finds it. The file's close is an edit
// of that object, on the condition that it still is there.
func (n *node) takeName(ctx context.Context, key string, flags uint32) error {
	if flags&syscall.O_EXCL == 0 || n.fs.opt.Exclusive != ExclusiveOpen {
		return nil
	}
	n.mu.Lock()
	attrs := n.mu.attrs
	n.mu.Unlock()
	o, err := n.fs.b.Put(context.WithoutCancel(ctx), bucket.PutInput{
		Key: key, Body: strings.NewReader(""), If: bucket.Condition{Absent: true}, Metadata: attrs.Encode(nil),
	})
	if err != nil {
		if isConflict(err) {
			n.fs.meta.Forget(key)
			n.fs.notify.forget(key) // the kernel may have it as absent
		}
		return exists(err)
	}
	n.setVersion(o)
	n.fs.changed(cache.Entry{Key: key, Object: o})
	return nil
}
