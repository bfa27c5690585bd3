package memory

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/versity/versitygw/s3response"
)

// ListMultipartUploads lists uploads in progress by key and then by age. The
// markers exclude everything up to them; an upload-id-marker counts only with
// a key-marker.
func (b *Backend) ListMultipartUploads(ctx context.Context, in *s3.ListMultipartUploadsInput) (s3response.ListMultipartUploadsResult, error) {
	var out s3response.ListMultipartUploadsResult
	enc, err := newEncoder(ctx)
	if err != nil {
		return out, err
	}
	b.mu.RLock()
	defer b.mu.RUnlock()
	bk, err := b.bucketLocked(value(in.Bucket))
	if err != nil {
		return out, err
	}
	q := listQuery{prefix: value(in.Prefix), delimiter: value(in.Delimiter), after: value(in.KeyMarker), max: int(value(in.MaxUploads))}
	out = s3response.ListMultipartUploadsResult{
		Bucket: clone(in.Bucket), KeyMarker: enc.key(q.after), UploadIDMarker: clone(in.UploadIdMarker),
		Delimiter: enc.key(q.delimiter), Prefix: enc.key(q.prefix),
		EncodingType: string(enc.typ), MaxUploads: q.max,
	}
	last := ""
	for _, up := range sortedUploads(bk) {
		if !q.uploadFollows(up, value(in.UploadIdMarker)) {
			continue
		}
		common, grouped := q.common(up.key)
		if grouped && (common == last || common == q.after) {
			continue
		}
		if len(out.Uploads)+len(out.CommonPrefixes) == q.max {
			out.IsTruncated = q.max > 0
			break
		}
		if grouped {
			last = common
			out.CommonPrefixes = append(out.CommonPrefixes, s3response.CommonPrefix{Prefix: enc.key(common)})
			out.NextKeyMarker, out.NextUploadIDMarker = enc.key(common), ""
			continue
		}
		out.Uploads = append(out.Uploads, b.showUpload(up, enc))
		out.NextKeyMarker, out.NextUploadIDMarker = enc.key(up.key), up.id
	}
	return out, nil
}

func sortedUploads(bk *bucket) []*upload {
	return slices.SortedFunc(maps.Values(bk.uploads), func(x, y *upload) int {
		return cmp.Or(strings.Compare(x.key, y.key), strings.Compare(x.id, y.id))
	})
}

// uploadFollows tells whether up has the prefix and lies behind the markers.
func (q listQuery) uploadFollows(up *upload, idMarker string) bool {
	if !strings.HasPrefix(up.key, q.prefix) || up.key < q.after {
		return false
	}
	if q.after != "" && up.key == q.after {
		return idMarker != "" && up.id > idMarker
	}
	return true
}

func (b *Backend) showUpload(up *upload, enc encoder) s3response.Upload {
	return s3response.Upload{
		Key: enc.key(up.key), UploadID: up.id, StorageClass: up.draft.class, Initiated: up.initiated,
		Initiator: s3response.Initiator{ID: b.opts.Owner}, Owner: s3response.Owner{ID: b.opts.Owner},
		ChecksumAlgorithm: up.algo, ChecksumType: up.kind,
	}
}
