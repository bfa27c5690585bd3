package bucket

import (
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
)

type deleteBody struct {
	Objects []struct {
		Key  string `xml:"Key"`
		ETag string `xml:"ETag"`
	} `xml:"Object"`
}

func TestDeleteAllBatches(t *testing.T) {
	var mu sync.Mutex
	var sizes []int
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		var body deleteBody
		if err := xml.Unmarshal([]byte(drain(r)), &body); err != nil {
			t.Error(err)
		}
		mu.Lock()
		sizes = append(sizes, len(body.Objects))
		mu.Unlock()
		sendXML(w, "DeleteResult", "")
	})
	items := make([]DeleteItem, 2500)
	for i := range items {
		items[i].Key = fmt.Sprint("k", i)
	}
	if errs := f.DeleteAll(t.Context(), items); len(errs) > 0 {
		t.Error(errs)
	}
	total := 0
	for _, n := range sizes {
		total += n
	}
	if len(sizes) != 3 || total != 2500 {
		t.Error(sizes)
	}
}

func TestDeleteAllPerKey(t *testing.T) {
	calls := 0
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodDelete {
			w.WriteHeader(http.StatusNoContent)
			return
		}
		calls++
		var body deleteBody
		if err := xml.Unmarshal([]byte(drain(r)), &body); err != nil {
			t.Error(err)
		}
		inner := ""
		for _, o := range body.Objects {
			code := map[string]string{"denied": "AccessDenied", "missing": "NoSuchKey", "pinned": "PreconditionFailed", "gone": "NoSuchKey"}[o.Key]
			if o.Key == "busy" && calls == 1 {
				code = "InternalError"
			}
			if (o.Key == "pinned" || o.Key == "gone") && o.ETag != `"e1"` {
				t.Error("no ETag", o)
			}
			if code != "" {
				inner += "<Error><Key>" + o.Key + "</Key><Code>" + code + "</Code></Error>"
			}
		}
		sendXML(w, "DeleteResult", inner)
	})
	errs := f.DeleteAll(t.Context(), []DeleteItem{
		{Key: "fine"}, {Key: "denied"}, {Key: "missing"}, {Key: "busy"}, {Key: "pinned", ETag: "e1"}, {Key: "gone", ETag: "e1"},
		{Key: "control\x01"}, {Key: "line\r\n"}, {Key: "bad\xff"},
	})
	if len(errs) != 3 || !errors.Is(errs["denied"], ErrPermission) || !errors.Is(errs["pinned"], ErrChanged) || !errors.Is(errs["gone"], ErrChanged) {
		t.Error(errs)
	}
	if c := f.Counters(); c["DeleteObject"].Requests != 3 || c["DeleteObjects"].Requests != 2 {
		t.Error(c)
	}
	var single []string
	for _, r := range f.all() {
		if r.Method == http.MethodDelete {
			single = append(single, strings.TrimPrefix(r.URL.Path, "/b/"))
		}
	}
	for _, key := range single {
		if fitsXML(key) {
			t.Errorf("%q was deleted singly", key)
		}
	}
}

func TestDeleteAllWithoutAStore(t *testing.T) {
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) { sendError(w, 403, "AccessDenied") })
	errs := f.DeleteAll(t.Context(), []DeleteItem{{Key: "a"}, {Key: "b"}})
	if len(errs) != 2 || !errors.Is(errs["a"], ErrPermission) {
		t.Error(errs)
	}
}

func TestDeleteConditions(t *testing.T) {
	status := 0
	f := newFake(t, func(w http.ResponseWriter, r *http.Request) { w.WriteHeader(status) })
	for _, tc := range []struct {
		status  int
		ifMatch string
		want    error
	}{{204, "", nil}, {404, "", nil}, {404, "e1", ErrChanged}, {412, "e1", ErrChanged}, {403, "", ErrPermission}} {
		status = tc.status
		if err := f.Delete(t.Context(), "k", tc.ifMatch); !errors.Is(err, tc.want) {
			t.Errorf("%+v: %v", tc, err)
		}
	}
}
