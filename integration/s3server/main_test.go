package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// serve runs the command until end is called; it returns its output lines up
// to the one that says ready.
func serve(t *testing.T, args []string, stdin io.Reader) (lines []string, end func() error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	r, w := io.Pipe()
	result := make(chan error, 1)
	go func() {
		err := run(ctx, args, stdin, w, io.Discard)
		w.CloseWithError(io.EOF)
		result <- err
	}()
	scan := bufio.NewScanner(r)
	for scan.Scan() {
		lines = append(lines, scan.Text())
		if strings.HasPrefix(scan.Text(), "ready ") {
			break
		}
	}
	go func() { _, _ = io.Copy(io.Discard, r) }()
	return lines, func() error {
		cancel()
		return await(t, result)
	}
}

func await(t *testing.T, result <-chan error) error {
	t.Helper()
	select {
	case err := <-result:
		return err
	case <-time.After(20 * time.Second):
		t.Fatal("the server does not end")
		return nil
	}
}

func TestOutput(t *testing.T) {
	tests := []struct {
		name string
		args []string
		want []string // beginnings of the lines
	}{
		{"generated keys", []string{"--backend=memory"}, []string{"access-key AKIA", "secret-key ", "ready http://127.0.0.1:"}},
		{"given keys", []string{"--backend=memory", "--access-key=a", "--secret-key=b"}, []string{"ready http://127.0.0.1:"}},
		{"posix", []string{"--access-key=a", "--secret-key=b", "--bucket=one", "--bucket=two"}, []string{"ready http://127.0.0.1:"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Chdir(t.TempDir()) // the posix backend moves into its root; Chdir moves back
			lines, end := serve(t, append(tt.args, "--dir=."), nil)
			if len(lines) != len(tt.want) {
				t.Fatalf("output %q", lines)
			}
			for i, want := range tt.want {
				if !strings.HasPrefix(lines[i], want) {
					t.Errorf("line %q, want %q", lines[i], want)
				}
			}
			resp, err := http.Get(strings.TrimPrefix(lines[len(lines)-1], "ready "))
			if err != nil || resp.StatusCode != http.StatusForbidden {
				t.Errorf("unsigned request: %v, %v", resp, err)
			}
			http.DefaultClient.CloseIdleConnections()
			if err := end(); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestExitOnStdinClose(t *testing.T) {
	stdin, parent := io.Pipe()
	result := make(chan error, 1)
	go func() {
		result <- run(context.Background(), []string{"--backend=memory", "--exit-on-stdin-close"}, stdin, io.Discard, io.Discard)
	}()
	select {
	case err := <-result:
		t.Fatalf("ended before its parent: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	parent.Close()
	if err := await(t, result); err != nil {
		t.Error(err)
	}
}

func TestBadArguments(t *testing.T) {
	for _, args := range [][]string{
		{"--backend=tape"}, {"--backend=posix"}, {"--backend=posix", "--dir=/no/such/dir"}, {"stray"}, {"--no-such-flag"},
		{"--synthetic=5", "--dir=."}, {"--listen=nowhere", "--backend=memory"}, {"--backend=memory", "--synthetic=-1"},
	} {
		var out bytes.Buffer
		if err := run(t.Context(), args, nil, &out, io.Discard); err == nil || out.Len() > 0 {
			t.Errorf("%q: error %v, output %q", args, err, &out)
		}
	}
}
