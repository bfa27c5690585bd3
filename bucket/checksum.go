package bucket

import (
	"context"
	"crypto/md5" //nolint:gosec // what Content-MD5 is made of
	"encoding/base64"
	"errors"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"

	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Values of Options.Checksums.
const (
	Auto   = "auto"
	Always = "always"
	Never  = "never"
)

// support is what is known of one thing that not all stores do.
type support struct{ state atomic.Int32 }

const (
	supportUnknown = iota
	supportYes
	supportNo
)

func (s *support) is(state int32) bool { return s.state.Load() == state }

// learn keeps the first finding, and reports whether this is it.
func (s *support) learn(state int32) bool { return s.state.CompareAndSwap(supportUnknown, state) }

// sums is what is known of a store's checksums.
type sums struct{ puts, uploads, deletes support }

// withSums runs send with checksums or without, as Options.Checksums says: with
// Auto again without where the store refuses the request for what may be them,
// and no more with them where it then takes it.
func (b *Bucket) withSums(s *support, send func(sums bool) error) error {
	mode := b.opts.Checksums
	if mode == Never || mode == Auto && s.is(supportNo) {
		return send(false)
	}
	err := send(true)
	if err == nil || mode == Always || s.is(supportYes) || !mayRefuseSums(err) {
		return err
	}
	if err := send(false); err != nil {
		return err
	}
	if s.learn(supportNo) {
		b.log.Warn("the store refuses checksums: what is sent goes without", "err", err)
	}
	return nil
}

// mayRefuseSums is false where the request was refused for something else: bytes
// that have another checksum are never sent without.
func mayRefuseSums(err error) bool {
	switch codeOf(err) {
	case "BadDigest", "InvalidDigest", "EntityTooSmall", "InvalidPart", "InvalidPartOrder":
		return false
	}
	return errors.Is(classify(err), ErrInvalid) || errors.Is(classify(err), ErrNotSupported)
}

// putObject is PutObject with the checksum of the body in its headers: other
// stores refuse or mangle the trailers that the SDK would send.
func (b *Bucket) putObject(ctx context.Context, in *s3.PutObjectInput, opts ...func(*s3.Options)) (out *s3.PutObjectOutput, err error) {
	err = b.withSums(&b.sums.puts, func(sums bool) error {
		in.ChecksumCRC32C = nil
		with := opts
		if err := rewind(in.Body); err != nil {
			return err
		}
		if sums {
			crc, _, err := crcOf(in.Body)
			if err != nil {
				return err
			}
			in.ChecksumCRC32C = crcHeader(crc)
			with = append(with[:len(with):len(with)], b.unsigned)
		}
		var err error
		out, err = b.s3().PutObject(ctx, in, with...)
		if sums && err == nil {
			b.sums.puts.learn(supportYes)
		}
		return err
	})
	return out, err
}

// partSums are the checksums of one upload.
type partSums struct {
	kind sumKind
	mu   struct {
		sync.Mutex
		parts map[int32]partSum
	}
}

type sumKind int

const (
	sumNone sumKind = iota
	// sumCRC: CRC32C of each part, and of the whole object with Complete.
	sumCRC
	// sumMD5: of the parts that are sent, and none is declared. The store need
	// not read then what it copies.
	sumMD5
)

type partSum struct {
	crc  uint32
	size int64
}

func (s *partSums) note(number int32, p partSum) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.parts == nil {
		s.mu.parts = make(map[int32]partSum)
	}
	s.mu.parts[number] = p
}

// state adds the checksums of the listed parts, which other stores want to see
// again, and returns that of the object they make; nil where one is not known.
func (s *partSums) state(list []types.CompletedPart) *string {
	s.mu.Lock()
	defer s.mu.Unlock()
	crc := uint32(0)
	known := true
	for i, part := range list {
		p, ok := s.mu.parts[*part.PartNumber]
		if ok {
			list[i].ChecksumCRC32C = crcHeader(p.crc)
		}
		known = known && ok
		crc = crcCombine(crc, p.crc, p.size)
	}
	if !known {
		return nil
	}
	return crcHeader(crc)
}

// md5Header is the Content-MD5 of body.
func md5Header(body io.Reader) (*string, error) {
	h := md5.New() //nolint:gosec // see the import
	_, err := rewound(body, h)
	s := base64.StdEncoding.EncodeToString(h.Sum(nil))
	return &s, err
}

// unsigned leaves the body of a request that carries a checksum out of its
// signature, which is over that: the SDK would hash it once more where there is no
// TLS. On the way to another host it still does: only that hash keeps others from
// changing the bytes on their way.
func (b *Bucket) unsigned(o *s3.Options) {
	if b.loopback {
		o.APIOptions = append(o.APIOptions, v4.SwapComputePayloadSHA256ForUnsignedPayloadMiddleware)
	}
}

// isLoopback is true for an endpoint on this machine.
func isLoopback(endpoint string) bool {
	u, err := url.Parse(endpoint)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// withContentMD5 sends Content-MD5 in place of the checksum that the SDK computes
// for operations that need one: the older way, which more stores know.
func withContentMD5(o *s3.Options) {
	o.APIOptions = append(o.APIOptions, func(stack *middleware.Stack) error {
		const id = "AWSChecksum:ComputeInputPayloadChecksum"
		if _, err := stack.Finalize.Remove(id); err != nil {
			return err
		}
		return smithyhttp.AddContentChecksumMiddleware(stack)
	})
}

// plainEncoding sends Accept-Encoding without signing it: front ends change it on
// the way, and the store would find another signature.
func plainEncoding(stack *middleware.Stack) error {
	const identity, signing = "DisableAcceptEncodingGzip", "Signing"
	if _, ok := stack.Finalize.Get(identity); !ok {
		return nil
	}
	if _, ok := stack.Finalize.Get(signing); !ok {
		return nil
	}
	m, err := stack.Finalize.Remove(identity)
	if err != nil {
		return err
	}
	return stack.Finalize.Insert(m, signing, middleware.After)
}
