package options

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"io"
	"log/slog"
	"os"
	"time"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/fs"
)

// keyLen is the length of an SSE-C key (AES-256), in bytes.
const keyLen = 32

// Bucket returns the options of the bucket layer. It reads the customer key.
func (m *Mount) Bucket(log *slog.Logger) (bucket.Options, error) {
	b := &m.bucket
	o := bucket.Options{
		Bucket: m.Source.Bucket, Endpoint: b.endpoint, Region: b.region, Profile: b.profile,
		PathStyle: b.pathStyle, Anonymous: b.anonymous,
		StorageClass: b.storageClass, ACL: b.acl, SSE: b.sse, SSEKMSKeyID: b.kmsKey,
		RequesterPays: b.requesterPays, ExpectedBucketOwner: b.owner,
		Checksums: b.checksums.value, Deadline: b.timeout, Logger: log,
	}
	if b.keyFile != "" {
		key, err := readKey(b.keyFile)
		if err != nil {
			return bucket.Options{}, fmt.Errorf("--sse-c-key-file: %w", err)
		}
		o.SSECKey = key
	}
	return o, nil
}

// FS returns the options of the file system layer.
func (m *Mount) FS(b bucket.API, stageDir string, log *slog.Logger) fs.Options {
	v := &m.view
	ttl := v.metadataTTL
	if ttl == 0 {
		ttl = -1 // to package fs, 0 is the default
	}
	return fs.Options{
		Bucket: b, Prefix: m.Source.Prefix, Source: m.Source.String(),
		ReadOnly: v.readOnly, AllowOther: v.allowOther,
		UID: uint32(v.uid), GID: uint32(v.gid),
		FileMode: uint32(v.fileMode), DirMode: uint32(v.dirMode), Umask: uint32(v.umask),
		MetadataTTL: ttl, Metadata: v.metadata.value, OnConflict: v.onConflict.value, Exclusive: v.exclusive.value,
		MemoryLimit: int64(m.local.memory), StageDir: stageDir, Writeback: m.local.writeback,
		CacheDir: m.local.cache.dir, CacheSize: int64(m.local.cache.size), CacheMinFree: int64(m.local.cache.minFree),
		Store:       m.Store(),
		LinkExpires: time.Duration(v.linkExpires), Logger: log, Debug: m.Debug,
	}
}

// readKey reads a key of 32 bytes, raw or in base64.
func readKey(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	raw, err := io.ReadAll(io.LimitReader(f, 1024))
	if err != nil {
		return nil, err
	}
	if len(raw) == keyLen {
		return raw, nil
	}
	key, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(raw)))
	if err != nil || len(key) != keyLen {
		return nil, fmt.Errorf("%s must hold %d bytes, raw or in base64", path, keyLen)
	}
	return key, nil
}
