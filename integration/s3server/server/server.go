// Package server runs a versitygw S3 server in the process, over a directory
// or over memory. versitygw allows only one at a time per process, and its
// posix backend changes the working directory.
package server

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/embedgw"
	"github.com/versity/versitygw/s3api"

	"github.com/pailfs/pailfs/integration/s3server/memory"
)

// maxInFlight bounds connections and requests; more are answered SlowDown.
const maxInFlight = 8192

// Names of the backends.
const (
	Posix  = "posix"
	Memory = "memory"
)

// SyntheticBucket is the name of the generated bucket.
const SyntheticBucket = "synthetic"

// Options configure a Server. The zero value serves memory on a free port of
// 127.0.0.1 with generated keys and no bucket.
type Options struct {
	Listen            string // host:port; port 0 picks a free one
	Backend           string // Posix or Memory
	Dir               string // root of Posix, must exist
	AccessKey         string // random if empty
	SecretKey         string // random if empty
	Region            string // us-east-1 if empty
	Buckets           []string
	Synthetic         int  // keys of the synthetic bucket (Memory), 0 for none
	SyntheticWritable bool // changes lie over the generated keys
	Verbose           bool // access log on stderr
}

// Server is a running server.
type Server struct {
	Options // as completed by Start

	stop context.CancelFunc
	done chan struct{}
	err  error // valid once done is closed
}

// Start begins to serve and returns once the server answers connections.
func Start(opts Options) (*Server, error) {
	if err := opts.complete(); err != nil {
		return nil, err
	}
	be, err := opts.open()
	if err != nil {
		return nil, err
	}
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{Options: opts, stop: stop, done: make(chan struct{})}
	go func() {
		defer close(s.done)
		s.err = embedgw.RunVersityGW(ctx, be, s.config())
	}()
	if err := s.await(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// URL is the endpoint.
func (s *Server) URL() string { return "http://" + s.Listen }

// Done is closed when the server has ended, by Close or by a failure.
func (s *Server) Done() <-chan struct{} { return s.done }

// Close stops the server and waits for it. Requests in progress get ten
// seconds.
func (s *Server) Close() error {
	s.stop()
	<-s.done
	if s.err != nil {
		return fmt.Errorf("s3 server %s: %w", s.Listen, s.err)
	}
	return nil
}

func (s *Server) config() *embedgw.Config {
	root := auth.Account{Access: s.AccessKey, Secret: s.SecretKey, Role: auth.RoleAdmin}
	cfg := &embedgw.Config{
		RootUserAccess:    s.AccessKey,
		RootUserSecret:    s.SecretKey,
		Region:            s.Region,
		Ports:             []string{s.Listen},
		MaxConnections:    maxInFlight,
		MaxRequests:       maxInFlight,
		MultipartMaxParts: 10000, // as S3
		KeepAlive:         true,
		Quiet:             true, // the other log goes to stdout
		DisableACLs:       true, // as S3 does by default
		IAMService:        oneAccount{auth.NewIAMServiceSingle(root)},
	}
	if s.Verbose {
		cfg.AccessLog = "stderr"
	}
	if s.Backend == Memory {
		cfg.S3Options = []s3api.Option{s3api.WithMiddleware("/", memory.Middleware())}
	}
	return cfg
}

// oneAccount knows the root account only. versitygw's own such service, which
// it would also announce on stdout, answers an unknown access key with 404.
type oneAccount struct{ auth.IAMService }

// GetUserAccount turns that into InvalidAccessKeyId with 403, as S3.
func (a oneAccount) GetUserAccount(access string) (auth.Account, error) {
	account, err := a.IAMService.GetUserAccount(access)
	if err != nil {
		return auth.Account{}, auth.ErrNoSuchUser
	}
	return account, nil
}

// await dials until the server accepts or has failed.
func (s *Server) await() error {
	for deadline := time.Now().Add(15 * time.Second); time.Now().Before(deadline); {
		conn, err := net.DialTimeout("tcp", s.Listen, time.Second)
		if err == nil {
			return conn.Close()
		}
		select {
		case <-s.done:
			return errors.New("s3 server ended at once")
		case <-time.After(5 * time.Millisecond):
		}
	}
	return fmt.Errorf("s3 server does not listen on %s", s.Listen)
}

// complete fills in what was left open.
func (o *Options) complete() error {
	if o.Backend == "" {
		o.Backend = Memory
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.AccessKey == "" {
		o.AccessKey = "AKIA" + strings.ToUpper(randomHex(8))
	}
	if o.SecretKey == "" {
		o.SecretKey = randomHex(20)
	}
	if o.Listen == "" {
		o.Listen = "127.0.0.1:0"
	}
	return o.pickPort()
}

// pickPort replaces port 0 by a free one: the gateway takes an address, not a
// listener, so another process could take the port in between.
func (o *Options) pickPort() error {
	host, port, err := net.SplitHostPort(o.Listen)
	if err != nil {
		return fmt.Errorf("listen address %q: %w", o.Listen, err)
	}
	if port != "0" {
		return nil
	}
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil {
		return fmt.Errorf("pick a port: %w", err)
	}
	o.Listen = l.Addr().String()
	return l.Close()
}

func randomHex(n int) string {
	b := make([]byte, n)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}
