package integration

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

const getRestore = `restore() { getfattr --absolute-names --only-values -n user.s3.restore -- "$1"; }` + "\n"

// putClass stores an object of a storage class.
func (e *env) putClass(t *testing.T, key, content string, class types.StorageClass) {
	t.Helper()
	e.s3.putWith(t, key, strings.NewReader(content), func(in *s3.PutObjectInput) { in.StorageClass = class })
}

// toldOf counts the lines of the mount's log about an archived object.
func (m *mount) toldOf(key string) (n int) {
	for line := range strings.Lines(tail(m.logFile, 1<<20)) {
		if strings.Contains(line, "archived object") && strings.Contains(line, "key="+key+" ") {
			n++
		}
	}
	return n
}

// K05 B58: what is archived is there as a name with its facts. Reading it fails at
// once, and the log says once of each object what it is and what to do.
func TestArchivedObject(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	m := e.mount(t, mountOptions{})
	for key, class := range map[string]types.StorageClass{
		"g": "GLACIER", "d/deep": "DEEP_ARCHIVE", "open": "GLACIER", "new": "GLACIER", "target": "GLACIER", "d/instant": "GLACIER_IR", "tiered": "INTELLIGENT_TIERING",
	} {
		e.putClass(t, key, "needle\n", class)
	}
	e.s3.put(t, "plain", "needle\n")
	m.sh(t, `ls -l $MNT $MNT/d`)
	m.wantSh(t, getRestore+`stat -c %s $MNT/g; restore $MNT/g; echo; restore $MNT/d/deep; echo
		for f in plain tiered d/instant d; do ! restore $MNT/$f 2>/dev/null; done; cat $MNT/d/instant $MNT/tiered
		getfattr -d -m user.s3.restore --absolute-names $MNT/g | grep -c 'archived: not restored'; getfattr -d -m - --absolute-names $MNT/plain | grep -c restore || true`,
		"7\narchived: not restored\narchived: not restored\nneedle\nneedle\n1\n0")

	e.takeRequests()
	begin := time.Now()
	for range 3 {
		for _, script := range []string{`cat $MNT/g`, `cp $MNT/g $W/`, `mv $MNT/g $MNT/h`, `chmod 600 $MNT/g`} {
			if r := m.try(scriptTimeout, script); r.code == 0 || !strings.Contains(r.stderr, "not permitted") {
				t.Errorf("%s: %v, want EPERM", script, r)
			}
		}
	}
	if took := time.Since(begin); took > time.Minute { // a retry would be seen below; this is for a wait
		t.Errorf("12 refusals took %v", took)
	}
	if cost := e.takeRequests(); cost["GetObject"] > 12 || cost["CopyObject"] > 6 { // the kernel may ask twice for what a read needs
		t.Errorf("12 refusals cost %v: too many for no retry", cost)
	}
	if r := m.try(scriptTimeout, `grep -rl needle $MNT | sort | sed "s|$MNT/||"`); r.stdout != "d/instant\nplain\ntiered\n" {
		t.Errorf("grep -r: %v, want it to go on", r)
	}
	for _, key := range []string{"g", "d/deep"} {
		if n := m.toldOf(key); n != 1 {
			t.Errorf("%d lines of the log tell of %s, want 1", n, key)
		}
	}
	if text := tail(m.logFile, 1<<20); !strings.Contains(text, "class=DEEP_ARCHIVE") || !strings.Contains(text, "restore-object") {
		t.Errorf("the log does not name the class and what to do: %s", clip(text))
	}
	// What needs none of the bytes works, also while the file is open.
	m.sh(t, `stat $MNT/open >/dev/null; exec 3<>$MNT/open; rm $MNT/open; exec 3>&-; rm $MNT/d/deep
		echo new > $MNT/new; exec 3<>$MNT/target; mv $MNT/plain $MNT/target; exec 3>&-; cat $MNT/new $MNT/target`)
	e.s3.wantKeys(t, "", "d/instant", "g", "new", "target", "tiered")
	if got := m.py(t, `
fd=os.open(MNT+'/g',os.O_WRONLY|os.O_APPEND); os.write(fd,b'more')
try: os.close(fd); print('stored')
except OSError as e: print(errno.errorcode[e.errno])`); got != "EPERM" {
		t.Errorf("close after an edit: %s, want EPERM", got)
	}
	if h := e.s3.head(t, "g"); *h.ContentLength != 7 || h.StorageClass != types.StorageClassGlacier {
		t.Errorf("g has changed: %d bytes of class %s", *h.ContentLength, h.StorageClass)
	}
}

