package demo

import (
	"bytes"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSamples(t *testing.T) {
	dir := t.TempDir()
	if err := writeSamples(dir); err != nil {
		t.Fatal(err)
	}
	raw, err := os.ReadFile(filepath.Join(dir, "tree/pictures/gradient.png"))
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(raw))
	if err != nil || img.Bounds().Dx() != 320 {
		t.Errorf("%v, %v", img, err)
	}
}

func TestChildEnv(t *testing.T) {
	t.Setenv("AWS_PROFILE", "work")
	t.Setenv("PAILFS_READ_ONLY", "true")
	t.Setenv("PAILFS_RUNTIME_DIR", "/r")
	t.Setenv("https_proxy", "http://proxy")
	env := childEnv("AWS_REGION=x")
	for _, kv := range env {
		name, _, _ := strings.Cut(kv, "=")
		if name == "AWS_PROFILE" || name == "PAILFS_READ_ONLY" || name == "https_proxy" {
			t.Errorf("%s goes to the children", kv)
		}
	}
	if !slices.Contains(env, "PAILFS_RUNTIME_DIR=/r") || !slices.Contains(env, "AWS_REGION=x") {
		t.Errorf("%v", env)
	}
}

func TestFindServer(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(EnvServer, "")
	exe := filepath.Join(dir, "pailfs")
	if _, err := findServer(exe); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("no server: %v", err)
	}
	want := filepath.Join(dir, "s3server")
	if err := os.WriteFile(want, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	if got, err := findServer(exe); err != nil || got != want {
		t.Errorf("%s, %v", got, err)
	}
	t.Setenv(EnvServer, filepath.Join(dir, "other"))
	if _, err := findServer(exe); err == nil || !strings.Contains(err.Error(), EnvServer) {
		t.Errorf("a bad variable: %v", err)
	}
}

func TestServerLines(t *testing.T) {
	var s server
	for _, line := range []string{"access-key AK", "secret-key SK", "something else", ""} {
		if s.take(line) {
			t.Errorf("%q was taken as the last", line)
		}
	}
	if !s.take("ready http://127.0.0.1:1") || s.url != "http://127.0.0.1:1" || s.accessKey != "AK" || s.secretKey != "SK" {
		t.Errorf("%+v", s)
	}
}
