package bucket

// Part is one part of an upload: the bytes [Off, Off+Len) of the object.
type Part struct {
	Off, Len int64
	Copy     bool // from the same place of another object, on the store's side
}

// Span is the half-open interval [Off, End) of byte offsets.
type Span struct{ Off, End int64 }

// leastCopied is what copying has to spare, in bytes, down and up: less is sent
// as fast as the requests take that parts cost.
const leastCopied = 16 << 20

// PlanParts says how to store an object of size bytes of which kept (sorted, and
// apart) is to be copied from where it is in another. Parts of less than 5 MiB
// are allowed at the end only: what is shorter goes with its neighbour. It
// returns nil where copying does not pay.
func (b *Bucket) PlanParts(size int64, kept []Span) []Part {
	limits := b.opts.Limits
	if size > limits.MaxObject || b.opts.CopyPartLimit < 2*limits.MinPart {
		return nil // Put says so; and not all lengths could be cut into parts
	}
	for least := limits.MinPart; least <= size; least *= 2 {
		spans := limits.keepable(size, kept, least)
		copied := int64(0)
		for _, s := range spans {
			copied += s.End - s.Off
		}
		if copied < leastCopied {
			return nil
		}
		if parts := b.split(size, spans); len(parts) <= limits.MaxParts {
			return parts
		}
	}
	return nil
}

// keepable is what of kept can be parts of their own: of least bytes, but at the
// end, and with none between them that would be too short.
func (l Limits) keepable(size int64, kept []Span, least int64) (out []Span) {
	at := int64(0) // up to where the parts are settled
	for _, s := range kept {
		if s.Off > at && s.Off-at < l.MinPart { // too little to be sent by itself
			s.Off = at + l.MinPart
		}
		if n := s.End - s.Off; n < least && !(n > 0 && s.End == size) {
			continue
		}
		out = append(out, s)
		at = s.End
	}
	return out
}

// split cuts an object into parts; spans are to be copied.
func (b *Bucket) split(size int64, spans []Span) (parts []Part) {
	step := b.opts.Limits.partSize(size, b.opts.PartSize)
	at := int64(0)
	for _, s := range append(spans, Span{size, size}) {
		n := s.Off - at
		parts = append(parts, splitParts(at, s.Off, max(n/step, ceilDiv(n, b.opts.Limits.MaxPart)), false)...) // none shorter than step
		parts = append(parts, b.copies(s.Off, s.End)...)
		at = s.End
	}
	return parts
}

// copies is [off, end) in parts of about one size, to be copied. Where a store's
// limit leaves no room for that, the last is what the others leave.
func (b *Bucket) copies(off, end int64) (parts []Part) {
	step := b.opts.Limits.partSize(end-off, min(max(b.opts.PartSize, copyPart), b.opts.CopyPartLimit))
	n := ceilDiv(end-off, step)
	if n <= 1 || (end-off)/n >= b.opts.Limits.MinPart {
		return splitParts(off, end, n, true)
	}
	for ; off < end; off += step {
		parts = append(parts, Part{off, min(step, end-off), true})
	}
	return parts
}

// splitParts cuts [off, end) into n parts of about one size.
func splitParts(off, end, n int64, copied bool) (parts []Part) {
	for ; n > 0 && off < end; n-- {
		size := (end - off) / n
		parts = append(parts, Part{off, size, copied})
		off += size
	}
	return parts
}

func ceilDiv(a, b int64) int64 { return (a + b - 1) / b }
