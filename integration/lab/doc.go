// Package lab is a proxy that makes a local S3 server behave like a remote
// one: latency, bandwidth limits, request counts and injected faults. Tests
// start it in their own process; cmd/s3lab runs it by itself.
//
// It works below net/http. Each client connection gets its own connection to
// the server, and heads and bodies pass byte for byte, so that whatever the
// client signed stays valid, odd keys and aws-chunked bodies included. Bodies
// move by splice(2). Requests must be plain HTTP/1.1 in path style.
//
// Every goroutine belongs to a Lab; Lab.Close stops them all and waits.
package lab
