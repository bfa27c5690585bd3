package options

import (
	"bytes"
	"encoding/base64"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/fs"
)

// parse runs a command line and an environment through the package.
func parse(t *testing.T, env map[string]string, args ...string) (*Mount, error) {
	t.Helper()
	var m Mount
	f := pflag.NewFlagSet("mount", pflag.ContinueOnError)
	m.AddFlags(f)
	if err := f.Parse(args); err != nil {
		return nil, err
	}
	pos := f.Args()
	if len(pos) == 0 {
		pos = []string{"s3://bucket", "/mnt"}
	}
	err := m.Complete(f, pos, func(k string) (string, bool) { v, ok := env[k]; return v, ok })
	return &m, err
}

func layers(t *testing.T, m *Mount) (bucket.Options, fs.Options) {
	t.Helper()
	b, err := m.Bucket(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	return b, m.FS(nil, "/stage", nil)
}

func TestPrecedence(t *testing.T) {
	env := map[string]string{"PAILFS_UID": "1", "PAILFS_GID": "1", "PAILFS_FILE_MODE": "600", "PAILFS_REGION": ""}
	m, err := parse(t, env, "--uid", "3", "-o", "uid=2,gid=2,ro,region=eu-central-1")
	if err != nil {
		t.Fatal(err)
	}
	b, f := layers(t, m)
	if f.UID != 3 {
		t.Errorf("uid %d: a flag beats -o and the environment", f.UID)
	}
	if f.GID != 2 || b.Region != "eu-central-1" || !f.ReadOnly {
		t.Errorf("gid %d, region %q, read-only %v: -o beats the environment", f.GID, b.Region, f.ReadOnly)
	}
	if f.FileMode != 0o600 {
		t.Errorf("file mode %o: the environment beats the default", f.FileMode)
	}
	if f.LinkExpires != time.Hour || f.MetadataTTL != 5*time.Second || b.Deadline != time.Minute {
		t.Errorf("defaults: %v %v %v", f.LinkExpires, f.MetadataTTL, b.Deadline)
	}
}

func TestEveryFlagHasAVariable(t *testing.T) {
	var m Mount
	f := pflag.NewFlagSet("mount", pflag.ContinueOnError)
	m.AddFlags(f)
	samples := map[string]string{
		"bool": "true", "string": "x", "duration": "3s", "lifetime": "2d", "size": "64MiB", "octal": "755", "id": "7",
		"auto|full|list": "full", "auto|always|never": "never", "debug|info|warn|error": "warn", "text|json": "json",
		"fail|copy|overwrite": "copy", "close|open": "open",
	}
	f.VisitAll(func(fl *pflag.Flag) {
		if fl.Name == "options" {
			return
		}
		value, ok := samples[fl.Value.Type()]
		if !ok {
			t.Fatalf("no sample for %s of type %s", fl.Name, fl.Value.Type())
		}
		env := map[string]string{EnvName(fl.Name): value}
		if err := fromEnv(f, func(k string) (string, bool) { v, ok := env[k]; return v, ok }); err != nil {
			t.Error(err)
		}
		if !fl.Changed {
			t.Errorf("%s did not reach --%s", EnvName(fl.Name), fl.Name)
		}
	})
}

func TestBadValues(t *testing.T) {
	for _, c := range []struct {
		env  string // NAME=VALUE
		args string
		want string
	}{
		{env: "PAILFS_UMASK=9", want: "PAILFS_UMASK"},
		{env: "PAILFS_READ_ONLY=maybe", want: "true or false"},
		{env: "PAILFS_METADATA_TTL=5", want: "PAILFS_METADATA_TTL"},
		{env: "PAILFS_MEMORY_LIMIT=lots", want: "not a size"},
		{env: "PAILFS_LINK_EXPIRES=8d", want: "7 days"},
		{env: "PAILFS_METADATA=some", want: "auto, full, list"},
		{args: "--on-conflict merge", want: "fail, copy, overwrite"},
		{args: "--file-mode 1777", want: "octal"},
		{args: "--dir-mode rwx", want: "octal"},
		{args: "--uid -1", want: "numeric"},
		{args: "--uid 4294967295", want: "numeric"},
		{args: "--memory-limit 1KiB", want: "16MiB"},
		{args: "--cache-size 1MiB", want: "16MiB"},
		{args: "--memory-limit -5", want: "not a size"},
		{args: "--log-level loud", want: "debug, info"},
		{args: "--endpoint localhost:9000", want: "no URL"},
		{args: "--endpoint http://a:b@host", want: "credentials"},
		{args: "--sse rot13", want: "AES256"},
		{args: "--sse-kms-key-id k", want: "needs --sse"},
		{args: "--sse AES256 --sse-c-key-file k", want: "exclude"},
		{args: "--timeout 1ms", want: "one second"},
		{args: "-o frobnicate", want: `"frobnicate"`},
		{args: "-o uid", want: "needs a value"},
		{args: "-o uid=me", want: "numeric"},
		{args: "-o noexec", want: "not offered"},
		{args: "-o options=ro", want: "unknown"},
	} {
		name, value, _ := strings.Cut(c.env, "=")
		_, err := parse(t, map[string]string{name: value}, strings.Fields(c.args)...)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s %s: error %v, want one line with %q", c.env, c.args, err, c.want)
		}
	}
}

