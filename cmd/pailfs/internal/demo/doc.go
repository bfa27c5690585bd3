// Package demo shows pailfs at work on a throw-away bucket: it starts the S3
// server and a mount as child processes, runs the commands of a tour in the
// mount and prints them with their real output.
//
// Nothing may be left behind, however the demo ends: the children are in
// process groups of their own, so that Ctrl-C reaches only the demo, which ends
// them in order; should the demo be killed, the kernel sends the mount SIGTERM
// and the server sees its stdin close. Folders are only removed when the mount
// table shows that nothing is mounted there.
package demo
