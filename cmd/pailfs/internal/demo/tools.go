package demo

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// EnvServer names the variable with the path of the S3 server.
const EnvServer = "PAILFS_S3SERVER"

// checkTools names what is missing before anything is started.
func checkTools() error {
	var missing []string
	for _, tool := range []string{"fusermount3", "getfattr", "curl"} {
		if _, err := exec.LookPath(tool); err != nil {
			missing = append(missing, tool)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("the demo needs %s: `apt-get install -y fuse3 attr curl`", strings.Join(missing, ", "))
	}
	return nil
}

// findServer finds the S3 server beside the program exe.
func findServer(exe string) (string, error) {
	if path := os.Getenv(EnvServer); path != "" {
		if _, err := exec.LookPath(path); err != nil {
			return "", fmt.Errorf("%s=%s is no program", EnvServer, path)
		}
		return filepath.Abs(path)
	}
	if full, err := filepath.EvalSymlinks(exe); err == nil {
		exe = full
	}
	path := filepath.Join(filepath.Dir(exe), "s3server")
	if _, err := exec.LookPath(path); err != nil {
		return "", fmt.Errorf("the demo needs %s: `make build` makes it, or set %s to its path", path, EnvServer)
	}
	return path, nil
}

// childEnv is the environment of the demo's children: no settings of the user's
// own buckets, and no proxy between them.
func childEnv(extra ...string) []string {
	var env []string
	for _, kv := range os.Environ() {
		name, _, _ := strings.Cut(kv, "=")
		own := strings.HasPrefix(name, "PAILFS_") && name != "PAILFS_RUNTIME_DIR"
		if own || strings.HasPrefix(name, "AWS_") || strings.HasSuffix(strings.ToLower(name), "_proxy") {
			continue
		}
		env = append(env, kv)
	}
	return append(env, extra...)
}
