package integration

import (
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

const getLink = `link() { getfattr --absolute-names --only-values -n user.s3.url${2:+.$2} -- "$1"; }` + "\n"

// link reads a share link of a file below the mount.
func (m *mount) link(t *testing.T, name, lifetime string) string {
	t.Helper()
	return m.sh(t, getLink+"link "+quote(m.dir+"/", name)+" "+lifetime)
}

func parseLink(t *testing.T, link string) *url.URL {
	t.Helper()
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// status is what curl gets without credentials.
func (m *mount) status(t *testing.T, link string) string {
	t.Helper()
	return m.sh(t, "curl -sS -o got -w '%{http_code}' "+quote("", link))
}

// K15 B130: a link works for plain clients, since only the host is signed.
func TestLinkWorksInPlainClients(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	m.sh(t, `echo hi > $MNT/f`)
	link := m.link(t, "f", "")
	if got := parseLink(t, link).Query().Get("X-Amz-SignedHeaders"); got != "host" {
		t.Errorf("signed headers %q, want host", got)
	}
	m.wantSh(t, "curl -fsS "+quote("", link), "hi")
	m.wantSh(t, "curl -fsS -r 0-0 "+quote("", link), "h")
	m.wantSh(t, "wget -qO- "+quote("", link), "hi")
	shared := m.sh(t, `$PAILFS share $MNT/f --expires 24h`)
	if got := parseLink(t, shared).Query().Get("X-Amz-Expires"); got != "86400" {
		t.Errorf("share --expires 24h: X-Amz-Expires %q", got)
	}
	m.wantSh(t, "curl -fsS "+quote("", shared), "hi")
}

// Names that need escaping in a URL.
var oddNames = []string{
	"a b", "a+b", "100%", "%41", "a&b=c", "a#b", "a?b", "é", "日本語 ✓", "it's", `say "hi"`, "a;b,c", "a=b", "~a", "[x]{y}", "a@b:c", "$x!*()", "e\u0301",
	`back\slash`, "<a>", "a|b^c`d",
}

func TestLinksOfOddNames(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	for i, name := range oddNames {
		want := fmt.Sprintf("content %d", i)
		m.sh(t, fmt.Sprintf("printf '%s' > %s", want, quote(m.dir+"/", name)))
		if got := e.s3.get(t, name); got != want {
			t.Errorf("%q: object is %q, want %q", name, got, want)
		}
		if got := m.sh(t, "curl -fsS "+quote("", m.link(t, name, ""))); got != want {
			t.Errorf("%q: link gives %q, want %q", name, got, want)
		}
	}
}

func TestLinkIsRefusedAfterItsEnd(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	m.sh(t, `echo hi > $MNT/f`)
	short := m.link(t, "f", "1s")
	time.Sleep(2500 * time.Millisecond)
	if got := m.status(t, short); got != "403" {
		t.Errorf("after its end: HTTP %s, want 403", got)
	}
	long := m.link(t, "f", "15m")
	if got := m.status(t, long); got != "200" {
		t.Errorf("the link itself: HTTP %s, want 200", got)
	}
	for _, part := range []string{"X-Amz-Signature=", "X-Amz-Expires=", "X-Amz-Date=", "/" + testBucket + "/"} {
		if got := m.status(t, changeAfter(long, part)); got != "403" && got != "400" {
			t.Errorf("one character after %q changed: HTTP %s, want 403", part, got)
		}
	}
}

// changeAfter replaces the character after part by another.
func changeAfter(link, part string) string {
	i := strings.Index(link, part) + len(part)
	other := "1"
	if link[i] == '1' {
		other = "2"
	}
	return link[:i] + other + link[i+1:]
}

func TestLinkNames(t *testing.T) {
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{args: []string{"--link-expires", "10m"}})
	m.sh(t, `echo hi > $MNT/f; mkdir $MNT/d; ln -s f $MNT/l`)
	for lifetime, seconds := range map[string]string{"": "600", "90s": "90", "24h": "86400", "7d": "604800"} {
		if got := parseLink(t, m.link(t, "f", lifetime)).Query().Get("X-Amz-Expires"); got != seconds {
			t.Errorf("lifetime %q: X-Amz-Expires %q, want %s", lifetime, got, seconds)
		}
	}
	end, err := time.Parse(time.RFC3339, m.sh(t, `getfattr --absolute-names --only-values -n user.s3.url.expires $MNT/f`))
	if left := time.Until(end); err != nil || left < 9*time.Minute || left > 10*time.Minute {
		t.Errorf("expires in %v (%v), want 10m", left, err)
	}
	m.wantSh(t, `getfattr --absolute-names -d -m - $MNT/f | grep -c url || true`, "0")
	m.wantSh(t, `getfattr --absolute-names -d -m - $MNT/f | grep -c -e user.s3.etag -e 'user.s3.size="3"' -e 'user.s3.key="f"' -e 'user.s3.bucket="test-bucket"'`, "4")
	got := m.py(t, `
def try_(path, name):
    try: os.getxattr(path, name, follow_symlinks=False); print('ok')
    except OSError as e: print(errno.errorcode[e.errno])
f=MNT+'/f'
for n in 'user.s3.url.8d','user.s3.url.200h','user.s3.url.0s','user.s3.nope','security.capability': try_(f,n)
try_(MNT+'/d','user.s3.url')
try: os.setxattr(f,'user.s3.etag',b'x'); print('set')
except OSError as e: print('refused')`)
	if want := "EINVAL\nEINVAL\nEINVAL\nENODATA\nENODATA\nENODATA\nrefused"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

// K15 B131: links made with session credentials carry the token and say
// truthfully when they end; more than 7 days and nothing are refused.
func TestLinkOfSessionCredentials(t *testing.T) {
	e := newEnv(t, envOptions{})
	const left = 15 * time.Minute
	config := sessionConfig(t, e, time.Now().Add(left))
	e.mountURL = resigner(t, e.endpoint) // the server knows no tokens
	m := e.mount(t, mountOptions{env: []string{"AWS_CONFIG_FILE=" + config, "AWS_ACCESS_KEY_ID=", "AWS_SECRET_ACCESS_KEY="}})
	m.sh(t, `echo hi > $MNT/f`)
	query := parseLink(t, m.link(t, "f", "10m")).Query()
	if query.Get("X-Amz-Security-Token") != "the-token" || query.Get("X-Amz-Expires") != "600" {
		t.Errorf("link of 10 minutes: token %q, expires %q", query.Get("X-Amz-Security-Token"), query.Get("X-Amz-Expires"))
	}
	seconds, err := strconv.Atoi(parseLink(t, m.link(t, "f", "7d")).Query().Get("X-Amz-Expires"))
	if err != nil || seconds > int(left.Seconds()) {
		t.Errorf("link of 7 days with 15 minutes left: X-Amz-Expires %d (%v), want at most 900", seconds, err)
	}
	end, err := time.Parse(time.RFC3339, m.sh(t, `getfattr --absolute-names --only-values -n user.s3.url.expires $MNT/f`))
	if err != nil || time.Until(end) > left {
		t.Errorf("said to end at %v (%v), want within 15 minutes", end, err)
	}
	// `share` refuses, or says the true end.
	if r := m.try(scriptTimeout, `$PAILFS share --expires 168h $MNT/f`); r.code == 0 && !strings.Contains(r.stderr, "expire") && !strings.Contains(r.stderr, "until") {
		t.Errorf("share --expires 168h: %v, want a warning with the true end", r)
	}
	for _, bad := range []string{"200h", "0", "-1h"} {
		if r := m.try(scriptTimeout, `$PAILFS share --expires=`+bad+` $MNT/f`); r.code == 0 {
			t.Errorf("share --expires %s: %v, want a refusal", bad, r)
		}
	}
}

// sessionConfig is an AWS configuration whose credentials have a token and an end.
func sessionConfig(t *testing.T, e *env, end time.Time) string {
	t.Helper()
	answer := filepath.Join(e.dir, "credentials.json")
	text := fmt.Sprintf(`{"Version": 1, "AccessKeyId": %q, "SecretAccessKey": %q, "SessionToken": "the-token", "Expiration": %q}`,
		accessKey, secretKey, end.UTC().Format(time.RFC3339))
	config := filepath.Join(e.dir, "aws-config")
	for path, content := range map[string]string{answer: text, config: "[default]\ncredential_process = cat " + answer + "\n"} {
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return config
}

// K15 B132: path style and the mount's prefix are kept in the link.
func TestLinkOfPrefixMount(t *testing.T) {
	e := newEnv(t, envOptions{})
	e.s3.put(t, "p/q r/f", "hi\n")
	m := e.mount(t, mountOptions{prefix: "p/q r"})
	link := m.link(t, "f", "")
	u := parseLink(t, link)
	if u.Path != "/"+e.bucket+"/p/q r/f" || "http://"+u.Host != e.mountURL {
		t.Errorf("link %q: path %q, want /%s/p/q r/f on %s", link, u.Path, e.bucket, e.mountURL)
	}
	m.wantSh(t, "curl -fsS "+quote("", link), "hi")
}

// Making a link sends no request, and no link is logged.
func TestLinkCostsNothing(t *testing.T) {
	e := newEnv(t, envOptions{lab: true})
	m := e.mount(t, mountOptions{args: []string{"--log-level", "debug"}})
	m.sh(t, `echo hi > $MNT/f; ls -l $MNT >/dev/null`)
	e.takeRequests()
	m.sh(t, getLink+`for i in $(seq 20); do link $MNT/f; link $MNT/f ${i}h; done`)
	if cost := e.takeRequests(); cost.total() != 0 {
		t.Errorf("40 links cost %v, want nothing", cost)
	}
	if text := tail(m.logFile, 1<<20); strings.Contains(text, "X-Amz-Signature=") {
		t.Error("a link is in the log")
	}
}
