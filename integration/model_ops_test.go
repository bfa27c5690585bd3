package integration

import (
	"encoding/binary"
	"fmt"
	"net/url"
	"os"
	"reflect"
	"strconv"
	"strings"
)

// op is one step of a model test. A sequence of them is plain data: it can be
// printed, saved below testdata/model and run again without randomness. A step
// that makes no sense where it stands, such as a read without an open file, is
// passed over, so that a sequence stays valid when steps are taken out.
type op struct {
	Do    string
	Path  string `op:"path"`
	To    string `op:"to"`
	H     int    `op:"h"`  // which open file, by slot
	H2    int    `op:"h2"` // the slot of a second handle
	Flags string `op:"flags"`
	Off   int64  `op:"off"`
	Len   int64  `op:"len"`
	Seed  int    `op:"seed"` // of the bytes written
	Mode  int    `op:"mode"`
	Time  int64  `op:"time"` // seconds since 1970, with Seed as nanoseconds
	Dull  bool   // to be left out where it would fail in any case; never printed
}

// kindOfOp is a row of the table of operations. Weight is how often it is
// drawn; one with a weight of 0 is disabled, and Why says why.
type kindOfOp struct {
	name   string
	weight int
	args   string // the fields it has
	why    string
}

// modelOps is the table that later work extends: an operation is enabled by
// its weight here, its effect in model_refops_test.go and its call in
// model_exec_test.go.
var modelOps = []kindOfOp{
	{name: "open", weight: 18, args: "path h flags mode"},
	{name: "close", weight: 10, args: "h"},
	{name: "dup", weight: 2, args: "h h2"},
	{name: "write", weight: 14, args: "h off len seed"},
	{name: "read", weight: 5, args: "h off len"},
	{name: "fsync", weight: 4, args: "h"},
	{name: "ftruncate", weight: 4, args: "h len"},
	{name: "fstat", weight: 2, args: "h"},
	{name: "truncate", weight: 4, args: "path len"},
	{name: "mkdir", weight: 9, args: "path mode"},
	{name: "rmdir", weight: 4, args: "path"},
	{name: "unlink", weight: 5, args: "path"},
	{name: "rename", weight: 14, args: "path to"},
	{name: "rename-noreplace", weight: 2, args: "path to"},
	{name: "symlink", weight: 4, args: "path to"},
	{name: "readlink", weight: 2, args: "path"},
	{name: "chmod", weight: 4, args: "path mode"},
	{name: "fchmod", weight: 2, args: "h mode"},
	{name: "utimes", weight: 4, args: "path time seed"},
	{name: "stat", weight: 2, args: "path"},
	{name: "look", weight: 3, args: ""},
	{name: "remount", weight: 1, args: ""},
	{name: "outside-put", weight: 3, args: "path len seed"},
	{name: "outside-rm", weight: 1, args: "path"},
	{name: "outside-put-open", weight: 2, args: "h len seed"}, // at the name of an open file
	{name: "outside-rm-open", weight: 1, args: "h"},

	{name: "link", why: "S3 has no hard links: EPERM (clause 10.1, TestHardLinkIsRefused)"},
	{name: "rename-exchange", why: "S3 cannot swap two objects: EINVAL (clause 11.6)"},
	{name: "setxattr", why: "no attributes of users are kept: EOPNOTSUPP (clause 12.8)"},
	{name: "open-tmpfile", why: "FUSE's TMPFILE is not served: O_TMPFILE is EOPNOTSUPP"},
	{name: "mmap-write", why: "when the kernel writes back is not in the model's hands (TestWritePatterns has it)"},
	{name: "fallocate", why: "only growing is offered (TestPosix has it)"},
	{name: "chown", why: "needs root (TestAttributesSurviveRemount has it)"},
	{name: "mknod", why: "special files are in TestSpecialFiles"},
	{name: "flock", why: "locks are the kernel's own on one mount (TestPosix)"},
	{name: "outside-put-beside", why: "an object a beside a/b gets an escaped name (TestKeyAndPrefixOfOneName)"},
}

