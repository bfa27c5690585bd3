package bucket

import (
	"testing"

	"pgregory.net/rapid"
)

func TestLayoutReachesFiveTiB(t *testing.T) {
	for _, first := range []int64{0, minPart, defaultPart, 64 * mib, 1 << 30, maxOnePut} {
		l := NewLayout(first, Limits{})
		if l.Max() != maxObject {
			t.Errorf("%d: parts end at %d", first, l.Max())
		}
		walkLayout(t, l, Limits{}.withDefaults())
	}
}

// The size of the parts, which a stream holds in memory, follows that of the
// object.
func TestLayoutGrowsWithTheObject(t *testing.T) {
	const gib = 1 << 30
	l := NewLayout(0, Limits{})
	for _, c := range []struct{ off, most int64 }{
		{0, 8 * mib}, {gib / 2, 8 * mib}, {gib, 9 * mib}, {10 * gib, 17 * mib}, {100 * gib, 80 * mib}, {1 << 40, 640 * mib}, {maxObject - 1, 3200 * mib},
	} {
		if _, size := l.Part(l.At(c.off)); size > c.most {
			t.Errorf("at %d the parts have %d bytes, more than %d", c.off, size, c.most)
		}
	}
}

// walkLayout checks all parts of l: one after the other, in the limits, and At is
// the inverse of Part.
func walkLayout(t interface {
	Helper()
	Fatalf(string, ...any)
}, l Layout, limits Limits) {
	t.Helper()
	at := int64(0)
	for number := 1; number <= limits.MaxParts; number++ {
		off, size := l.Part(number)
		switch {
		case off != at:
			t.Fatalf("part %d begins at %d, the one before ends at %d", number, off, at)
		case size < limits.MinPart || size > limits.MaxPart:
			t.Fatalf("part %d has %d bytes", number, size)
		case l.At(off) != number || l.At(off+size-1) != number:
			t.Fatalf("part %d begins in part %d and ends in %d", number, l.At(off), l.At(off+size-1))
		}
		at += size
	}
	if off, size := l.Part(limits.MaxParts + 1); off != at || size != 0 || l.At(at) != limits.MaxParts+1 {
		t.Fatalf("after the last: part at %d of %d bytes, At %d", off, size, l.At(at))
	}
	if l.Max() != min(at, limits.MaxObject) {
		t.Fatalf("the parts end at %d, Max is %d", at, l.Max())
	}
}

func TestLayoutOfLoweredLimits(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		limits := Limits{
			MaxParts:  rapid.IntRange(1, 400).Draw(t, "parts"),
			MinPart:   rapid.Int64Range(1, 10000).Draw(t, "least"),
			MaxObject: rapid.Int64Range(1, 1<<40).Draw(t, "object"),
		}
		limits.MaxPart = limits.MinPart * rapid.Int64Range(1, 1000).Draw(t, "times")
		l := NewLayout(rapid.Int64Range(0, 1<<30).Draw(t, "first"), limits)
		walkLayout(t, l, limits)
	})
}
