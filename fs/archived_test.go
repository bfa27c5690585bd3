package fs

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cache"
)

// The log tells of an archived object once, whoever reads it and how often.
func TestArchivedIsToldOnce(t *testing.T) {
	var out bytes.Buffer
	f := &FS{log: slog.New(slog.NewTextHandler(&out, nil)), meta: cache.NewMetadata(time.Minute), tree: newTree()}
	f.meta.Put(cache.Entry{Key: "a", Object: bucket.Object{Key: "a", ETag: "e", StorageClass: "DEEP_ARCHIVE"}}, f.meta.Mark())
	for range 3 {
		for _, key := range []string{"a", "b"} {
			if got := f.fail("read", key, fmt.Errorf("get: %w", bucket.ErrArchived)); got != syscall.EPERM {
				t.Errorf("%v, want EPERM", got)
			}
		}
	}
	text := out.String()
	if strings.Count(text, "\n") != 2 || !strings.Contains(text, "class=DEEP_ARCHIVE") || !strings.Contains(text, "restore-object") {
		t.Errorf("log: %s", text)
	}
}

// What is remembered for that is bounded.
func TestToldOnceIsBounded(t *testing.T) {
	var told toldOnce
	for i := range 3 * maxTold {
		if !told.first(fmt.Sprint(i)) {
			t.Fatalf("%d was told before", i)
		}
	}
	if n := len(told.keys); n > maxTold {
		t.Errorf("%d keys", n)
	}
}