func TestFstabOptions(t *testing.T) {
	m, err := parse(t, nil, "s3://data/in", "/mnt", "-o",
		"rw,_netdev,noauto,nofail,x-systemd.automount,x-systemd.idle-timeout=60,comment=x,allow_other",
		"-o", "dir_mode=700,umask=022,memory_limit=64MiB,path-style=true,link_expires=7d,nosuid,dev")
	if err != nil {
		t.Fatal(err)
	}
	b, f := layers(t, m)
	if !f.AllowOther || f.DirMode != 0o700 || f.Umask != 0o22 || f.MemoryLimit != 64<<20 || !b.PathStyle {
		t.Errorf("%+v %+v", f, b)
	}
	if f.LinkExpires != 7*24*time.Hour || f.Prefix != "in/" || f.Source != "s3://data/in" {
		t.Errorf("%+v", f)
	}
}

func TestSizes(t *testing.T) {
	for text, want := range map[string]int64{"33554432": 32 << 20, "512MiB": 512 << 20, "2GiB": 2 << 30, "65536KiB": 64 << 20, "500MB": 500e6} {
		m, err := parse(t, nil, "--memory-limit", text)
		if err != nil || int64(m.local.memory) != want {
			t.Errorf("%s: %v, %v", text, m, err)
		}
	}
}

func TestPathStyleDefault(t *testing.T) {
	for _, c := range []struct {
		env  map[string]string
		args string
		want bool
	}{
		{nil, "", false},
		{nil, "--endpoint http://127.0.0.1:9000", true},
		{nil, "--endpoint https://s3.eu-west-1.amazonaws.com", false},
		{nil, "--endpoint https://amazonaws.com.example.org", true},
		{nil, "--endpoint https://s3.example.org --path-style=false", false},
		{map[string]string{"PAILFS_PATH_STYLE": "false"}, "--endpoint https://s3.example.org", false},
		{map[string]string{"AWS_ENDPOINT_URL": "http://127.0.0.1:1"}, "", true},
		{map[string]string{"AWS_ENDPOINT_URL": "x", "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true"}, "", false},
	} {
		m, err := parse(t, c.env, strings.Fields(c.args)...)
		if err != nil || m.bucket.pathStyle != c.want {
			t.Errorf("%v %q: path style, error %v, want %v", c.env, c.args, err, c.want)
		}
	}
}

func TestCustomerKey(t *testing.T) {
	key := bytes.Repeat([]byte{0xA5}, keyLen)
	dir := t.TempDir()
	write := func(name string, b []byte) string {
		p := filepath.Join(dir, name)
		if err := os.WriteFile(p, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return p
	}
	for _, p := range []string{write("raw", key), write("b64", []byte(base64.StdEncoding.EncodeToString(key)+"\n"))} {
		if got, err := readKey(p); err != nil || !bytes.Equal(got, key) {
			t.Errorf("%s: %x, %v", p, got, err)
		}
	}
	for _, p := range []string{write("short", key[1:]), write("empty", nil), filepath.Join(dir, "none")} {
		if _, err := readKey(p); err == nil {
			t.Errorf("%s was taken", p)
		}
	}
}
