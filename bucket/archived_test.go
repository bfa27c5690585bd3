package bucket

import (
	"errors"
	"net/http"
	"testing"
)

// What a HEAD says of an archived object arrives, whatever the way it is told.
func TestHeadOfArchived(t *testing.T) {
	const restored = `ongoing-request="false", expiry-date="Fri, 21 Dec 2035 00:00:00 GMT"`
	for _, c := range []struct {
		class, status, restore string
		archived, mayBe        bool
	}{
		{class: ""},
		{class: "STANDARD_IA"},
		{class: "GLACIER_IR"}, // read at once
		{class: "GLACIER", archived: true, mayBe: true},
		{class: "GLACIER", restore: restored, archived: true, mayBe: true},
		{class: "DEEP_ARCHIVE", restore: `ongoing-request="true"`, archived: true, mayBe: true},
		{class: "INTELLIGENT_TIERING", mayBe: true},
		{class: "INTELLIGENT_TIERING", status: "ARCHIVE_ACCESS", archived: true, mayBe: true},
	} {
		f := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("ETag", `"e1"`)
			for name, v := range map[string]string{
				"x-amz-storage-class": c.class, "x-amz-archive-status": c.status, "x-amz-restore": c.restore,
			} {
				if v != "" {
					w.Header().Set(name, v)
				}
			}
		})
		o, err := f.Head(t.Context(), "k")
		if err != nil || o.StorageClass != c.class || o.ArchiveStatus != c.status || o.Restore != c.restore {
			t.Errorf("%+v: %+v, %v", c, o, err)
		}
		if o.IsArchived() != c.archived || o.MayBeArchived() != c.mayBe {
			t.Errorf("%+v: archived %v, may be %v", c, o.IsArchived(), o.MayBeArchived())
		}
	}
}

// K05 B58: what is archived is refused after one request: no retry helps.
func TestGetOfArchived(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) { sendError(w, http.StatusForbidden, "InvalidObjectState") })
	if _, _, err := f.Get(t.Context(), GetInput{Key: "k", Len: 5}); !errors.Is(err, ErrArchived) {
		t.Error(err)
	}
	if err := f.Fill(t.Context(), "k", "e1", 0, make([]byte, 5)); !errors.Is(err, ErrArchived) {
		t.Error(err)
	}
	if n := len(f.all()); n != 2 {
		t.Errorf("%d requests, want 2", n)
	}
}

// K05 B56: what is stored compressed arrives as it is stored, though the store
// says how it is encoded, and although it would compress for those who accept it.
func TestGetOfEncoded(t *testing.T) {
	const stored = "\x1f\x8b not unpacked"
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if got := r.Header.Get("Accept-Encoding"); got != "" && got != "identity" {
			t.Errorf("Accept-Encoding is %q", got)
		}
		w.Header().Set("Content-Encoding", "gzip")
		serve(w, r, stored)
	})
	got, o, err := readGet(t, f.Bucket, GetInput{Key: "k", Len: -1})
	if err != nil || got != stored || o.Size != int64(len(stored)) || o.Headers.ContentEncoding != "gzip" {
		t.Errorf("%q, %+v, %v", got, o, err)
	}
	p := make([]byte, 6)
	if err := f.Fill(t.Context(), "k", "e1", 3, p); err != nil || string(p) != stored[3:9] {
		t.Errorf("%q, %v", p, err)
	}
}
