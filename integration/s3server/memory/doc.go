// Package memory is a versitygw backend which keeps buckets in memory with
// the flat, byte-ordered key namespace of S3: `a` beside `a/b`, `a//b`,
// `../x`, `./x`, keys with control characters and keys ending in a slash are
// all ordinary keys.
//
// versitygw's HTTP front end hands every backend call the *fasthttp.RequestCtx
// as its context. What the front end drops on the way (conditions on the
// target of CopyObject, storage class, encoding-type, Quiet) is read back from
// there; see request.go. Strings which the front end passes may alias its
// request buffers, so everything that is stored is cloned first.
//
// Objects are immutable once stored: a change stores a new *object, so readers
// which took one under the lock see a whole version without holding it.
package memory
