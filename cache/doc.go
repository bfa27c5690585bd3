// Package cache is all that is kept on this machine: what is known of names
// and attributes (Metadata), the blocks of a reader (Reader, Budget) and the
// dirty files (Draft, Stage).
//
// It knows keys and versions, not inodes: package fs decides what a key is
// called and which version an inode shows.
package cache
