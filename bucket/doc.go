// Package bucket is S3 and nothing else: list, head, get, put, multipart,
// copy, delete and presign for one bucket, with typed errors.
//
// It is the only package that imports the AWS SDK. Keys are whole object keys:
// a mount prefix, names and directories are the business of package fs. ETags
// are held without their quotes.
//
// Every call is bounded: it retries transient failures with jittered backoff
// until the operation's deadline (Options.Deadline), and all calls of a Bucket
// share one throttle that a 503 SlowDown closes for a while.
package bucket
