package server_test

import (
	"bytes"
	"context"
	"net/http/httptrace"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/pailfs/pailfs/integration/s3server/server"
)

// Readers see whole versions, and of many conditional writers one wins.
func TestAtomic(t *testing.T) {
	r := start(t, server.Options{})
	var wins atomic.Int32
	var wg sync.WaitGroup
	r.put(t, "k", bytes.Repeat([]byte{'a'}, 300_000))
	for i := range 8 {
		wg.Go(func() {
			r.put(t, "k", bytes.Repeat([]byte{'a' + byte(i)}, 300_000+i))
			got := r.get(t, "k")
			if whole := bytes.Repeat(got[:1], len(got)); !bytes.Equal(got, whole) || len(got) != 300_000+int(got[0]-'a') {
				t.Errorf("a torn version of %d bytes", len(got))
			}
			_, err := r.PutObject(context.Background(), &s3.PutObjectInput{
				Bucket: aws.String(bkt), Key: aws.String("new"), IfNoneMatch: aws.String("*"), Body: bytes.NewReader([]byte("x"))})
			if err == nil {
				wins.Add(1)
			}
		})
	}
	wg.Wait()
	if wins.Load() != 1 {
		t.Errorf("%d writers created the same key", wins.Load())
	}
}

func TestKeepAlive(t *testing.T) {
	both(t, func(t *testing.T, r rig) {
		r.put(t, "k", []byte("v"))
		r.get(t, "k")
		var reused bool
		ctx := httptrace.WithClientTrace(context.Background(), &httptrace.ClientTrace{
			GotConn: func(info httptrace.GotConnInfo) { reused = info.Reused }})
		_, err := r.HeadObject(ctx, &s3.HeadObjectInput{Bucket: aws.String(bkt), Key: aws.String("k")})
		if err != nil || !reused {
			t.Errorf("connection reused: %v, %v", reused, err)
		}
	})
}
