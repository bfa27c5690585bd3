package xattr

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/pailfs/pailfs/bucket"
)

func TestGetLink(t *testing.T) {
	for _, c := range []struct {
		name, want string
		def        time.Duration
		err        error
	}{
		{name: "user.s3.url", want: "https://x/1?1h0m0s"},
		{name: "user.s3.url", def: 5 * time.Minute, want: "https://x/1?5m0s"},
		{name: "user.s3.url.15m", want: "https://x/1?15m0s"},
		{name: "user.s3.url.7d", want: "https://x/1?168h0m0s"},
		{name: "user.s3.url.expires", want: "2026-03-04T06:06:07Z"},
		{name: "user.s3.url.8d", err: ErrLifetime},
		{name: "user.s3.url.0s", err: ErrLifetime},
		{name: "user.s3.url.", err: ErrLifetime},
		{name: "user.s3.url.soon", err: ErrLifetime},
		{name: "user.s3.url", def: 8 * 24 * time.Hour, err: ErrLifetime},
	} {
		f := newFile(false)
		f.DefaultLifetime = c.def
		got, err := Get(t.Context(), f.File, c.name)
		if string(got) != c.want || !errors.Is(err, c.err) {
			t.Errorf("%s: got %q, %v; want %q, %v", c.name, got, err, c.want, c.err)
		}
		if f.heads != 0 {
			t.Errorf("%s: %d HEADs", c.name, f.heads)
		}
	}
}

func TestLinkRefused(t *testing.T) {
	for what, c := range map[string]struct {
		change func(*File)
		err    error
	}{
		"directory or symlink": {func(f *File) { f.NotFile = true }, ErrNoAttr},
		"directory key":        {func(f *File) { f.Object.Key = "d/" }, ErrNoAttr},
		"not stored":           {func(f *File) { f.Object.ETag = "" }, ErrNoAttr},
		"other user":           {func(f *File) { f.MayLink = false }, bucket.ErrPermission},
	} {
		for _, name := range []string{"user.s3.url", "user.s3.url.15m", "user.s3.url.expires"} {
			f := newFile(true)
			c.change(&f.File)
			if got, err := Get(t.Context(), f.File, name); !errors.Is(err, c.err) || f.links != 0 {
				t.Errorf("%s: %s: got %q, %v after %d links; want %v", what, name, got, err, f.links, c.err)
			}
		}
	}
}

// The kernel calls getxattr for the size and again for the value.
func TestSizeAndValueAgree(t *testing.T) {
	f := newFile(false)
	now := modified
	f.Linker.now = func() time.Time { return now }
	get := func(name string) string {
		t.Helper()
		b, err := Get(t.Context(), f.File, name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	size := get("user.s3.url")
	now = now.Add(4 * time.Second)
	if value := get("user.s3.url"); value != size {
		t.Errorf("size call %q, value call %q", size, value)
	}
	if get("user.s3.url.15m") == size {
		t.Error("another lifetime gave the same link")
	}
	old := f.Object
	f.Object.ETag = "new"
	if get("user.s3.url") == size {
		t.Error("another version gave the same link")
	}
	f.Object = old
	now = now.Add(time.Second)
	if get("user.s3.url") == size {
		t.Error("the link was given out again after 5 s")
	}
}

func TestShortLinksAreNotReusedLong(t *testing.T) {
	for lifetime, want := range map[time.Duration]time.Duration{
		time.Second: 250 * time.Millisecond, 10 * time.Second: time.Second, time.Minute: 5 * time.Second, MaxLifetime: 5 * time.Second,
	} {
		if got := reuse(lifetime); got != want {
			t.Errorf("%v: reused for %v, want %v", lifetime, got, want)
		}
	}
}

func TestLinkerIsBounded(t *testing.T) {
	now := modified
	l := &Linker{now: func() time.Time { return now }}
	for i := range 3 * maxLinks {
		now = now.Add(time.Millisecond)
		if _, err := l.get(linkKey{key: fmt.Sprint(i), lifetime: time.Hour}, func() (string, time.Time, error) { return "u", now, nil }); err != nil {
			t.Fatal(err)
		}
	}
	if n := len(l.mu.links); n > maxLinks {
		t.Errorf("%d links remembered, want at most %d", n, maxLinks)
	}
	if _, ok := l.find(linkKey{key: fmt.Sprint(3*maxLinks - 1), lifetime: time.Hour}); !ok {
		t.Error("the newest link was forgotten")
	}
}

func TestLinkerErrorIsNotKept(t *testing.T) {
	var l Linker
	k := linkKey{key: "k", lifetime: time.Hour}
	if _, err := l.get(k, func() (string, time.Time, error) { return "", time.Time{}, bucket.ErrNoCreds }); !errors.Is(err, bucket.ErrNoCreds) {
		t.Fatalf("got %v", err)
	}
	if got, err := l.get(k, func() (string, time.Time, error) { return "u", modified, nil }); err != nil || got.url != "u" {
		t.Errorf("after an error: %q, %v", got.url, err)
	}
}

// Callers that begin together all get one link.
func TestLinkerConcurrent(t *testing.T) {
	var l Linker
	var wg sync.WaitGroup
	start := make(chan struct{})
	urls := make([]string, 16)
	for i := range urls {
		wg.Go(func() {
			<-start
			got, err := l.get(linkKey{key: "k", lifetime: time.Hour}, func() (string, time.Time, error) { return fmt.Sprint(i), modified, nil })
			if err != nil {
				t.Error(err)
			}
			urls[i] = got.url
		})
	}
	close(start)
	wg.Wait()
	for _, u := range urls {
		if u != urls[0] {
			t.Fatalf("different links: %q", urls)
		}
	}
}
