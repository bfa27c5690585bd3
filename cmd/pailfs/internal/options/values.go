package options

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/dustin/go-humanize"
)

// size is a flag value in bytes: 1048576, 512MiB, 1GiB (and decimal 500MB).
type size int64

func (s *size) String() string {
	if *s == 0 {
		return ""
	}
	return humanize.IBytes(uint64(*s))
}

func (s *size) Type() string { return "size" }

func (s *size) Set(text string) error {
	n, err := humanize.ParseBytes(text)
	if err != nil || n > 1<<62 {
		return errors.New("not a size: write 1048576, 512MiB or 2GiB")
	}
	*s = size(n)
	return nil
}

// mode is a flag value of permission bits in octal.
type mode uint32

func (m *mode) String() string {
	if *m == 0 {
		return ""
	}
	return fmt.Sprintf("%04o", uint32(*m))
}

func (m *mode) Type() string { return "octal" }

func (m *mode) Set(text string) error {
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "0o"), 8, 32)
	if err != nil || n > 0o777 {
		return errors.New("not permission bits: write octal digits as in 0644")
	}
	*m = mode(n)
	return nil
}

// choice is a flag value out of a fixed list.
type choice struct {
	value   string
	allowed []string
}

func (c *choice) String() string { return c.value }

func (c *choice) Type() string { return strings.Join(c.allowed, "|") }

func (c *choice) Set(text string) error {
	if !slices.Contains(c.allowed, text) {
		return fmt.Errorf("must be one of %s", strings.Join(c.allowed, ", "))
	}
	c.value = text
	return nil
}

// id is a flag value of a user or group id.
type id uint32

func (i *id) String() string { return strconv.FormatUint(uint64(*i), 10) }

func (i *id) Type() string { return "id" }

// Set refuses 2^32-1, which chown(2) reads as "no change".
func (i *id) Set(text string) error {
	n, err := strconv.ParseUint(text, 10, 32)
	if err != nil || n == 1<<32-1 {
		return errors.New("not a numeric id")
	}
	*i = id(n)
	return nil
}
