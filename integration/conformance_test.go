package integration

import (
	"strings"
	"testing"
	"time"
)

// Package bucket's conformance suite, which by itself is skipped for want of a
// server, on both of ours. The posix backend does not honour what PAILFS_TEST_LAX
// names: see integration/s3server's README.
func TestBucketConformance(t *testing.T) {
	for backend, lax := range map[string]string{"memory": "", "posix": "copy-conditions,delete-missing,delete-etag"} {
		t.Run(backend, func(t *testing.T) {
			e := newEnv(t, envOptions{backend: backend})
			environ := append(e.environ(), "PAILFS_TEST_ENDPOINT="+e.endpoint, "PAILFS_TEST_BUCKET="+e.bucket, "PAILFS_TEST_LAX="+lax,
				"GOCACHE="+goEnv(t, "GOCACHE"), "GOMODCACHE="+goEnv(t, "GOMODCACHE"), "GOPROXY="+goEnv(t, "GOPROXY"))
			r := runChild(4*time.Minute, "../bucket", environ, nil, "go", "test", "-count=1", "-v", "-run", "^TestConformance", ".")
			if r.code != 0 || !strings.Contains(r.stdout, "--- PASS: TestConformanceConditions") {
				t.Errorf("%v", r)
			}
			want := len(strings.FieldsFunc(lax, func(c rune) bool { return c == ',' })) // a test each
			if skipped := strings.Count(r.stdout, "--- SKIP"); skipped != want {
				t.Errorf("%d skipped, want %d\n%s", skipped, want, r.stdout)
			}
		})
	}
}

func goEnv(t *testing.T, name string) string {
	t.Helper()
	r := runChild(time.Minute, ".", nil, nil, "go", "env", name)
	if r.code != 0 {
		t.Fatal(r)
	}
	return strings.TrimSpace(r.stdout)
}
