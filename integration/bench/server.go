package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pailfs/pailfs/integration/internal/s3proc"
)

const (
	benchBucket = "bench"
	benchRegion = "us-east-1"
	benchAccess = "benchkey"
	benchSecret = "benchsecret" // of a server that only this machine reaches, for as long as the run
)

// server is a running S3 server of its own.
type server struct {
	*s3proc.Server
	account account
	errors  *tailBuffer
}

func startServer(ctx context.Context, binary, backend, dir string) (*server, error) {
	data := filepath.Join(dir, "s3")
	if err := os.MkdirAll(data, 0o755); err != nil {
		return nil, err
	}
	s := &server{errors: &tailBuffer{},
		account: account{Bucket: benchBucket, Region: benchRegion, Access: benchAccess, Secret: benchSecret}}
	var err error
	s.Server, err = s3proc.Start(ctx, s3proc.Config{
		Binary: binary, Dir: data, Backend: backend, Region: benchRegion, Bucket: benchBucket,
		AccessKey: benchAccess, SecretKey: benchSecret, Log: s.errors,
		// Objects are large pieces of memory that the collector need not look into:
		// collecting early is cheap, and keeps removed ones from piling up.
		Env: append(os.Environ(), "GOGC=30"),
	})
	if err != nil {
		return nil, fmt.Errorf("%w (--s3server names the program): %s", err, s.errors)
	}
	s.account.Endpoint = s.URL
	return s, nil
}

func (s *server) stop() { s.Stop(5 * time.Second) }
