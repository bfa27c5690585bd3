// Package fs is FUSE and nothing else: the node tree, handles, rename, and the
// one table from errors to errno.
//
// A node is one kernel inode. A file's inode is one lineage of versions of one
// object: our own commits move it on, a foreign new version gets a new inode.
// So the page cache, the size and the bytes of an inode never mix versions.
//
// Locks, in the order in which they may be taken:
//
//	guard    a key or a prefix, held over S3 requests that change it
//	commit   one node's commit, held over its upload
//	tree.mu  which node stands at which key; never held over I/O
//	node.mu  one node's state; never held over I/O
//
// Handlers run on the kernel's context only while they wait for something
// they may give up (see patient); whatever changes the bucket runs to its end.
package fs
