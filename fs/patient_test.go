package fs

import (
	"context"
	"errors"
	"testing"
	"time"
)

func TestPatient(t *testing.T) {
	request, interrupt := context.WithCancel(context.Background())
	ctx, done := patient(request)
	if ctx.Err() != nil {
		t.Error("over before it began")
	}
	child, cancel := context.WithCancel(ctx)
	defer cancel()
	interrupt()
	select {
	case <-child.Done():
		t.Error("an interrupt ended the work at once")
	case <-time.After(patience / 4):
	}
	select {
	case <-child.Done():
	case <-time.After(4 * patience):
		t.Fatal("an interrupt never ended the work")
	}
	if !errors.Is(ctx.Err(), context.Canceled) {
		t.Errorf("Err: %v", ctx.Err())
	}
	done()

	ctx, done = patient(context.Background())
	waiting := ctx.Done()
	done()
	select {
	case <-waiting:
	case <-time.After(patience):
		t.Error("the end of the work does not end who waits on it")
	}
}
