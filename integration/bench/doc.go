// Command bench measures programs that mount an S3 bucket, side by side:
// pailfs, others that are installed, a FUSE filesystem that does nothing
// ("null"), a client without any filesystem ("limit") and a file of the local
// disk ("local"). See README.md.
//
// One process runs it all: it starts the S3 server, has the lab (latency,
// bandwidth, counted requests) within itself, and starts a fresh mount for
// each measurement. Only worker processes touch a mount, so that a mount that
// hangs costs its time limit and nothing else.
//
//	main.go, commands.go      command line and exit codes
//	sizes.go                  how much data, and --scale
//	pattern.go                content that tells whether it is right
//	store.go, storechange.go  the direct client: data, limit and verification
//	prepare.go                the data that workloads need
//	workload*.go              what is measured
//	worker.go, driver.go      a worker process, and its parent's side
//	programs.go               what is measured with what: programs.json
//	process.go                a mount process
//	nullfs.go                 the null filesystem
//	server.go                 the S3 server
//	plan.go, run.go           which measurements, in which order
//	trial.go, usage.go        one measurement; CPU, memory, noise
//	split.go, memory.go       who used the CPU; the memory that pailfs may use
//	result.go                 what is stored
//	cell.go, table.go, extra.go, compare.go  what is printed
package main
