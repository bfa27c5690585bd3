package bucket

import "sort"

// Limits are what a store allows. The zero value is S3's, of "Amazon S3 multipart
// upload limits" in its user guide; tests lower them.
type Limits struct {
	MaxParts  int   // of one upload; 0 is 10,000
	MinPart   int64 // bytes of every part but the last; 0 is 5 MiB
	MaxPart   int64 // bytes of one PutObject, CopyObject or part; 0 is 5 GiB
	MaxObject int64 // bytes of one object; 0 is 5 TiB
}

func (l Limits) withDefaults() Limits {
	if l.MaxParts <= 0 {
		l.MaxParts = maxParts
	}
	if l.MinPart <= 0 {
		l.MinPart = minPart
	}
	if l.MaxPart <= 0 {
		l.MaxPart = maxOnePut
	}
	if l.MaxObject <= 0 {
		l.MaxObject = maxObject
	}
	return l
}

// partSize is the size of the parts of an object of size bytes, which is known:
// base, or as much more, in whole MiB, as it takes for the parts to suffice.
func (l Limits) partSize(size, base int64) int64 {
	base = max(base, l.MinPart)
	if size <= base*int64(l.MaxParts) {
		return base
	}
	return ceilDiv(ceilDiv(size, int64(l.MaxParts)), l.unit()) * l.unit()
}

// unit is what the sizes of grown parts are multiples of.
func (l Limits) unit() int64 { return min(1<<20, l.MinPart) }

// tooLarge is the error of what has size bytes.
func (l Limits) tooLarge(op, key string, size int64) error {
	return failAs(ErrTooLarge, op, key, "%d bytes; the store takes at most %d", size, l.MaxObject)
}

// layoutSteps is in how many steps the parts of a Layout grow, each of a
// hundredth of the parts there may be.
const layoutSteps = 100

// Layout says where the parts of an upload begin of which the size is not known
// when it begins. Their size grows in steps while the object does, so that the
// parts there may be reach the largest object, and by no more than that takes: a
// part is what a stream holds in memory. All of them but the last are of at least
// Limits.MinPart, and none is over Limits.MaxPart.
type Layout struct {
	steps  []layoutStep
	parts  int   // as many there may be
	end    int64 // where they end
	object int64 // Limits.MaxObject
}

// layoutStep is a run of parts of one size, up to where the next begins.
type layoutStep struct {
	number    int // of its first part
	off, size int64
}

// NewLayout begins with parts of first bytes; 0 is 8 MiB.
func NewLayout(first int64, limits Limits) Layout {
	limits = limits.withDefaults()
	if first <= 0 {
		first = defaultPart
	}
	first = min(max(first, limits.MinPart), limits.MaxPart)
	// The slowest growth that suffices. Where none does, the object ends before.
	slow := sort.Search(4*layoutSteps, func(i int) bool {
		return layoutBy(4*layoutSteps-i, first, limits).end >= limits.MaxObject
	})
	return layoutBy(max(1, 4*layoutSteps-slow), first, limits)
}

// layoutBy grows by the part 1/by of the size in each step.
func layoutBy(by int, first int64, limits Limits) Layout {
	each := max(1, limits.MaxParts/layoutSteps)
	l := Layout{parts: limits.MaxParts, object: limits.MaxObject}
	size := first
	for number := 1; number <= limits.MaxParts; number += each {
		l.steps = append(l.steps, layoutStep{number, l.end, size})
		l.end += size * int64(min(each, limits.MaxParts-number+1))
		size = min(ceilDiv(size+ceilDiv(size, int64(by)), limits.unit())*limits.unit(), limits.MaxPart)
	}
	return l
}

// Part is the place of part number, from 1: the bytes [off, off+size) of the
// object. The size of a number beyond the last there may be is 0.
func (l Layout) Part(number int) (off, size int64) {
	if number > l.parts {
		return l.end, 0
	}
	i := sort.Search(len(l.steps), func(i int) bool { return l.steps[i].number > number }) - 1
	s := l.steps[i]
	return s.off + int64(number-s.number)*s.size, s.size
}

// At is the number of the part that holds the byte off: one more than there may
// be where none does.
func (l Layout) At(off int64) (number int) {
	if off >= l.end {
		return l.parts + 1
	}
	i := sort.Search(len(l.steps), func(i int) bool { return l.steps[i].off > off }) - 1
	s := l.steps[i]
	return s.number + int((off-s.off)/s.size)
}

// Max is the size of the largest object that can be sent by these parts, in
// bytes.
func (l Layout) Max() int64 { return min(l.end, l.object) }

// Layout is that of Options.PartSize and Options.Limits.
func (b *Bucket) Layout() Layout { return b.layout }
