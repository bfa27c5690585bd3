// Package mountpoint looks at the directory that is, was or shall be a mount,
// and attaches and detaches nothing but what is named.
//
// A mount whose server is dead or hangs blocks whoever touches it, so every
// system call on such a directory goes through bounded.
package mountpoint

// FSType is the file system type that df -T and mount show.
const FSType = "fuse.pailfs"
