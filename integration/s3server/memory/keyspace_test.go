package memory

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// model answers a whole listing the obvious way, by a scan of all keys.
func model(keys []string, q listQuery) []string {
	var out []string
	for _, key := range keys {
		if key <= q.after || !strings.HasPrefix(key, q.prefix) {
			continue
		}
		if common, ok := q.common(key); ok {
			if common == q.after || slices.Contains(out, common) {
				continue
			}
			key = common
		}
		out = append(out, key)
	}
	return out
}

// walk lists through all pages, as a client would.
func walk(t *testing.T, k *keyspace, q listQuery) []string {
	t.Helper()
	var out []string
	for {
		page := k.list(q)
		var entries []string
		for _, l := range page.objects {
			entries = append(entries, l.key)
		}
		entries = append(entries, page.prefixes...)
		slices.Sort(entries)
		out = append(out, entries...)
		if !page.truncated {
			return out
		}
		if page.count() != q.max {
			t.Fatalf("a truncated page of %d, max %d", page.count(), q.max)
		}
		q.after = page.last
	}
}

func TestListAgainstModel(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	alphabet := []string{"a", "b", "/", "//", "\x00", "\xff", ".", "aa"}
	word := func(n int) string {
		var sb strings.Builder
		for range rnd.IntN(n) {
			sb.WriteString(alphabet[rnd.IntN(len(alphabet))])
		}
		return sb.String()
	}
	for range 300 {
		var k keyspace
		var keys []string
		for range 40 {
			key := word(6) + "k"
			k.put(key, &object{})
			keys = append(keys, key)
		}
		slices.Sort(keys)
		keys = slices.Compact(keys)
		for range 20 {
			q := listQuery{prefix: word(3), delimiter: []string{"", "/", "a", "\xff"}[rnd.IntN(4)], after: word(4), max: 1 + rnd.IntN(5)}
			got, want := walk(t, &k, q), model(keys, q)
			if !slices.Equal(got, want) {
				t.Fatalf("keys %q\nquery %+v\ngot  %q\nwant %q", keys, q, got, want)
			}
		}
	}
}

func TestPastPrefix(t *testing.T) {
	for prefix, want := range map[string]string{"a": "b", "a/": "a0", "a\xff": "b", "\xff\xff": ""} {
		got, ok := pastPrefix(prefix)
		if got != want || ok != (want != "") {
			t.Errorf("%q: %q %v, want %q", prefix, got, ok, want)
		}
	}
}

func TestOverlay(t *testing.T) {
	k := keyspace{base: newSynthetic(20)}
	all := walk(t, &k, listQuery{max: 100})
	if len(all) != 20 || !slices.IsSorted(all) {
		t.Fatalf("base: %q", all)
	}
	k.remove(all[3])
	k.remove(all[4])
	k.put("a-first", &object{})
	k.put(all[5], &object{size: 1 << 40})
	want := append([]string{"a-first"}, slices.Delete(slices.Clone(all), 3, 5)...)
	if got := walk(t, &k, listQuery{max: 3}); !slices.Equal(got, want) {
		t.Errorf("overlay: %q\nwant %q", got, want)
	}
	if k.get(all[3]) != nil || k.get(all[5]).size != 1<<40 || k.get(all[6]) == nil {
		t.Error("lookup through the overlay")
	}
	k.put(all[3], &object{})
	if got := walk(t, &k, listQuery{max: 100}); len(got) != 20 {
		t.Errorf("put back: %q", got)
	}
}

func TestSyntheticKeys(t *testing.T) {
	for _, n := range []int{1, 9, 10, 11, 2345} {
		s := newSynthetic(n)
		for i := range n {
			if key := s.key(i); i > 0 && s.key(i-1) >= key {
				t.Fatalf("n %d: %q before %q", n, s.key(i-1), key)
			}
			if o := s.find(s.key(i)); o == nil || o.body.size() != o.size {
				t.Fatalf("n %d: %q is not found whole", n, s.key(i))
			}
		}
		if _, _, ok := s.ceil(s.key(n-1) + "\x00"); ok {
			t.Errorf("n %d: a key behind the last", n)
		}
	}
	if got := fmt.Sprint(newSynthetic(10_000_000).key(5), newSynthetic(10_000_000).key(9_999_999)); got != "d0000/f0000005flat/f0999999" {
		t.Errorf("keys %s", got)
	}
}
