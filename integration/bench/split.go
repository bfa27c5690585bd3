package main

import "os"

// split is the CPU seconds of those who share the machine with a program that
// is measured: together they tell whether the cores are the limit.
type split struct {
	Bench  float64 `json:"bench_seconds"`  // this process, with the lab in it
	Server float64 `json:"server_seconds"` // the S3 server
	Reader float64 `json:"reader_seconds"` // who reads in the mount; 0 where the program itself does
	// Machine is what all processes and the kernel used: what is above the sum of
	// those that are known is somebody else's.
	Machine float64 `json:"machine_seconds"`
}

// splits tells that all the work is done by processes that split knows: a
// workload that starts commands has more, and the end of one that writes is
// looked for by this process.
func (w workload) splits() bool { return w.unit == unitSpeed && !w.writes }

// others returns what those beside the program, pid, have used so far.
func (r *runner) others(d *driver, pid int) split {
	s := split{Bench: usageOf(os.Getpid()).cpu, Server: usageOf(r.server.PID()).cpu, Machine: machineCPU()}
	if d.pid() != pid {
		s.Reader = usageOf(d.pid()).cpu
	}
	return s
}

func (s split) since(begin split) *split {
	return &split{Bench: s.Bench - begin.Bench, Server: s.Server - begin.Server, Reader: s.Reader - begin.Reader,
		Machine: s.Machine - begin.Machine}
}

func (s split) sum() float64 { return s.Bench + s.Server + s.Reader }
