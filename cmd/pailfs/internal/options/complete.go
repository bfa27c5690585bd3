package options

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// Complete merges flags, the -o list and the environment, and checks the
// result. f holds the parsed flags of AddFlags, args are SOURCE and DIR.
func (m *Mount) Complete(f *pflag.FlagSet, args []string, lookup func(string) (string, bool)) error {
	if err := fromList(f, m.list); err != nil {
		return err
	}
	if err := fromEnv(f, lookup); err != nil {
		return err
	}
	m.Dir = args[1]
	m.LogFormat = m.format.value
	if err := m.completeStore(f, args[0], lookup); err != nil {
		return err
	}
	if err := m.checkCombinations(); err != nil {
		return err
	}
	return m.absolutePaths()
}

// CompleteStore is Complete for a command that mounts nothing: f holds the
// parsed flags of AddStoreFlags.
func (m *Mount) CompleteStore(f *pflag.FlagSet, source string, lookup func(string) (string, bool)) error {
	if err := fromEnv(f, lookup); err != nil {
		return err
	}
	if err := m.completeStore(f, source, lookup); err != nil {
		return err
	}
	return m.absolutePaths()
}

// completeStore reads the source and checks what says how to speak to it.
func (m *Mount) completeStore(f *pflag.FlagSet, source string, lookup func(string) (string, bool)) error {
	src, err := ParseSource(source)
	if err != nil {
		return err
	}
	m.Source = src
	if err := m.completeEndpoint(f, lookup); err != nil {
		return err
	}
	if err := checkBucketName(src.Bucket, isAWS(m.bucket.endpoint)); err != nil {
		return err
	}
	return m.bucket.check()
}

// completeEndpoint takes the variables that all AWS tools know where --endpoint
// is silent, so that the default of --path-style sees them too.
func (m *Mount) completeEndpoint(f *pflag.FlagSet, lookup func(string) (string, bool)) error {
	b, from := &m.bucket, "--endpoint"
	if ignore, _ := lookup("AWS_IGNORE_CONFIGURED_ENDPOINT_URLS"); b.endpoint == "" && !strings.EqualFold(ignore, "true") {
		for _, name := range []string{"AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"} {
			if v, _ := lookup(name); v != "" {
				b.endpoint, from = v, name
				break
			}
		}
	}
	if b.endpoint != "" {
		u, err := url.Parse(b.endpoint)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
			return fmt.Errorf("%s %q is no URL: write https://HOST or http://HOST:PORT", from, b.endpoint)
		}
		if u.User != nil {
			return fmt.Errorf("%s must not hold credentials: give them as AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY", from)
		}
	}
	if !f.Changed("path-style") {
		b.pathStyle = !isAWS(b.endpoint)
	}
	return nil
}

// isAWS tells Amazon's own endpoints, which want the bucket in the host name,
// from all others, most of which only know it in the path.
func isAWS(endpoint string) bool {
	if endpoint == "" {
		return true
	}
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	host := strings.ToLower(u.Hostname())
	return strings.HasSuffix(host, ".amazonaws.com") || strings.HasSuffix(host, ".amazonaws.com.cn")
}

func (b *bucketFlags) check() error {
	switch {
	case b.sse != "" && b.sse != "AES256" && b.sse != "aws:kms" && b.sse != "aws:kms:dsse":
		return fmt.Errorf("--sse %q must be AES256, aws:kms or aws:kms:dsse", b.sse)
	case b.kmsKey != "" && !strings.HasPrefix(b.sse, "aws:kms"):
		return errors.New("--sse-kms-key-id needs --sse aws:kms or aws:kms:dsse")
	case b.keyFile != "" && b.sse != "":
		return errors.New("--sse-c-key-file and --sse exclude each other")
	case b.anonymous && b.profile != "":
		return errors.New("--anonymous and --profile exclude each other")
	case b.timeout < time.Second:
		return errors.New("--timeout must be one second or more")
	}
	return nil
}

func (m *Mount) checkCombinations() error {
	v := &m.view
	switch {
	case v.metadataTTL < 0:
		return errors.New("--metadata-ttl must not be negative")
	case m.DrainTimeout <= 0:
		return errors.New("--drain-timeout must be more than zero")
	case m.local.memory != 0 && m.local.memory < 16<<20:
		return errors.New("--memory-limit must be 16MiB or more")
	case m.local.cache.size < 16<<20:
		return errors.New("--cache-size must be 16MiB or more")
	}
	return nil
}

// absolutePaths makes every path independent of the working directory, which
// the background process leaves.
func (m *Mount) absolutePaths() error {
	for _, p := range []*string{&m.LogFile, &m.local.stageDir, &m.local.cache.dir, &m.bucket.keyFile} {
		if *p == "" || *p == "-" {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return err
		}
		*p = abs
	}
	return nil
}

// Endpoint is where requests go, as messages name it.
func (m *Mount) Endpoint() string {
	if m.bucket.endpoint == "" {
		return "AWS"
	}
	return m.bucket.endpoint
}

// Store tells the bucket apart from others, in what mounts share.
func (m *Mount) Store() string { return m.Endpoint() + " " + m.Source.Bucket }

// StageDir is the directory given by --stage-dir, or "".
func (m *Mount) StageDir() string { return m.local.stageDir }

// ReadOnly and AllowOther are needed for checks before the mount.
func (m *Mount) ReadOnly() bool { return m.view.readOnly }

// AllowOther says whether other users shall get in.
func (m *Mount) AllowOther() bool { return m.view.allowOther }

// LogLevel is the least severity to log; --debug implies debug.
func (m *Mount) LogLevel() slog.Level {
	if m.Debug {
		return slog.LevelDebug
	}
	var l slog.Level
	if err := l.UnmarshalText([]byte(m.logLevel.value)); err != nil {
		return slog.LevelInfo // not reached: the flag takes only names that slog knows
	}
	return l
}
