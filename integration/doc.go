// Package integration holds the tests of the whole program: they build the
// binaries, start a real S3 server, mount through the real /dev/fuse and look
// at the result from outside, with another S3 client.
//
// A process that touches a mount it waits for can hang with it, so nothing
// here touches a mount itself: bash, python3 and re-executed copies of the
// test binary do, each with a time limit.
//
// The environment can say: PAILFS_BIN and S3SERVER_BIN name binaries to use
// instead of building them; CI=true makes a missing tool a failure, not a
// skip; PAILFS_TEST_LOG is the log level of the mounts (info);
// PAILFS_TEST_FLAGS are more flags for the mounts of env.mount, separated by
// spaces, as --memory-limit=32MiB. Those that a test sets itself go before.
package integration
