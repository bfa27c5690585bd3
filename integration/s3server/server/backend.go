package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3err"

	"github.com/pailfs/pailfs/integration/s3server/memory"
)

// open makes the backend and its buckets.
func (o *Options) open() (backend.Backend, error) {
	be, err := o.newBackend()
	if err != nil {
		return nil, err
	}
	for _, name := range o.Buckets {
		if err := o.createBucket(be, name); err != nil {
			return nil, fmt.Errorf("create bucket %s: %w", name, err)
		}
	}
	return be, nil
}

func (o *Options) newBackend() (backend.Backend, error) {
	if o.Synthetic < 0 {
		return nil, fmt.Errorf("%d synthetic keys", o.Synthetic)
	}
	if o.Backend != Memory && o.Synthetic > 0 {
		return nil, errors.New("a synthetic bucket needs the memory backend")
	}
	switch o.Backend {
	case Posix:
		if o.Dir == "" {
			return nil, errors.New("the posix backend needs a directory")
		}
		be, err := posix.New(o.Dir, meta.XattrMeta{}, posix.PosixOpts{CopyObjectThreshold: 5 << 30})
		if err != nil {
			return nil, fmt.Errorf("posix backend: %w", err)
		}
		return be, nil
	case Memory:
		be := memory.New(memory.Options{Owner: o.AccessKey, Region: o.Region})
		if o.Synthetic > 0 {
			if err := be.AddSynthetic(SyntheticBucket, o.Synthetic, o.SyntheticWritable); err != nil {
				return nil, err
			}
		}
		return be, nil
	default:
		return nil, fmt.Errorf("backend %q: want %s or %s", o.Backend, Posix, Memory)
	}
}

// createBucket accepts a bucket which is in the directory from before.
func (o *Options) createBucket(be backend.Backend, name string) error {
	acl, err := json.Marshal(auth.ACL{Owner: o.AccessKey})
	if err != nil {
		return fmt.Errorf("encode acl: %w", err)
	}
	err = be.CreateBucket(context.Background(), &s3.CreateBucketInput{
		Bucket:                    &name,
		CreateBucketConfiguration: &types.CreateBucketConfiguration{}, // posix reads it unasked
	}, acl)
	var apiErr s3err.S3Error
	if errors.As(err, &apiErr) {
		switch apiErr.BaseError().Code {
		case "BucketAlreadyOwnedByYou", "BucketAlreadyExists":
			return nil
		}
	}
	return err
}
