package integration

import (
	"fmt"
	"strings"
	"testing"

	"github.com/pailfs/pailfs/integration/internal/testkit"
)

// client is another S3 program, configured by its environment only.
type client struct {
	tool, debian string
	environ      []string
	get, put     string // scripts: $KEY and $FILE
}

func (e *env) clients() []client {
	return []client{
		{
			tool: "rclone", debian: "rclone",
			environ: []string{
				"RCLONE_CONFIG=/dev/null", "RCLONE_CONFIG_X_TYPE=s3", "RCLONE_CONFIG_X_PROVIDER=Other", "RCLONE_CONFIG_X_ENDPOINT=" + e.endpoint,
				"RCLONE_CONFIG_X_ACCESS_KEY_ID=" + accessKey, "RCLONE_CONFIG_X_SECRET_ACCESS_KEY=" + secretKey, "RCLONE_CONFIG_X_REGION=" + testRegion,
			},
			get: `rclone cat "X:$B/$KEY" > "$FILE"`,
			put: `rclone --s3-no-check-bucket copyto "$FILE" "X:$B/$KEY"`,
		},
		{
			tool: "aws", debian: "awscli",
			environ: []string{"AWS_ENDPOINT_URL=" + e.endpoint, "AWS_DEFAULT_REGION=" + testRegion},
			get:     `aws --endpoint-url "$ENDPOINT" s3 cp --quiet "s3://$B/$KEY" "$FILE"`,
			put:     `aws --endpoint-url "$ENDPOINT" s3 cp --quiet "$FILE" "s3://$B/$KEY"`,
		},
	}
}

// What cp wrote, rclone and the AWS CLI read with equal hashes, and the other
// way round.
func TestOutsideClientsAgree(t *testing.T) {
	for _, backend := range []string{"memory", "posix"} {
		t.Run(backend, func(t *testing.T) {
			e := newEnv(t, envOptions{backend: backend})
			m := e.mount(t, mountOptions{})
			for _, c := range e.clients() {
				sizes := []int64{0, 1, 5*mib + 1, 20*mib + 7}
				if backend == "posix" || c.tool == "aws" { // python takes a second to start
					sizes = []int64{1, 20*mib + 7}
				}
				t.Run(c.tool, func(t *testing.T) { agree(t, m, c, sizes) })
			}
		})
	}
}

func agree(t *testing.T, m *mount, c client, sizes []int64) {
	testkit.NeedTool(t, c.tool, c.debian)
	run := func(script, key, file string) {
		t.Helper()
		environ := append(m.scriptEnviron(), append(c.environ, "KEY="+key, "FILE="+file)...)
		if r := runChild(scriptTimeout, m.work, environ, m.kill9, "bash", "-euc", script); r.code != 0 {
			t.Fatalf("%s: %v", script, r)
		}
	}
	for _, size := range sizes {
		file := m.local(t, "src", size)
		want := fileHash(t, file)
		ours := fmt.Sprintf("%s from mount %d é", c.tool, size)
		m.sh(t, "cp $W/src "+quote(m.dir+"/", ours))
		run(c.get, ours, m.work+"/got")
		if got := fileHash(t, m.work+"/got"); got != want {
			t.Errorf("%d bytes: what cp wrote, %s reads with another hash", size, c.tool)
		}
		theirs := fmt.Sprintf("%s to mount %d é", c.tool, size)
		run(c.put, theirs, file)
		if got := m.sh(t, "sha256sum < "+quote(m.dir+"/", theirs)); !strings.HasPrefix(got, want) {
			t.Errorf("%d bytes: what %s wrote, the mount reads with another hash", size, c.tool)
		}
	}
}

// rclone keeps the mtime in x-amz-meta-mtime; both sides read the other's.
func TestRcloneMtime(t *testing.T) {
	testkit.NeedTool(t, "rclone", "rclone")
	e := newEnv(t, envOptions{})
	m := e.mount(t, mountOptions{})
	c := e.clients()[0]
	run := func(script string) string {
		t.Helper()
		r := runChild(scriptTimeout, m.work, append(m.scriptEnviron(), c.environ...), m.kill9, "bash", "-euc", script)
		if r.code != 0 {
			t.Fatalf("%s: %v", script, r)
		}
		return strings.TrimSpace(r.stdout)
	}
	run(`echo x > old; touch -d '2001-02-03 04:05:06 UTC' old; rclone --s3-no-check-bucket copyto old X:$B/theirs; cp -p old $MNT/ours`)
	if got := run(`stat -c %Y $MNT/theirs`); got != "981173106" {
		t.Errorf("mtime that rclone stored: %s, want 981173106", got)
	}
	if got := run(`TZ=UTC rclone lsl X:$B/ours`); !strings.Contains(got, "2001-02-03 04:05:06") {
		t.Errorf("mtime that the mount stored: %q", got)
	}
}
