package memory

import (
	"strings"

	"github.com/tidwall/btree"
)

// source is a fixed set of generated objects beneath a bucket's own.
type source interface {
	// find returns the object with its body, or nil.
	find(key string) *object
	// ceil returns the first key at or after from. The object has no body.
	ceil(from string) (key string, o *object, ok bool)
}

// keyspace is the ordered set of a bucket's keys. Where there is a base, own
// entries hide its keys, and a nil entry marks one of them as deleted.
type keyspace struct {
	base source
	own  btree.Map[string, *object]
}

func (k *keyspace) get(key string) *object {
	if o, ok := k.own.Get(key); ok {
		return o
	}
	if k.base != nil {
		return k.base.find(key)
	}
	return nil
}

func (k *keyspace) put(key string, o *object) { k.own.Set(key, o) }

func (k *keyspace) remove(key string) {
	if k.base != nil && k.base.find(key) != nil {
		k.own.Set(key, nil)
		return
	}
	k.own.Delete(key)
}

func (k *keyspace) empty() bool {
	_, _, ok := k.ceil("")
	return !ok
}

// ceil returns the first key at or after from in byte order.
func (k *keyspace) ceil(from string) (string, *object, bool) {
	for {
		key, o, ok := k.ceilOwn(from)
		if k.base != nil {
			if baseKey, baseObj, found := k.base.ceil(from); found && (!ok || baseKey < key) {
				return baseKey, baseObj, true
			}
		}
		if !ok || o != nil {
			return key, o, ok
		}
		from = key + "\x00" // deleted: go on behind it
	}
}

func (k *keyspace) ceilOwn(from string) (key string, o *object, ok bool) {
	k.own.Ascend(from, func(foundKey string, found *object) bool {
		key, o, ok = foundKey, found, true
		return false
	})
	return key, o, ok
}

// listQuery asks for a page of keys.
type listQuery struct {
	prefix, delimiter string
	// after excludes keys up to it. Where it is a common prefix itself, the
	// keys below it are excluded as well: V1's NextMarker counts on that.
	after string
	max   int
}

type listed struct {
	key string
	obj *object
}

type listPage struct {
	objects   []listed
	prefixes  []string
	truncated bool
	last      string // the last key or common prefix of the page
}

func (p *listPage) count() int { return len(p.objects) + len(p.prefixes) }

// list answers a page in O(page * log keys): a common prefix is passed over
// with one seek. Common prefixes count like keys, as in S3.
func (k *keyspace) list(q listQuery) listPage {
	var page listPage
	from, more := q.start()
	for more && q.max > 0 {
		key, o, ok := k.ceil(from)
		if !ok || !strings.HasPrefix(key, q.prefix) {
			break
		}
		if page.count() == q.max {
			page.truncated = true
			break
		}
		if common, ok := q.common(key); ok {
			page.prefixes = append(page.prefixes, common)
			page.last = common
			from, more = pastPrefix(common)
			continue
		}
		page.objects = append(page.objects, listed{key, o})
		page.last = key
		from = key + "\x00"
	}
	return page
}

// start returns where to seek first, or false if nothing can follow.
func (q listQuery) start() (string, bool) {
	if q.after == "" || q.after < q.prefix {
		return q.prefix, true
	}
	if common, ok := q.common(q.after); ok && common == q.after {
		return pastPrefix(common)
	}
	return q.after + "\x00", true
}

// common returns the common prefix key falls under, if any.
func (q listQuery) common(key string) (string, bool) {
	rest, ok := strings.CutPrefix(key, q.prefix)
	if !ok || q.delimiter == "" {
		return "", false
	}
	i := strings.Index(rest, q.delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(q.prefix)+i+len(q.delimiter)], true
}

// pastPrefix returns the least string above all that begin with prefix.
func pastPrefix(prefix string) (string, bool) {
	b := []byte(prefix)
	for len(b) > 0 {
		last := len(b) - 1
		if b[last] < 0xff {
			b[last]++
			return string(b), true
		}
		b = b[:last]
	}
	return "", false
}
