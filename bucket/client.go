package bucket

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// S3's own limits, which Options.Limits may lower: "Amazon S3 multipart upload limits" in its user guide.
const (
	maxObject   = 5 << 40 // bytes of one object
	maxOnePut   = 5 << 30 // bytes of one PutObject, CopyObject or part
	minPart     = 5 << 20 // bytes of every part but the last
	maxParts    = 10000
	maxBatch    = 1000 // keys of one DeleteObjects
	defaultPart = 8 << 20

	defaultDeadline = 60 * time.Second
	defaultInFlight = 16
	defaultRegion   = "us-east-1"
	// credentialWait bounds one look for credentials, which a dead metadata
	// service or a hanging credential_process would otherwise stretch.
	credentialWait = 30 * time.Second
)

// Bucket is one S3 bucket. It is safe for concurrent use.
type Bucket struct {
	opts     Options
	layout   Layout
	cfg      aws.Config
	creds    aws.CredentialsProvider // nil when anonymous
	http     *transport
	throttle *throttle
	pace     pace
	sums     sums
	batches  support // DeleteObjects
	loopback bool    // the endpoint is on this machine
	log      *slog.Logger

	mu struct {
		sync.Mutex
		client     *s3.Client
		region     string
		tagsWarned bool // it was said once that tags may not be read
	}
}

var _ API = (*Bucket)(nil)

// New prepares to speak to the bucket of opts with the SDK's whole default
// chain of configuration and credentials: environment, shared profiles, SSO,
// web identity, container and instance roles, all refreshed as they expire.
// It sends no request; see Check. It fails with ErrInvalid for options that
// cannot work.
func New(ctx context.Context, opts Options) (*Bucket, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	cfg, err := loadConfig(ctx, opts)
	if err != nil {
		return nil, fmt.Errorf("load the AWS configuration: %w: %w", ErrInvalid, err)
	}
	b := &Bucket{
		opts:     opts,
		layout:   NewLayout(opts.PartSize, opts.Limits),
		cfg:      cfg,
		http:     newTransport(opts, authorities(cfg)),
		throttle: &throttle{},
		loopback: isLoopback(opts.Endpoint),
		log:      opts.Logger,
	}
	if !opts.Anonymous {
		b.creds = credentials{cfg.Credentials}
	}
	region := cfg.Region
	if region == "" {
		region = defaultRegion
	}
	b.setRegion(region)
	return b, nil
}

// loadConfig reads the SDK's shared configuration. Credential providers keep the
// SDK's own HTTP client, not the one sized for S3.
func loadConfig(ctx context.Context, opts Options) (aws.Config, error) {
	// No WithHTTPClient: the instance metadata client shortens its timeouts only
	// on the SDK's default one.
	var load []func(*config.LoadOptions) error
	if opts.Profile != "" {
		load = append(load, config.WithSharedConfigProfile(opts.Profile))
	}
	if opts.Region != "" {
		load = append(load, config.WithRegion(opts.Region))
	}
	if opts.Anonymous {
		load = append(load, config.WithCredentialsProvider(aws.AnonymousCredentials{}))
	}
	return config.LoadDefaultConfig(ctx, load...)
}

// authorities are those of AWS_CA_BUNDLE or the profile's ca_bundle, which a
// private store needs; nil is the system's.
func authorities(cfg aws.Config) *x509.CertPool {
	client, ok := cfg.HTTPClient.(*awshttp.BuildableClient)
	if !ok {
		return nil
	}
	if tls := client.GetTransport().TLSClientConfig; tls != nil {
		return tls.RootCAs
	}
	return nil
}

// setRegion builds the client for a region.
//
// Of itself the SDK makes checksums only where S3 requires them: its default
// (CRC32 in an aws-chunked trailer) is refused or mangled by other stores. What
// Options.Checksums asks for is in headers (see checksum.go). Over plain HTTP the
// SDK hashes each payload with SHA-256 for its signature; over HTTPS it does not.
func (b *Bucket) setRegion(region string) {
	client := s3.NewFromConfig(b.cfg, func(o *s3.Options) {
		o.Region = region
		o.UsePathStyle = b.opts.PathStyle
		o.HTTPClient = b.http
		o.Retryer = &retryer{throttle: b.throttle}
		o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired
		o.ResponseChecksumValidation = aws.ResponseChecksumValidationWhenRequired
		o.DisableLogOutputChecksumValidationSkipped = true
		o.APIOptions = append(o.APIOptions, plainEncoding)
		if b.opts.Endpoint != "" {
			o.BaseEndpoint = aws.String(b.opts.Endpoint)
		}
		if b.creds != nil {
			o.Credentials = b.creds
		}
	})
	b.mu.Lock()
	defer b.mu.Unlock()
	b.mu.client, b.mu.region = client, region
}

// s3 is the client for the region known now.
func (b *Bucket) s3() *s3.Client {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.client
}

// Region is the bucket's region as configured, or as Check found it.
func (b *Bucket) Region() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.mu.region
}

// Name is the bucket's name.
func (b *Bucket) Name() string { return b.opts.Bucket }

// withDefaults fills in what the docs of Options promise.
func (o Options) withDefaults() (Options, error) {
	if o.Bucket == "" {
		return o, fmt.Errorf("no bucket is named: %w", ErrInvalid)
	}
	if err := checkEndpoint(o.Endpoint); err != nil {
		return o, err
	}
	if o.Checksums == "" {
		o.Checksums = Auto
	}
	if n := len(o.SSECKey); n != 0 && n != 32 {
		return o, fmt.Errorf("an SSE-C key has 32 bytes, not %d: %w", n, ErrInvalid)
	}
	if o.Deadline <= 0 {
		o.Deadline = defaultDeadline
	}
	if o.PartSize <= 0 {
		o.PartSize = defaultPart
	}
	o.Limits = o.Limits.withDefaults()
	o.PartSize = min(max(o.PartSize, o.Limits.MinPart), o.Limits.MaxPart)
	if o.PutLimit <= 0 {
		o.PutLimit = o.PartSize
	}
	o.PutLimit = min(o.PutLimit, o.Limits.MaxPart)
	if o.CopyPartLimit <= 0 || o.CopyPartLimit > o.Limits.MaxPart {
		o.CopyPartLimit = o.Limits.MaxPart
	}
	if o.InFlight <= 0 {
		o.InFlight = defaultInFlight
	}
	if o.Logger == nil {
		o.Logger = slog.New(slog.DiscardHandler)
	}
	return o, nil
}

func checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return nil
	}
	u, err := url.Parse(endpoint)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return fmt.Errorf("the endpoint must be a URL like https://s3.example.com, not %q: %w", endpoint, ErrInvalid)
	}
	return nil
}

// credentials bounds and classifies a look for credentials, so that a failure
// anywhere in the chain is ErrNoCreds and not a failure of S3.
type credentials struct{ aws.CredentialsProvider }

func (c credentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	ctx, cancel := context.WithTimeout(ctx, credentialWait)
	defer cancel()
	v, err := c.CredentialsProvider.Retrieve(ctx)
	if err != nil {
		return v, fmt.Errorf("%w: %w", ErrNoCreds, err)
	}
	return v, nil
}
