package background

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestMain lets this test's own binary be the child that Start runs.
func TestMain(m *testing.M) {
	if c := FromEnv(); c != nil {
		os.Exit(child(c, os.Args[1], os.Args[2]))
	}
	os.Exit(m.Run())
}

// child plays one way in which a background process may begin.
func child(c *Child, part, dir string) int {
	switch part {
	case "ready":
		if err := c.Ready(Message{PID: os.Getpid(), Dir: dir, LogFile: "/log"}); err != nil {
			return 1
		}
		c.Fail(errors.New("too late to be heard"))
		time.Sleep(time.Minute)
	case "fail":
		c.Fail(errors.New("no such bucket"))
		return 1
	case "exit":
		os.Stderr.WriteString("something broke\nmore\n")
		return 7
	case "hang":
		time.Sleep(time.Minute)
	case "detach":
		if err := c.Detach(); err != nil {
			c.Fail(err)
			return 1
		}
		wd, err := os.Getwd()
		c.Fail(errors.Join(err, errors.New(wd+" "+os.Getenv("AWS_CONFIG_FILE"))))
	}
	return 0
}

func TestReady(t *testing.T) {
	dir := t.TempDir()
	msg, err := Start(t.Context(), []string{"ready", dir}, dir)
	if err != nil || msg.PID <= 0 || msg.Dir != dir || msg.LogFile != "/log" {
		t.Fatalf("%+v, %v", msg, err)
	}
	sid, _, errno := syscall.Syscall(syscall.SYS_GETSID, uintptr(msg.PID), 0, 0)
	if errno != 0 || int(sid) != msg.PID {
		t.Errorf("session %d, %v: it must have one of its own", sid, errno)
	}
	for fd, want := range map[string]string{"0": os.DevNull, "1": os.DevNull, "2": os.DevNull} {
		if got, err := os.Readlink(filepath.Join("/proc", strconv.Itoa(msg.PID), "fd", fd)); err != nil || got != want {
			t.Errorf("descriptor %s is %s, %v", fd, got, err)
		}
	}
	if err := syscall.Kill(msg.PID, syscall.SIGKILL); err != nil {
		t.Error(err)
	}
}

func TestNotReady(t *testing.T) {
	for part, want := range map[string][]string{
		"fail": {"no such bucket"},
		"exit": {"died", "exit status 7", "something broke"},
	} {
		_, err := Start(t.Context(), []string{part, ""}, t.TempDir())
		for _, w := range want {
			if err == nil || !strings.Contains(err.Error(), w) || strings.Contains(err.Error(), "\n") {
				t.Errorf("%s: %v, want %q", part, err, w)
			}
		}
	}
}

func TestInterrupted(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	begun := time.Now()
	if _, err := Start(ctx, []string{"hang", ""}, t.TempDir()); err == nil || time.Since(begun) > stopTimeout {
		t.Errorf("%v after %v", err, time.Since(begun))
	}
}

func TestDetach(t *testing.T) {
	t.Setenv("AWS_CONFIG_FILE", "conf")
	wd, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	_, err = Start(t.Context(), []string{"detach", ""}, t.TempDir())
	if want := "/ " + filepath.Join(wd, "conf"); err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

func TestNoChild(t *testing.T) {
	if FromEnv() != nil {
		t.Error("this process is no child")
	}
}
