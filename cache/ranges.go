package cache

import "slices"

// Range is the half-open interval [Off, End) of byte offsets.
type Range struct {
	Off int64 `json:"off"`
	End int64 `json:"end"`
}

// Len is the number of bytes in the range.
func (r Range) Len() int64 { return r.End - r.Off }

// Ranges is a set of byte offsets: sorted, disjoint, merged where they touch.
// The zero value is empty. It has no lock of its own.
type Ranges struct {
	list []Range
}

// from returns the index of the first range that ends at or after off.
func (r *Ranges) from(off int64) int {
	i, _ := slices.BinarySearchFunc(r.list, off, func(x Range, off int64) int {
		if x.End < off {
			return -1
		}
		return 1
	})
	return i
}

// Add puts [off, end) into the set.
func (r *Ranges) Add(off, end int64) {
	if off >= end {
		return
	}
	i := r.from(off)
	j := i
	for ; j < len(r.list) && r.list[j].Off <= end; j++ {
		off = min(off, r.list[j].Off)
		end = max(end, r.list[j].End)
	}
	if j == i+1 {
		r.list[i] = Range{off, end} // the common case: a range that grows
		return
	}
	r.list = slices.Replace(r.list, i, j, Range{off, end})
}

// Clip drops all offsets at or beyond size.
func (r *Ranges) Clip(size int64) {
	i := r.from(size)
	if i == len(r.list) {
		return
	}
	if r.list[i].Off < size {
		r.list[i].End = size
		i++
	}
	r.list = slices.Delete(r.list, i, len(r.list))
}

// Missing returns the parts of [off, end) that are not in the set, in order.
func (r *Ranges) Missing(off, end int64) []Range {
	var out []Range
	for i := r.from(off); off < end; i++ {
		if i == len(r.list) || r.list[i].Off >= end {
			return append(out, Range{off, end})
		}
		if r.list[i].Off > off {
			out = append(out, Range{off, r.list[i].Off})
		}
		off = max(off, r.list[i].End)
	}
	return out
}

// Covers reports whether all of [off, end) is in the set. An empty interval is.
func (r *Ranges) Covers(off, end int64) bool {
	if off >= end {
		return true
	}
	i := r.from(off + 1) // one that ends at off does not hold off
	return i < len(r.list) && r.list[i].Off <= off && r.list[i].End >= end
}

// Prefix is up to where the set has everything from 0 on.
func (r *Ranges) Prefix() int64 {
	if len(r.list) == 0 || r.list[0].Off > 0 {
		return 0
	}
	return r.list[0].End
}

// List returns a copy of the ranges, in order.
func (r *Ranges) List() []Range { return slices.Clone(r.list) }

// Clear empties the set.
func (r *Ranges) Clear() { r.list = nil }

// overlap returns the part of [off, end) within x, which may be empty.
func (r Range) overlap(off, end int64) Range {
	return Range{max(r.Off, off), min(r.End, end)}
}

// joinNear merges sorted ranges that are less than gap apart: one request that
// brings some bytes in vain costs less than two.
func joinNear(list []Range, gap int64) []Range {
	var out []Range
	for _, x := range list {
		if n := len(out); n > 0 && x.Off-out[n-1].End < gap {
			out[n-1].End = x.End
			continue
		}
		out = append(out, x)
	}
	return out
}