// archive is a proxy that shows the objects of a server as archived ones. Its
// state is their x-amz-restore; they can be read where that says so.
type archive struct {
	url     string
	restore atomic.Value // string
}

func newArchive(t *testing.T, upstream string) *archive {
	t.Helper()
	to, err := url.Parse(upstream)
	if err != nil {
		t.Fatal(err)
	}
	a := &archive{}
	a.restore.Store("")
	proxy := &httputil.ReverseProxy{
		Rewrite:        func(r *httputil.ProxyRequest) { r.SetURL(to); r.Out.Host = r.In.Host },
		ModifyResponse: a.rewrite,
	}
	s := httptest.NewServer(proxy)
	t.Cleanup(s.Close)
	a.url = s.URL
	return a
}

func (a *archive) rewrite(r *http.Response) error {
	restore := a.restore.Load().(string)
	isObject := r.Header.Get("ETag") != "" && (r.Request.Method == http.MethodGet || r.Request.Method == http.MethodHead)
	switch {
	case isObject && r.Request.Method == http.MethodGet && !strings.Contains(restore, `"false"`):
		body := `<Error><Code>InvalidObjectState</Code><Message>not valid for the object's storage class</Message></Error>`
		r.StatusCode, r.Header = http.StatusForbidden, http.Header{"Content-Type": {"application/xml"}}
		return a.answer(r, []byte(body))
	case isObject:
		r.Header.Set("x-amz-storage-class", "GLACIER")
		if restore != "" {
			r.Header.Set("x-amz-restore", restore)
		}
	case r.Request.Method == http.MethodGet: // a listing
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return err
		}
		return a.answer(r, bytes.ReplaceAll(body, []byte(">STANDARD<"), []byte(">GLACIER<")))
	}
	return nil
}

func (a *archive) answer(r *http.Response, body []byte) error {
	err := r.Body.Close()
	r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(body)), int64(len(body))
	r.Header.Set("Content-Length", fmt.Sprint(len(body)))
	return err
}

// K05 B58: the state of a restore is seen as it goes on, though the version stays
// the same; what is restored can be read, and what was known before is no obstacle.
func TestRestoredObject(t *testing.T) {
	e := newEnv(t, envOptions{})
	a := newArchive(t, e.endpoint)
	e.mountURL = a.url
	e.s3.put(t, "g", "content\n")
	m := e.mount(t, mountOptions{args: []string{"--metadata-ttl", "1h"}})
	const ongoing, restored = `ongoing-request="true"`, `ongoing-request="false", expiry-date="Fri, 21 Dec 2035 00:00:00 GMT"`
	for _, c := range []struct{ state, shown, content string }{
		{"", "archived: not restored", ""}, {ongoing, ongoing, ""}, {restored, restored, "content"},
		{"", "archived: not restored", "content"}, // by the page cache: the version is the same
	} {
		a.restore.Store(c.state)
		time.Sleep(trusted)
		m.wantSh(t, getRestore+`ls -l $MNT >/dev/null; restore $MNT/g`, c.shown)
		r := m.try(scriptTimeout, `cat $MNT/g`)
		if got := strings.TrimSpace(r.stdout); got != c.content || (r.code == 0) != (c.content != "") {
			t.Errorf("state %q: cat: %v, want %q", c.state, r, c.content)
		}
	}
	if n := m.toldOf("g"); n != 1 {
		t.Errorf("%d lines of the log tell of it, want 1", n)
	}
}
