package memory

import (
	"bytes"
	"context"
	"encoding/xml"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/s3err"
	"github.com/versity/versitygw/s3response"
)

// maxDelete is S3's limit of keys for one DeleteObjects.
const maxDelete = 1000

// DeleteObject removes an object. Without conditions it succeeds as well when
// there is none.
func (b *Backend) DeleteObject(ctx context.Context, in *s3.DeleteObjectInput) (*s3.DeleteObjectOutput, error) {
	cond := deleteConditions{in.IfMatch, in.IfMatchLastModifiedTime, in.IfMatchSize}
	if err := b.remove(value(in.Bucket), objectKey(ctx, in.Key), cond); err != nil {
		return nil, err
	}
	return &s3.DeleteObjectOutput{}, nil
}

func (b *Backend) remove(bucket, key string, cond deleteConditions) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	bk, err := b.writableLocked(bucket)
	if err != nil {
		return err
	}
	if err := cond.check(bk.keys.get(key)); err != nil {
		return err
	}
	bk.keys.remove(key)
	return nil
}

// DeleteObjects removes up to 1000 objects, each under its own conditions and
// each with its own result. With Quiet set, only failures are answered.
func (b *Backend) DeleteObjects(ctx context.Context, in *s3.DeleteObjectsInput) (s3response.DeleteResult, error) {
	var out s3response.DeleteResult
	if len(in.Delete.Objects) > maxDelete {
		return out, s3err.GetAPIError(s3err.ErrMalformedXML)
	}
	quiet, err := isQuiet(requestBody(ctx))
	if err != nil {
		return out, err
	}
	for _, id := range in.Delete.Objects {
		err := b.remove(value(in.Bucket), value(id.Key), deleteConditions{id.ETag, id.LastModifiedTime, id.Size})
		switch {
		case err != nil:
			out.Error = append(out.Error, s3err.ObjectDeleteError(id.Key, id.VersionId, err))
		case !quiet:
			out.Deleted = append(out.Deleted, types.DeletedObject{Key: id.Key})
		}
	}
	return out, nil
}

// isQuiet reads the one field of a DeleteObjects body the front end drops.
func isQuiet(body []byte) (bool, error) {
	var request struct {
		Quiet bool `xml:"Quiet"`
	}
	if len(bytes.TrimSpace(body)) == 0 {
		return false, nil
	}
	if err := xml.Unmarshal(body, &request); err != nil {
		return false, fmt.Errorf("delete objects: %w", err)
	}
	return request.Quiet, nil
}