func opByName(name string) (kindOfOp, bool) {
	for _, k := range modelOps {
		if k.name == name && k.weight > 0 {
			return k, true
		}
	}
	return kindOfOp{}, false
}

// String is one line: the operation and the fields it has, NAME=VALUE.
func (o op) String() string {
	k, _ := opByName(o.Do)
	words := []string{o.Do}
	v := reflect.ValueOf(o)
	for _, arg := range strings.Fields(k.args) {
		f := v.FieldByNameFunc(func(n string) bool { return opTag(v.Type(), n) == arg })
		text := fmt.Sprint(f.Interface())
		switch {
		case arg == "mode":
			text = fmt.Sprintf("%04o", f.Int())
		case f.Kind() == reflect.String:
			text = url.PathEscape(text)
			text = strings.NewReplacer("%2F", "/", "%2C", ",").Replace(text)
		}
		words = append(words, arg+"="+text)
	}
	return strings.Join(words, " ")
}

func opTag(t reflect.Type, field string) string {
	f, _ := t.FieldByName(field)
	return f.Tag.Get("op")
}

// parseOp is the reverse of String.
func parseOp(line string) (op, error) {
	words := strings.Fields(line)
	o := op{Do: words[0]}
	if _, ok := opByName(o.Do); !ok {
		return o, fmt.Errorf("unknown or disabled operation %q", o.Do)
	}
	v := reflect.ValueOf(&o).Elem()
	for _, word := range words[1:] {
		name, text, ok := strings.Cut(word, "=")
		f := v.FieldByNameFunc(func(n string) bool { return opTag(v.Type(), n) == name })
		if !ok || !f.IsValid() {
			return o, fmt.Errorf("%s: unknown field %q", o.Do, word)
		}
		if f.Kind() == reflect.String {
			text, err := url.PathUnescape(text)
			if err != nil {
				return o, err
			}
			f.SetString(text)
			continue
		}
		base := 10
		if name == "mode" {
			base = 8
		}
		n, err := strconv.ParseInt(text, base, 64)
		if err != nil {
			return o, fmt.Errorf("%s: %w", word, err)
		}
		f.SetInt(n)
	}
	return o, nil
}

// sequence is a whole model test: on which mount, how closely watched, and what
// is done.
type sequence struct {
	Mount string // a name of modelMounts
	Every int    // compare all after each so many steps; 0: only at the end
	Ops   []op
}

func (s sequence) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "mount %s\nevery %d\n", s.Mount, s.Every)
	for _, o := range s.Ops {
		fmt.Fprintln(&b, o)
	}
	return b.String()
}

// readSequence parses what String prints. Empty lines and lines that begin
// with # are comments.
func readSequence(file string) (s sequence, err error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return s, err
	}
	for i, line := range strings.Split(string(text), "\n") {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if err := s.add(line); err != nil {
			return s, fmt.Errorf("%s:%d: %w", file, i+1, err)
		}
	}
	return s, nil
}

func (s *sequence) add(line string) (err error) {
	word, rest, _ := strings.Cut(line, " ")
	switch word {
	case "mount":
		s.Mount = rest
		return nil
	case "every":
		s.Every, err = strconv.Atoi(rest)
		return err
	}
	o, err := parseOp(line)
	s.Ops = append(s.Ops, o)
	return err
}

// pattern makes n bytes that tell where they belong: no two writes of a
// sequence, and no two places of one, have the same.
func pattern(seed int, n int64) []byte {
	p := make([]byte, n+7) // whole words
	x := uint64(seed)*0x9E3779B97F4A7C15 + 1
	for i := int64(0); i < n; i += 8 {
		x ^= x << 13
		x ^= x >> 7
		x ^= x << 17
		binary.LittleEndian.PutUint64(p[i:], x)
	}
	return p[:n:n]
}
