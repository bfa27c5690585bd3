package fs

import (
	"sync"

	"github.com/pailfs/pailfs/cache"
)

// maxTold bounds the keys that are remembered as told.
const maxTold = 10_000

// toldOnce remembers which keys the log has told of: a program that reads an
// archived object tries again and again, and each try would be a line. The zero
// value has told of none.
type toldOnce struct {
	mu   sync.Mutex
	keys map[string]struct{}
}

// first reports whether this is the first time that key comes, as far as is
// remembered.
func (t *toldOnce) first(key string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, told := t.keys[key]; told {
		return false
	}
	if t.keys == nil || len(t.keys) >= maxTold {
		t.keys = make(map[string]struct{})
	}
	t.keys[key] = struct{}{}
	return true
}

// tellArchived says once of each object what an errno cannot: that it is
// archived, and what to do.
func (f *FS) tellArchived(op, key string, err error) {
	if !f.archived.first(key) {
		return
	}
	f.log.Warn("archived object: it cannot be read, moved or edited before it is restored, as by `aws s3api restore-object`; "+
		"its attribute user.s3.restore tells the state",
		"key", key, "class", f.classAt(key), "op", op, "errno", toErrno(err).Error(), "err", err)
}

// classAt is the storage class of what is known at a key, or "".
func (f *FS) classAt(key string) string {
	if e, _, s := f.meta.Get(key); s == cache.Found {
		return e.Object.StorageClass
	}
	if n := f.tree.at(key); n != nil {
		return n.version().StorageClass
	}
	return ""
}
