// Package background lets `mount` return when the mount answers while a process
// in its own session goes on serving it.
//
// A Go program cannot fork, so the command starts itself again with the same
// arguments (Start). The child (FromEnv) reports through a pipe either that it
// is ready or, in one line, why it cannot mount; a child that dies closes the
// pipe. Until it is ready its stderr also leads to the command, so that a crash
// is seen; afterwards it holds nothing of the terminal.
package background
