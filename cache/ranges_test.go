package cache

import (
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// bitmap is the reference: one flag per offset.
type bitmap [96]bool

func (b *bitmap) missing(off, end int64) []Range {
	var out []Range
	for i := off; i < end; i++ {
		switch n := len(out); {
		case b[i]:
		case n > 0 && out[n-1].End == i:
			out[n-1].End++
		default:
			out = append(out, Range{i, i + 1})
		}
	}
	return out
}

func (b *bitmap) invert() *bitmap {
	var c bitmap
	for i := range b {
		c[i] = !b[i]
	}
	return &c
}

func (b *bitmap) set(off, end int64, v bool) {
	for i := off; i < end; i++ {
		b[i] = v
	}
}

func TestRangesAgainstBitmap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var r Ranges
		var ref bitmap
		at := rapid.Int64Range(0, int64(len(ref)))
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			a, b := at.Draw(t, "a"), at.Draw(t, "b")
			switch rapid.IntRange(0, 9).Draw(t, "op") {
			case 0:
				r.Clip(a)
				ref.set(a, int64(len(ref)), false)
			case 1:
				r.Clear()
				ref = bitmap{}
			default:
				r.Add(a, b)
				ref.set(a, b, true)
			}
			a, b = at.Draw(t, "from"), at.Draw(t, "to")
			compareRanges(t, &r, &ref, a, b)
		}
	})
}

func compareRanges(t *rapid.T, r *Ranges, ref *bitmap, a, b int64) {
	if got, want := r.List(), ref.invert().missing(0, int64(len(ref))); !slices.Equal(got, want) {
		t.Fatalf("List() = %v, want %v", got, want)
	}
	want := ref.missing(a, b)
	if got := r.Missing(a, b); !slices.Equal(got, want) {
		t.Fatalf("Missing(%d, %d) = %v, want %v", a, b, got, want)
	}
	if got := r.Covers(a, b); got != (len(want) == 0) {
		t.Fatalf("Covers(%d, %d) = %v, missing %v", a, b, got, want)
	}
}

func FuzzRanges(f *testing.F) {
	f.Add([]byte{1, 5, 7, 9, 4, 8})
	f.Fuzz(func(t *testing.T, ops []byte) {
		var r Ranges
		var ref bitmap
		for i := 0; i+1 < len(ops); i += 2 {
			a, b := int64(ops[i])%96, int64(ops[i+1])%96
			if ops[i]&0x80 != 0 {
				r.Clip(a)
				ref.set(a, 96, false)
				continue
			}
			r.Add(a, b)
			ref.set(a, b, true)
		}
		if got, want := r.Missing(0, 96), ref.missing(0, 96); !slices.Equal(got, want) {
			t.Fatalf("Missing = %v, want %v", got, want)
		}
	})
}

func TestJoinNear(t *testing.T) {
	got := joinNear([]Range{{0, 10}, {15, 20}, {30, 40}}, 10)
	if want := []Range{{0, 20}, {30, 40}}; !slices.Equal(got, want) {
		t.Errorf("joinNear = %v, want %v", got, want)
	}
}
