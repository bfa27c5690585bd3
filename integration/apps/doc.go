// Package apps runs real programs on a mount: see README.md. The checks are
// bash; its tests run them and show each result as one of `go test`.
package apps
