package integration

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

const (
	raceTimeEnv = "PAILFS_RACE_TIME" // how long; by hand 10m
	raceSeedEnv = "PAILFS_RACE_SEED"
	raceTime    = 15 * time.Second
	partMin     = 5 << 20
)

// outsideRacer changes objects as another S3 client, each time on the condition
// that nobody else has.
type outsideRacer struct {
	raceDraw
	*outside
	name  string
	empty bool // objects may be empty
	count int
	log   *raceLog
}

func (r *outsideRacer) deed() {
	time.Sleep(time.Duration(r.rng.IntN(80)) * time.Millisecond) // not to leave the mounts behind
	r.count++
	e := raceEvent{Key: raceKey(r.key()), Version: fmt.Sprintf("%s/%d", r.name, r.count), Outcome: raceStored}
	data, etag, err := r.whole(e.Key)
	switch {
	case err == nil && data != nil && len(data) == 0 && r.empty:
		e.Base, data = raceUnseen, nil
	case err == nil && data != nil:
		e.Base, err = unseal(data)
	}
	if err != nil {
		e.Outcome, e.How, e.Note = raceBad, "get", err.Error()
		r.log.add(e)
		return
	}
	c := r.change(e.Version, data)
	e.How = c.how
	var api smithy.APIError
	switch err := r.store(e.Key, etag, c.next); {
	case err == nil:
	case errors.As(err, &api) && (api.ErrorCode() == "PreconditionFailed" || api.ErrorCode() == "ConditionalRequestConflict"):
		e.Outcome = raceRefused
	default:
		e.Outcome, e.Note = raceUnknown, err.Error()
	}
	r.log.add(e)
}

// whole reads an object; nil where there is none.
func (o *outside) whole(key string) (data []byte, etag *string, err error) {
	ctx, cancel := within()
	defer cancel()
	out, err := o.open(ctx, key)
	var missing *types.NoSuchKey
	if errors.As(err, &missing) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	defer out.Body.Close()
	data, err = io.ReadAll(out.Body)
	return data, out.ETag, err
}

// store puts data where the object is still etag, or where there is none.
func (r *outsideRacer) store(key string, etag *string, data []byte) error {
	ctx, cancel := within()
	defer cancel()
	var none *string
	if etag == nil {
		none = aws.String("*")
	}
	once := func(o *s3.Options) { o.RetryMaxAttempts = 1 } // a refusal shall be of this attempt
	if len(data) <= partMin || r.rng.IntN(2) == 0 {
		_, err := r.client.PutObject(ctx, &s3.PutObjectInput{
			Bucket: &r.bucket, Key: &key, Body: bytes.NewReader(data), IfMatch: etag, IfNoneMatch: none}, once)
		return err
	}
	begun, err := r.client.CreateMultipartUpload(ctx, &s3.CreateMultipartUploadInput{Bucket: &r.bucket, Key: &key}, once)
	if err != nil {
		return err
	}
	err = r.parts(ctx, begun.UploadId, key, data, func(parts []types.CompletedPart) error {
		_, err := r.client.CompleteMultipartUpload(ctx, &s3.CompleteMultipartUploadInput{Bucket: &r.bucket, Key: &key,
			UploadId: begun.UploadId, IfMatch: etag, IfNoneMatch: none, MultipartUpload: &types.CompletedMultipartUpload{Parts: parts}}, once)
		return err
	})
	if err != nil {
		_, _ = r.client.AbortMultipartUpload(ctx, &s3.AbortMultipartUploadInput{Bucket: &r.bucket, Key: &key, UploadId: begun.UploadId})
	}
	return err
}

func (r *outsideRacer) parts(ctx context.Context, id *string, key string, data []byte, complete func([]types.CompletedPart) error) error {
	var parts []types.CompletedPart
	for n := int32(1); len(data) > 0; n++ {
		part := data[:min(len(data), partMin)]
		out, err := r.client.UploadPart(ctx, &s3.UploadPartInput{
			Bucket: &r.bucket, Key: &key, UploadId: id, PartNumber: &n, Body: bytes.NewReader(part)})
		if err != nil {
			return err
		}
		parts = append(parts, types.CompletedPart{ETag: out.ETag, PartNumber: &n})
		data = data[len(part):]
	}
	return complete(parts)
}

// Two mounts and two other clients change the same files. Each version is one
// writer's, whole, whoever reads it; each commit replaces what its writer had
// read; and whoever was too late was told.
func TestRaceWriters(t *testing.T) {
	duration := raceTime
	if text := os.Getenv(raceTimeEnv); text != "" {
		var err error
		if duration, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v", raceTimeEnv, err)
		}
	}
	seed := envNumber(t, raceSeedEnv, uint64(time.Now().UnixNano())%1e9)
	t.Logf("%s=%d", raceSeedEnv, seed)
	e := newEnv(t, envOptions{})
	mounts := []*mount{e.mount(t, mountOptions{}), e.mount(t, mountOptions{})}
	mounts[0].sh(t, "mkdir $MNT/race")
	logs := e.race(t, mounts, duration, seed)
	events := map[string][]raceEvent{}
	for _, name := range logs {
		readRaceLog(t, name, events)
	}
	total, sums := map[string]int{}, map[string]string{}
	for n := range raceKeys {
		key := raceKey(n)
		final := ""
		data, _, err := e.s3.whole(key)
		if err == nil && data != nil {
			final, err = unseal(data)
		}
		if err != nil {
			t.Errorf("%s in the end: %v", key, err)
		}
		for _, bad := range judge(events[key], final) {
			t.Errorf("%s: %s", key, bad)
		}
		for _, ev := range events[key] {
			total[ev.Outcome]++
		}
		if data != nil {
			sums[key] = versionOf(data).Sum
		}
	}
	for i, m := range mounts {
		for _, line := range strings.Split(m.sh(t, "cd $MNT && sha256sum race/*"), "\n") {
			sum, key, _ := strings.Cut(line, "  ")
			if sum != sums[key] {
				t.Errorf("%s in the end: mount %d reads %.8s, not %.8s", key, i, sum, sums[key])
			}
		}
	}
	t.Logf("%v: %v", duration, total)
	e.wantNoUploads(t)
}

// raceEmpty: creating a file stores an empty object, so that there are versions
// that say nothing of themselves.
func raceEmpty() bool {
	return strings.Contains(os.Getenv("PAILFS_TEST_FLAGS"), "--exclusive=open")
}

// race runs all racers to their end and returns their logs.
func (e *env) race(t *testing.T, mounts []*mount, duration time.Duration, seed uint64) (logs []string) {
	t.Helper()
	results := make([]result, len(mounts))
	var wg sync.WaitGroup
	for i, m := range mounts {
		o := raceOptions{Name: fmt.Sprintf("mount%d-", i), Dir: m.dir, Log: filepath.Join(m.work, "race.log"), Seed: seed, Time: duration}
		o.Empty = raceEmpty()
		logs = append(logs, o.Log)
		wg.Go(func() { results[i] = m.runRacers(o) })
	}
	name := filepath.Join(e.dir, "race.log")
	logs = append(logs, name)
	file, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	log := &raceLog{out: file}
	for i := range 2 {
		name := fmt.Sprintf("outside%d", i)
		r := &outsideRacer{newRaceDraw(seed, name), e.s3, name, raceEmpty(), 0, log}
		wg.Go(func() { raceFor(duration, r.deed) })
	}
	wg.Wait()
	for i, r := range results {
		if r.code != 0 {
			t.Errorf("racers of mount %d: %v", i, r)
		}
	}
	if log.err != nil {
		t.Error(log.err)
	}
	return logs
}
