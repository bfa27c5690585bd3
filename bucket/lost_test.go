package bucket

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// A removal that was done and whose answer was lost has happened, also where the
// store says to the second attempt that the condition does not hold.
func TestLostAnswerOfDelete(t *testing.T) {
	for _, tc := range []struct {
		name   string
		status int  // of the second attempt
		there  bool // somebody else has put the key since
		want   error
	}{
		{"not found", 404, false, nil},
		{"condition of a missing key", 412, false, nil},
		{"another version is there", 412, true, ErrChanged},
	} {
		t.Run(tc.name, func(t *testing.T) {
			deletes := 0
			f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodHead && tc.there:
					w.Header().Set("ETag", `"e2"`)
				case r.Method == http.MethodHead:
					w.WriteHeader(http.StatusNotFound)
				default:
					if deletes++; deletes == 1 {
						panic(http.ErrAbortHandler)
					}
					w.WriteHeader(tc.status)
				}
			})
			if err := f.Delete(t.Context(), "k", "e1"); !errors.Is(err, tc.want) {
				t.Errorf("%v, want %v", err, tc.want)
			}
		})
	}
}

// A copy whose answer was lost is known by the commit id that came along from
// the source: a copy of a multipart object has an ETag of its own.
func TestLostAnswerOfCopy(t *testing.T) {
	source := Object{Key: "from", ETag: "multi-2", Size: 5, Full: true, Metadata: map[string]string{CommitKey: "id1", "mode": "33188"}}
	listed := Object{Key: "from", ETag: "multi-2", Size: 5}
	foreign := Object{Key: "from", ETag: "multi-2", Size: 5, Full: true, Metadata: map[string]string{"mode": "33188"}}
	for _, tc := range []struct {
		name   string
		from   Object
		target string // commit id of what is at the target
		want   error
	}{
		{"ours", source, "id1", nil},
		{"ours, metadata not known yet", listed, "id1", nil},
		{"somebody else's", source, "id2", ErrChanged},
		{"somebody else's, metadata not known yet", listed, "id2", ErrChanged},
		{"without an id", foreign, "", ErrChanged},
	} {
		t.Run(tc.name, func(t *testing.T) {
			copies := 0
			head := func(w http.ResponseWriter, etag, id string) {
				w.Header().Set("ETag", fmt.Sprintf("%q", etag))
				w.Header().Set("Content-Length", "5")
				w.Header().Set("X-Amz-Meta-Mode", "33188")
				if id != "" {
					w.Header().Set("X-Amz-Meta-"+CommitKey, id)
				}
			}
			f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodHead && r.URL.Path == "/b/from":
					head(w, source.ETag, "id1")
				case r.Method == http.MethodHead:
					head(w, "plain", tc.target)
				default:
					if copies++; copies == 1 {
						panic(http.ErrAbortHandler)
					}
					sendError(w, http.StatusPreconditionFailed, "PreconditionFailed")
				}
			})
			o, err := f.Copy(t.Context(), CopyInput{From: tc.from, To: "to", If: Condition{Absent: true}})
			if !errors.Is(err, tc.want) || err == nil && o.ETag != "plain" {
				t.Errorf("%+v, %v, want %v", o, err, tc.want)
			}
		})
	}
}

// A refusal of the second attempt does not undo the first: what it has stored
// is recognised, and where it has not, the refusal stands.
func TestLostAnswerThenRefusal(t *testing.T) {
	for _, stored := range []bool{true, false} {
		t.Run(fmt.Sprintf("stored %v", stored), func(t *testing.T) {
			id, puts := "", 0
			f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
				switch {
				case r.Method == http.MethodHead && stored:
					w.Header().Set("ETag", `"e2"`)
					w.Header().Set("X-Amz-Meta-"+CommitKey, id)
					w.Header().Set("Content-Length", "3")
				case r.Method == http.MethodHead:
					w.WriteHeader(http.StatusNotFound)
				default:
					id = r.Header.Get("X-Amz-Meta-" + CommitKey)
					if puts++; puts == 1 {
						panic(http.ErrAbortHandler)
					}
					w.WriteHeader(http.StatusForbidden)
				}
			})
			o, err := f.Put(t.Context(), PutInput{Key: "k", Body: strings.NewReader("abc"), Size: 3, If: Condition{Absent: true}})
			if stored && (err != nil || o.ETag != "e2") || !stored && !errors.Is(err, ErrPermission) {
				t.Errorf("%+v, %v", o.ETag, err)
			}
		})
	}
}
