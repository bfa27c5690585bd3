package background

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// envReady tells a child the descriptor of its pipe. It is not one of the
// PAILFS_ variables, which stand for flags.
const envReady = "_PAILFS_READY_FD"

// Child is the process that serves in the background.
type Child struct {
	pipe *os.File
}

// FromEnv returns nil in a process that no Start has started.
func FromEnv() *Child {
	text, ok := os.LookupEnv(envReady)
	if !ok {
		return nil
	}
	fd, err := strconv.Atoi(text)
	// Programs that this one starts are not children.
	if uerr := os.Unsetenv(envReady); uerr != nil || err != nil || fd < 3 {
		return nil
	}
	unix.CloseOnExec(fd) // fusermount3 must not keep the pipe open
	return &Child{pipe: os.NewFile(uintptr(fd), "ready")}
}

// Detach leaves the working directory, which would keep its file system busy.
// Relative paths in the AWS variables are made absolute first: tokens are read
// again while mounted.
func (c *Child) Detach() error {
	for _, name := range []string{
		"AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE", "AWS_WEB_IDENTITY_TOKEN_FILE",
		"AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "AWS_CA_BUNDLE",
	} {
		if p := os.Getenv(name); p != "" && !filepath.IsAbs(p) {
			abs, err := filepath.Abs(p)
			if err != nil {
				return err
			}
			if err := os.Setenv(name, abs); err != nil {
				return err
			}
		}
	}
	return os.Chdir("/")
}

// Ready lets go of the command's stderr, and tells the command, which waits,
// that the mount answers. An error means that the command is gone: its caller
// believes that nothing was mounted.
func (c *Child) Ready(msg Message) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close()
	if err := unix.Dup3(int(null.Fd()), 2, 0); err != nil {
		return err
	}
	if err := c.send(msg); err != nil {
		return fmt.Errorf("the mount command is gone: %w", err)
	}
	return nil
}

// Fail tells the waiting command why there is no mount; after Ready it does
// nothing.
func (c *Child) Fail(err error) {
	if c.pipe != nil {
		_ = c.send(Message{Error: err.Error()}) // nobody is left to tell
	}
}

func (c *Child) send(msg Message) error {
	defer func() { c.pipe = nil }()
	err := json.NewEncoder(c.pipe).Encode(msg)
	if cerr := c.pipe.Close(); err == nil {
		err = cerr
	}
	return err
}
