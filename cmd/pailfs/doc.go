// Command pailfs mounts an S3 bucket as a local directory.
//
// Each verb has a file of its own; what a verb does beyond reading its
// arguments lies in the packages below internal:
//
//	options     flags, environment, -o list -> Options of the layers
//	serve       the life of one mount, in the process that serves it
//	background  the mount command's way to leave that process behind
//	control     the socket by which the other verbs reach it
//	mountpoint  the mount table, checks, unmounting
//	lifetime    how long share links live
//	demo        the guided tour
//
// Every error is one line on stderr, `pailfs: …`, and exit code 1.
package main
