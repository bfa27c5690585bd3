// Package control is the socket through which other commands reach the process
// that serves a mount.
//
// The protocol is JSON, one request and one response per line:
//
//	{"v":1,"op":"status"}
//	{"v":1,"ok":true,"status":{…}}
//
// Version 1 knows the operations of the Op… constants. A request of another
// version or operation is answered with "ok":false and "error".
//
// The sockets have mode 0600 in a directory of mode 0700 that belongs to the
// user, so only that user and root can speak to a mount. A socket is named by
// a hash of its mount point.
package control
