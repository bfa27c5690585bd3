// Package mutants proves that the tests of package integration catch broken
// builds: it builds pailfs with a fault put in on purpose, and wants a named
// test to fail. The sources are not touched; a build takes the edited files
// from elsewhere (go build -overlay).
//
// go test runs the faults that every change should be safe from;
// PAILFS_MUTANTS=all runs all of them, PAILFS_MUTANTS=REGEXP those whose name
// matches.
package mutants
