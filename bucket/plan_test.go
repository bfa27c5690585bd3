package bucket

import (
	"testing"

	"pgregory.net/rapid"
)

const mib = 1 << 20

func planner(copyPartLimit int64) *Bucket {
	return &Bucket{opts: Options{PartSize: 8 * mib, CopyPartLimit: copyPartLimit, Limits: Limits{}.withDefaults()}}
}

func TestPlanParts(t *testing.T) {
	const gib = 1 << 30
	b := planner(5 * gib)
	for _, c := range []struct {
		name                  string
		size                  int64
		kept                  []Span
		copies, sent, longest int64 // parts, parts, bytes sent; 0 parts: no plan
	}{
		{"append", gib + mib, []Span{{0, gib}}, 8, 1, mib},
		{"amid", gib, []Span{{0, gib / 2}, {gib/2 + 4096, gib}}, 8, 1, 5 * mib},
		{"at the beginning", gib, []Span{{4096, gib}}, 8, 1, 5 * mib},
		{"last byte", gib, []Span{{0, gib - 1}}, 8, 1, 1},
		{"cut off", gib - 5, []Span{{0, gib - 5}}, 8, 0, 0},
		{"two places near by", gib, []Span{{0, 100 * mib}, {100*mib + 1, 101 * mib}, {101*mib + 1, gib}}, 1 + 8, 1, 5 * mib},
		{"all of it", gib, nil, 0, 0, 0},
		{"too little is spared", 20 * mib, []Span{{0, 15 * mib}}, 0, 0, 0},
		{"a short object", 4096, []Span{{0, 4000}}, 0, 0, 0},
		{"another end", gib, []Span{{0, 3 * mib}, {500 * mib, gib}}, 5, 62, 500 * mib},
	} {
		var copies, sent, bytes int64
		for _, p := range b.PlanParts(c.size, c.kept) {
			if p.Copy {
				copies++
				continue
			}
			sent++
			bytes += p.Len
		}
		if copies != c.copies || sent != c.sent || bytes != c.longest {
			t.Errorf("%s: %d parts copied, %d sent with %d bytes; want %d, %d, %d", c.name, copies, sent, bytes, c.copies, c.sent, c.longest)
		}
	}
}

// A store may take shorter parts only: no part but the last is too short even so.
func TestCopiesOfShortParts(t *testing.T) {
	for _, limit := range []int64{minPart, 2*minPart - 1, 2 * minPart, 64 * mib} {
		for _, size := range []int64{1, minPart, minPart + 1, 2*minPart + 1, 3*minPart - 1, 300*mib + 7} {
			at := int64(0)
			parts := planner(limit).copies(0, size)
			for i, p := range parts {
				if p.Off != at || p.Len > limit || p.Len < minPart && i < len(parts)-1 {
					t.Errorf("limit %d, size %d: part %d of %d is %v", limit, size, i+1, len(parts), p)
				}
				at += p.Len
			}
			if at != size {
				t.Errorf("limit %d, size %d: %d bytes", limit, size, at)
			}
		}
		if parts := planner(limit).PlanParts(300*mib, []Span{{0, 100 * mib}}); (parts == nil) != (limit < 2*minPart) {
			t.Errorf("limit %d: %v", limit, parts)
		}
	}
}

// Whatever is kept: the parts are the object, in order, and what S3 takes.
func TestPlanPartsHolds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.SampledFrom([]int64{16 * mib, 200 * mib, maxOnePut}).Draw(t, "limit")
		b := planner(limit)
		size := rapid.SampledFrom([]int64{0, 1, 5 * mib, 30 * mib, 300 * mib, 1 << 30, 100 << 30, maxObject, maxObject - 1}).Draw(t, "size")
		var kept []Span
		unit := rapid.SampledFrom([]int64{1, 4096, mib, 5 * mib, 7*mib + 3}).Draw(t, "unit")
		for at := int64(0); at < size && len(kept) < 50; {
			at += rapid.Int64Range(1, 3*unit).Draw(t, "gap") - rapid.SampledFrom([]int64{0, unit}).Draw(t, "less")
			at = max(at, 0)
			if n := len(kept); n > 0 {
				at = max(at, kept[n-1].End+1)
			}
			end := min(at+rapid.Int64Range(1, max(size/4, 2)).Draw(t, "length"), size)
			if at >= end {
				break
			}
			kept = append(kept, Span{at, end})
			at = end
		}
		parts := b.PlanParts(size, kept)
		if parts == nil {
			return
		}
		at := int64(0)
		for i, p := range parts {
			switch {
			case p.Off != at || p.Len <= 0:
				t.Fatalf("part %d is at %d with %d bytes, want it at %d", i, p.Off, p.Len, at)
			case p.Len < minPart && i != len(parts)-1:
				t.Fatalf("part %d of %d has %d bytes", i, len(parts), p.Len)
			case p.Len > maxOnePut || p.Copy && size <= 100<<30 && p.Len > limit:
				t.Fatalf("part %d has %d bytes", i, p.Len)
			}
			at += p.Len
			if p.Copy && !within(kept, p) {
				t.Fatalf("part %d copies %v, kept are %v", i, p, kept)
			}
		}
		if at != size || len(parts) > maxParts {
			t.Fatalf("%d parts with %d bytes, want %d", len(parts), at, size)
		}
	})
}

func within(kept []Span, p Part) bool {
	for _, s := range kept {
		if s.Off <= p.Off && p.Off+p.Len <= s.End {
			return true
		}
	}
	return false
}
