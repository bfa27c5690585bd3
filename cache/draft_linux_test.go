package cache

import (
	"bytes"
	"errors"
	"syscall"
	"testing"
)

func TestDraftFullDisk(t *testing.T) {
	dir := t.TempDir()
	smallDisk(t, dir, "64k")
	base := &memBase{data: bytes.Repeat([]byte{1}, 200_000)}
	d, err := newStage(t, dir).Create(200_000)
	if err != nil {
		t.Fatal(err)
	}
	p := bytes.Repeat([]byte{2}, 100_000)
	n, err := d.WriteAt(t.Context(), p, 50_000)
	if !errors.Is(err, syscall.ENOSPC) || n == len(p) {
		t.Fatalf("WriteAt = %d, %v", n, err)
	}
	want := bytes.Clone(base.data)
	copy(want[50_000:], p[:n])
	wantContent(t, d, base, want)
	if err := d.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := d.Fill(t.Context(), base); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("Fill = %v", err)
	}
	wantContent(t, d, base, want)
}
