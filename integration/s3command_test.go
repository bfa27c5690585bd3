package integration

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// s3Command is the `s3` that scripts call: s3 put KEY [FILE], get KEY, rm KEY,
// head KEY, ls PREFIX, mpus, putmany (keys from stdin), straight to the store.
func s3Command(args []string, in io.Reader, out, errOut io.Writer) int {
	o := newOutside(os.Getenv("S3_URL"), os.Getenv("S3_BUCKET"), os.Getenv("S3_KEY"), os.Getenv("S3_SECRET"))
	if err := o.run(args, in, out); err != nil {
		fmt.Fprintf(errOut, "s3 %s: %v\n", strings.Join(args, " "), err)
		return 1
	}
	return 0
}

func (o *outside) run(args []string, in io.Reader, out io.Writer) error {
	verb, arg := "", ""
	if len(args) > 0 {
		verb = args[0]
	}
	if len(args) > 1 {
		arg = args[1]
	}
	ctx := context.Background()
	switch verb {
	case "put":
		return o.runPut(args, in)
	case "putmany":
		text, err := io.ReadAll(in)
		if err != nil {
			return err
		}
		return o.putAll(strings.Fields(string(text)), empty)
	case "get":
		got, err := o.open(ctx, arg)
		if err != nil {
			return err
		}
		defer got.Body.Close()
		_, err = io.Copy(out, got.Body)
		return err
	case "rm":
		_, err := o.client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &o.bucket, Key: &arg})
		return err
	case "head":
		got, err := o.client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &o.bucket, Key: &arg})
		if err == nil {
			fmt.Fprintln(out, aws.ToInt64(got.ContentLength), got.Metadata)
		}
		return err
	case "ls":
		return printAll(out)(o.list(arg))
	case "mpus":
		return printAll(out)(o.openUploads())
	}
	return fmt.Errorf("unknown verb %q", verb)
}

func printAll(out io.Writer) func([]string, error) error {
	return func(keys []string, err error) error {
		for _, k := range keys {
			fmt.Fprintln(out, k)
		}
		return err
	}
}

func (o *outside) runPut(args []string, in io.Reader) error {
	if len(args) > 2 {
		f, err := os.Open(args[2])
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	body, err := io.ReadAll(in)
	if err != nil {
		return err
	}
	return o.putReader(args[1], strings.NewReader(string(body)), int64(len(body)))
}

// s3Tool makes the `s3` command in a directory for PATH.
func s3Tool(t *testing.T, e *env, dir string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	script := fmt.Sprintf("#!/bin/sh\nexport GORACE=atexit_sleep_ms=0 %s=s3 S3_URL='%s' S3_BUCKET='%s' S3_KEY='%s' S3_SECRET='%s'\nexec '%s' \"$@\"\n",
		asEnv, e.endpoint, e.bucket, accessKey, secretKey, self)
	if err := os.WriteFile(filepath.Join(dir, "s3"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
}
