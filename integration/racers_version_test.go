package integration

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
)

// A version of a race says of itself who wrote it and what it must hold: by its
// last raceTail bytes, a line padded with spaces.
const raceTail = 200

type raceSeal struct {
	ID   string `json:"id"` // WRITER/NUMBER
	Size int    `json:"size"`
	Sum  string `json:"sum"` // SHA-256 of what is before the line
}

// seal ends a body with its line.
func seal(id string, body []byte) []byte {
	sum := sha256.Sum256(body)
	line, err := json.Marshal(raceSeal{ID: id, Size: len(body) + raceTail, Sum: hex.EncodeToString(sum[:])})
	if err != nil || len(line) > raceTail-2 {
		panic(fmt.Sprintf("seal of %q: %d bytes, %v", id, len(line), err))
	}
	tail := bytes.Repeat([]byte{' '}, raceTail)
	tail[0], tail[raceTail-1] = '\n', '\n'
	copy(tail[1:], line)
	return slices.Concat(body, tail)
}

// unseal is the id of a version that is whole.
func unseal(data []byte) (id string, err error) {
	if len(data) < raceTail {
		return "", fmt.Errorf("%d bytes, too few for a version: %.40q", len(data), data)
	}
	body, tail := data[:len(data)-raceTail], data[len(data)-raceTail:]
	var s raceSeal
	if err := json.Unmarshal(tail, &s); err != nil {
		return "", fmt.Errorf("%d bytes that do not end as a version does: %.60q", len(data), tail)
	}
	sum := sha256.Sum256(body)
	if s.Size != len(data) || s.Sum != hex.EncodeToString(sum[:]) {
		return "", fmt.Errorf("%d bytes that are not those of %s, which has %d", len(data), s.ID, s.Size)
	}
	return s.ID, nil
}

// raceDraw makes versions.
type raceDraw struct {
	rng  *rand.Rand
	fill *rand.ChaCha8
}

func newRaceDraw(seed uint64, name string) raceDraw {
	var key [32]byte
	copy(key[:], fmt.Sprintf("%d %s", seed, name))
	return raceDraw{rand.New(rand.NewPCG(seed, uint64(len(name))+uint64(name[len(name)-1])<<8)), rand.NewChaCha8(key)}
}

func (d raceDraw) bytes(n int) []byte {
	p := make([]byte, n)
	_, _ = d.fill.Read(p) // never fails
	return p
}

// body is small as a rule, sometimes stored by a multipart upload, and rarely so
// large that an edit of it copies parts.
func (d raceDraw) body() []byte {
	switch n := d.rng.IntN(40); {
	case n == 0:
		return d.bytes(17<<20 + d.rng.IntN(4<<20))
	case n < 4:
		return d.bytes(1<<20 + d.rng.IntN(11<<20))
	case n < 12:
		return d.bytes(d.rng.IntN(1 << 20))
	}
	return d.bytes(d.rng.IntN(60_000))
}

// key is one of all, and as often as not one of the first few.
func (d raceDraw) key() int {
	if d.rng.IntN(2) == 0 {
		return d.rng.IntN(4)
	}
	return d.rng.IntN(raceKeys)
}

// raceChange is what becomes of a version: all of it is next, and what changes
// are pieces of that.
type raceChange struct {
	how    string
	cut    int // truncate to this first; -1 is not at all
	pieces []raceSpan
	next   []byte
}

type raceSpan struct{ from, to int }

// change draws one; data is the version it starts from, nil where there is none.
func (d raceDraw) change(id string, data []byte) raceChange {
	body := len(data) - raceTail
	switch n := d.rng.IntN(10); {
	case data == nil || n < 4 || len(data) > 24<<20:
		next := seal(id, d.body())
		return raceChange{"overwrite", 0, []raceSpan{{0, len(next)}}, next}
	case n < 6:
		more := d.bytes(1 + d.rng.IntN(20_000))
		next := seal(id, slices.Concat(data, more))
		return raceChange{"append", -1, []raceSpan{{len(data), len(next)}}, next}
	case n < 9:
		at := d.rng.IntN(body + 1)
		to := min(body, at+1+d.rng.IntN(5000))
		text := slices.Clone(data[:body])
		copy(text[at:to], d.bytes(to-at))
		return raceChange{"edit", -1, []raceSpan{{at, to}, {body, len(data)}}, seal(id, text)}
	}
	at := d.rng.IntN(body + 1)
	return raceChange{"cut", at, []raceSpan{{at, at + raceTail}}, seal(id, data[:at])}
}

// A mix of two versions, a prefix, and another's line are no versions.
func TestRaceVersions(t *testing.T) {
	d := newRaceDraw(1, "x")
	var before []byte
	for i := range 40 {
		id := fmt.Sprintf("x/%d", i)
		c := d.change(id, before)
		// What the pieces say is what next is.
		got := slices.Clone(before)
		if c.cut >= 0 {
			got = got[:min(len(got), c.cut)]
		}
		for _, p := range c.pieces {
			got = append(got, make([]byte, max(0, p.to-len(got)))...)
			copy(got[p.from:p.to], c.next[p.from:p.to])
		}
		if is, err := unseal(got); err != nil || is != id || !bytes.Equal(got, c.next) {
			t.Fatalf("%d: %s gives %q, %v", i, c.how, is, err)
		}
		if before != nil {
			n := min(len(before), len(got)) / 2
			mixed := slices.Concat(before[:n], got[n:])
			if is, err := unseal(mixed); err == nil && !bytes.Equal(mixed, got) {
				t.Errorf("%d: a mix passes for %s", i, is)
			}
		}
		if _, err := unseal(got[:len(got)-1]); err == nil {
			t.Errorf("%d: a prefix passes", i)
		}
		before = got
	}
}
