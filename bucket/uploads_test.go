package bucket

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// notes is an UploadLog.
type notes struct {
	mu    sync.Mutex
	lines []string
}

func (n *notes) add(line string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.lines = append(n.lines, line)
}

func (n *notes) Begin(key string) UploadRecord {
	n.add("begin " + key)
	return noted{n}
}

type noted struct{ n *notes }

func (r noted) Begun(id string) { r.n.add("begun " + id) }
func (r noted) Ended()          { r.n.add("ended") }

// Each upload is recorded before it is begun, and until the store has it no more.
func TestUploadsAreRecorded(t *testing.T) {
	const whole, byParts, copied = "whole", "by parts", "copied"
	for _, c := range []struct {
		name, how      string
		create, finish int // status of the answers; finish is that of Complete and Abort
		want           string
	}{
		{"stored", whole, 200, 200, "begin k, begun u, ended"},
		{"stored", byParts, 200, 200, "begin k, begun u, ended"},
		{"copied", copied, 200, 200, "begin to, begun u, ended"},
		{"not begun", whole, 403, 200, "begin k, ended"},
		{"aborted", whole, 200, 412, "begin k, begun u, ended"},
		{"aborted", byParts, 200, 412, "begin k, begun u, ended"},
		{"not even aborted", whole, 200, 403, "begin k, begun u"},
		{"not even aborted", byParts, 200, 403, "begin k, begun u"},
	} {
		log := &notes{}
		f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
			switch q := r.URL.Query(); {
			case r.Method == http.MethodPost && q.Has("uploads") && c.create == 200:
				fmt.Fprint(w, `<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>`)
			case r.Method == http.MethodPost && q.Has("uploads"):
				w.WriteHeader(c.create)
			case r.Method == http.MethodPost && c.finish == 200:
				fmt.Fprint(w, `<CompleteMultipartUploadResult><ETag>"e2"</ETag></CompleteMultipartUploadResult>`)
			case r.Method == http.MethodPost:
				w.WriteHeader(c.finish)
			case r.Method == http.MethodDelete && c.finish == 403:
				w.WriteHeader(c.finish)
			case r.Method == http.MethodDelete:
				w.WriteHeader(http.StatusNoContent)
			case r.Method == http.MethodPut && r.Header.Get("X-Amz-Copy-Source") != "":
				fmt.Fprint(w, `<CopyPartResult><ETag>"p"</ETag></CopyPartResult>`)
			case r.Method == http.MethodPut:
				w.Header().Set("ETag", `"p"`)
			case r.Method == http.MethodHead:
				w.WriteHeader(http.StatusNotFound)
			}
		}, func(o *Options) { o.Uploads, o.CopyPartLimit = log, 10<<20 })
		body := strings.NewReader(strings.Repeat("x", 9<<20))
		var err error
		switch c.how {
		case whole:
			_, err = f.Put(t.Context(), PutInput{Key: "k", Body: body, Size: body.Size()})
		case byParts:
			var u OpenUpload
			if u, err = f.Begin(t.Context(), PutInput{Key: "k"}); err == nil {
				if err = u.Send(t.Context(), 1, body, body.Size()); err == nil {
					_, err = u.Complete(t.Context(), 1, body.Size())
				}
				u.Abort(t.Context())
			}
		case copied:
			_, err = f.Copy(t.Context(), CopyInput{From: Object{Key: "k", ETag: "e", Size: 20 << 20, Full: true}, To: "to"})
		}
		if got := strings.Join(log.lines, ", "); got != c.want || (err == nil) != (c.create == 200 && c.finish == 200) {
			t.Errorf("%s, %s: %q, %v, want %q", c.how, c.name, got, err, c.want)
		}
	}
}

// Open uploads are listed page by page, whatever their keys hold.
func TestUploadsByPages(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		page, next := `<Upload><Key>d/a%2Bb+c%0A</Key><UploadId>1</UploadId><Initiated>2026-01-02T03:04:05.000Z</Initiated></Upload>`,
			`<IsTruncated>true</IsTruncated><NextKeyMarker>d/a%2Bb+c%0A</NextKeyMarker><NextUploadIdMarker>1</NextUploadIdMarker>`
		if q.Get("key-marker") == "d/a+b c\n" && q.Get("upload-id-marker") == "1" {
			page, next = `<Upload><Key>d/z</Key><UploadId>2</UploadId></Upload>`, ""
		}
		if q.Get("prefix") != "d/" {
			t.Errorf("prefix %q", q.Get("prefix"))
		}
		fmt.Fprintf(w, `<ListMultipartUploadsResult><EncodingType>url</EncodingType>%s%s</ListMultipartUploadsResult>`, next, page)
	})
	got, err := f.Uploads(t.Context(), "d/")
	want := []Upload{{"d/a+b c\n", "1", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)}, {Key: "d/z", ID: "2"}}
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v", got, err)
	}
}

// A store that goes round in circles is not followed.
func TestUploadsThatDoNotEnd(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextKeyMarker>k</NextKeyMarker></ListMultipartUploadsResult>`)
	})
	if got, err := f.Uploads(t.Context(), ""); !errors.Is(err, ErrServer) {
		t.Errorf("%v, %v", got, err)
	}
}
