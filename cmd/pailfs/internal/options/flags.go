package options

import (
	"os"
	"time"

	"github.com/spf13/pflag"

	"github.com/pailfs/pailfs/bucket"
	"github.com/pailfs/pailfs/cmd/pailfs/internal/lifetime"
	"github.com/pailfs/pailfs/fs"
)

// Mount holds what `pailfs mount` was told. AddFlags binds it to flags,
// Complete fills in the rest.
type Mount struct {
	Source Source
	Dir    string // as given; package mountpoint resolves it

	bucket bucketFlags
	view   viewFlags
	local  localFlags
	list   []string // -o

	Foreground   bool
	LogFile      string // absolute, "" or "-"
	LogFormat    string
	Debug        bool
	DrainTimeout time.Duration

	logLevel choice
	format   choice
}

type bucketFlags struct {
	endpoint, region, profile string
	pathStyle, anonymous      bool
	storageClass, acl         string
	sse, kmsKey, keyFile      string
	requesterPays             bool
	owner                     string
	timeout                   time.Duration
	checksums                 choice
}

type viewFlags struct {
	readOnly, allowOther     bool
	uid, gid                 id
	umask, fileMode, dirMode mode
	metadataTTL              time.Duration
	metadata                 choice
	onConflict, exclusive    choice
	linkExpires              lifetime.Value
}

type cacheFlags struct {
	dir     string
	size    size
	minFree size
}

type localFlags struct {
	memory    size
	stageDir  string
	writeback bool
	cache     cacheFlags
}

// AddFlags declares every flag of the mount verb.
func (m *Mount) AddFlags(f *pflag.FlagSet) {
	f.SortFlags = false
	m.addBucketFlags(f)
	m.addViewFlags(f)
	m.addProcessFlags(f)
}

// AddStoreFlags declares the flags of a command that speaks to a bucket, and to
// no mount.
func (m *Mount) AddStoreFlags(f *pflag.FlagSet) {
	f.SortFlags = false
	m.addBucketFlags(f)
	m.addStageFlag(f)
}

func (m *Mount) addStageFlag(f *pflag.FlagSet) {
	f.StringVar(&m.local.stageDir, "stage-dir", "", "where files wait for their upload (default the state directory)")
}

func (m *Mount) addBucketFlags(f *pflag.FlagSet) {
	b := &m.bucket
	f.StringVar(&b.endpoint, "endpoint", "", "URL of the S3 endpoint (default AWS)")
	f.StringVar(&b.region, "region", "", "region of the bucket")
	f.StringVar(&b.profile, "profile", "", "profile of the shared AWS configuration")
	f.BoolVar(&b.pathStyle, "path-style", false, "address buckets as ENDPOINT/BUCKET (default for an endpoint that is not AWS)")
	f.BoolVar(&b.anonymous, "anonymous", false, "send requests unsigned, for public buckets")
	f.StringVar(&b.storageClass, "storage-class", "", "storage class of written objects")
	f.StringVar(&b.sse, "sse", "", "server-side encryption: AES256, aws:kms or aws:kms:dsse")
	f.StringVar(&b.kmsKey, "sse-kms-key-id", "", "KMS key for --sse aws:kms")
	f.StringVar(&b.keyFile, "sse-c-key-file", "", "file with a 32-byte customer key, raw or base64")
	f.StringVar(&b.acl, "acl", "", "canned ACL of written objects")
	f.BoolVar(&b.requesterPays, "requester-pays", false, "accept the charges of a requester-pays bucket")
	f.StringVar(&b.owner, "expected-bucket-owner", "", "account id that must own the bucket")
	b.checksums = choice{value: bucket.Auto, allowed: []string{bucket.Auto, bucket.Always, bucket.Never}}
	f.Var(&b.checksums, "checksums", "let the store check a CRC32C of what is sent (auto: unless it refuses that)")
	f.DurationVar(&b.timeout, "timeout", time.Minute, "longest time for one request with its retries")
}

func (m *Mount) addViewFlags(f *pflag.FlagSet) {
	v := &m.view
	v.uid, v.gid = id(os.Getuid()), id(os.Getgid())
	v.metadata = choice{value: "auto", allowed: []string{"auto", "full", "list"}}
	f.BoolVar(&v.readOnly, "read-only", false, "allow no changes")
	f.BoolVar(&v.allowOther, "allow-other", false, "let other users in")
	f.Var(&v.uid, "uid", "owner of files that name none")
	f.Var(&v.gid, "gid", "group of files that name none")
	f.Var(&v.umask, "umask", "permission bits to remove (default none)")
	f.Var(&v.fileMode, "file-mode", "permissions of files that name none (default 0644)")
	f.Var(&v.dirMode, "dir-mode", "permissions of directories that name none (default 0755)")
	f.DurationVar(&v.metadataTTL, "metadata-ttl", 5*time.Second, "how old names and attributes may be")
	f.Var(&v.metadata, "metadata", "when to ask for an entry's own mode and times")
	v.onConflict = choice{value: fs.ConflictFail, allowed: []string{fs.ConflictFail, fs.ConflictCopy, fs.ConflictOverwrite}}
	f.Var(&v.onConflict, "on-conflict", "where somebody else has changed the file meanwhile: close fails, ours is stored beside it, or over it")
	v.exclusive = choice{value: fs.ExclusiveClose, allowed: []string{fs.ExclusiveClose, fs.ExclusiveOpen}}
	f.Var(&v.exclusive, "exclusive", "when a name made with O_EXCL is taken among all machines; open costs a request more")
	v.linkExpires = lifetime.Value(time.Hour)
	f.Var(&v.linkExpires, "link-expires", "lifetime of share links, up to 7d")
}

func (m *Mount) addProcessFlags(f *pflag.FlagSet) {
	m.logLevel = choice{value: "info", allowed: []string{"debug", "info", "warn", "error"}}
	m.format = choice{value: "text", allowed: []string{"text", "json"}}
	f.Var(&m.local.memory, "memory-limit", "memory for read-ahead and buffers, e.g. 512MiB (default 1/8 of RAM, at most 1GiB)")
	f.StringVar(&m.local.cache.dir, "cache-dir", "", "keep what was read in this local directory; mounts may share it (default none)")
	m.local.cache.size, m.local.cache.minFree = 10<<30, 1<<30
	f.Var(&m.local.cache.size, "cache-size", "disk space for --cache-dir, e.g. 100GiB")
	f.Var(&m.local.cache.minFree, "cache-min-free", "disk space that --cache-dir leaves free")
	f.BoolVar(&m.local.writeback, "writeback", false, "close returns when the file is safe on local disk (--stage-dir); its upload follows")
	m.addStageFlag(f)
	f.DurationVar(&m.DrainTimeout, "drain-timeout", 5*time.Minute, "longest wait for uploads at the end")
	f.BoolVarP(&m.Foreground, "foreground", "f", false, "stay in the foreground, log to stderr")
	f.Var(&m.logLevel, "log-level", "least severity that is logged")
	f.StringVar(&m.LogFile, "log-file", "", `log to this file ("-" is stderr)`)
	f.Var(&m.format, "log-format", "form of log lines")
	f.BoolVar(&m.Debug, "debug", false, "log every request of the kernel")
	f.StringArrayVarP(&m.list, "options", "o", nil, "options as in fstab: ro,allow_other,uid=1000,endpoint=URL")
}
