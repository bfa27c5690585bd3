package integration

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

// mountAttempt is a `pailfs mount` that must fail with one clear line.
type mountAttempt struct {
	what   string
	source string
	dir    string
	args   []string // after the usual ones
	env    []string
	slow   bool   // up to 10 s: try it once
	want   string // pattern in the message, lower case
}

func (e *env) attempt(t *testing.T, a mountAttempt) {
	t.Helper()
	args := []string{programs.pailfs, "mount", a.source, a.dir, "--region", testRegion, "--path-style",
		"--stage-dir", filepath.Join(e.dir, "stage"), "--endpoint", e.mountURL}
	environ := append(e.environ(), a.env...)
	for _, foreground := range []bool{true, false} {
		if foreground && a.slow {
			continue
		}
		argv := slices.Concat(args, a.args)
		if foreground {
			argv = append(argv, "--foreground")
		}
		begin := time.Now()
		r := runChild(time.Minute, e.dir, environ, nil, argv...)
		took := time.Since(begin)
		if _, mounted := findMount(a.dir); mounted && a.what != "busy" {
			lazyUnmount(a.dir)
			t.Errorf("%s: it is mounted", a.what)
		}
		if r.code == 0 || r.code == 124 {
			t.Errorf("%s: %v, want a failure", a.what, r)
		}
		if took > 25*time.Second { // the program's own limit is 10 s
			t.Errorf("%s: took %v, want about 10 s at most", a.what, took)
		}
		line := strings.TrimSpace(r.stderr)
		if strings.Count(line, "\n") != 0 || !regexp.MustCompile(a.want).MatchString(strings.ToLower(line)) {
			t.Errorf("%s (foreground %v): stderr %q, want one line that has %q", a.what, foreground, line, a.want)
		}
	}
}

func TestMountErrors(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	dirs := t.TempDir()
	good, file, full := filepath.Join(dirs, "good"), filepath.Join(dirs, "file"), filepath.Join(dirs, "full")
	for _, d := range []string{good, full} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{file, filepath.Join(full, "x")} {
		if err := os.WriteFile(f, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	source := e.source("")
	for _, a := range []mountAttempt{
		{what: "no such bucket", source: "s3://nosuchbucket", dir: good, want: "no such bucket|not exist"},
		{what: "unknown key", source: source, dir: good, env: []string{"AWS_ACCESS_KEY_ID=unknown"}, want: "credential|access|denied|key"},
		{what: "wrong secret", source: source, dir: good, env: []string{"AWS_SECRET_ACCESS_KEY=wrong"}, want: "credential|access|denied|signature|secret"},
		{what: "no credentials", source: source, dir: good, env: []string{"AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}, want: "credential"},
		{what: "closed port", slow: true, source: source, dir: good, args: []string{"--endpoint", "http://127.0.0.1:1"}, want: "reach|refused|connect"},
		{what: "silent endpoint", slow: true, source: source, dir: good, args: []string{"--endpoint", silentEndpoint(t)}, want: "reach|time|answer"},
		{what: "unknown host", slow: true, source: source, dir: good, args: []string{"--endpoint", "http://no-such-host.invalid"}, want: "reach|host|resolve|lookup"},
		{what: "no mount point", source: source, dir: filepath.Join(dirs, "none"), want: "exist|no such"},
		{what: "a file", source: source, dir: file, want: "not a directory"},
		{what: "not empty", source: source, dir: full, want: "not empty"},
		{what: "busy", source: source, dir: m.dir, want: "mount|busy"},
		{what: "not a URL", source: "bucket", dir: good, want: "s3://"},
		{what: "no bucket in the URL", source: "s3:///x", dir: good, want: "bucket"},
		{what: "bad flag value", source: source, dir: good, args: []string{"--memory-limit", "lots"}, want: "memory-limit"},
		{what: "bad lifetime", source: source, dir: good, args: []string{"--link-expires", "8d"}, want: "7 days|link-expires"},
	} {
		t.Run(strings.ReplaceAll(a.what, " ", "-"), func(t *testing.T) { e.attempt(t, a) })
	}
	m.wantSh(t, `echo still > $MNT/f; cat $MNT/f`, "still")
}

// silentEndpoint takes connections and never answers.
func silentEndpoint(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return "http://" + l.Addr().String()
}
