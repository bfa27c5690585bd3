package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// usage is what a process has used so far.
type usage struct {
	peak int64   // bytes of memory, at most at any time
	cpu  float64 // seconds, user and system
}

// clockTick is USER_HZ, which Linux gives to user space as 100 everywhere.
const clockTick = 100

func usageOf(pid int) usage {
	var u usage
	status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			u.peak = kib << 10
		}
	}
	stat, _ := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	// The name in parentheses may hold anything; what counts is behind it.
	if i := bytes.LastIndexByte(stat, ')'); i >= 0 {
		if f := strings.Fields(string(stat[i+1:])); len(f) > 12 {
			user, _ := strconv.ParseFloat(f[11], 64)
			system, _ := strconv.ParseFloat(f[12], 64)
			u.cpu = (user + system) / clockTick
		}
	}
	return u
}

// machineCPU is the CPU seconds that all processes and the kernel have used
// since the start of the machine.
func machineCPU() float64 {
	text, _ := os.ReadFile("/proc/stat")
	first, _, _ := strings.Cut(string(text), "\n")
	var ticks float64
	for i, field := range strings.Fields(first) {
		// user nice system idle iowait irq softirq; steal is not ours, and guests
		// are within user.
		if slices.Contains([]int{1, 2, 3, 6, 7}, i) {
			n, _ := strconv.ParseFloat(field, 64)
			ticks += n
		}
	}
	return ticks / clockTick
}

// machine describes where a result comes from.
type machine struct {
	CPU    string `json:"cpu"`
	Cores  int    `json:"cores"`
	Memory int64  `json:"memory_bytes"`
	Kernel string `json:"kernel"`
	Go     string `json:"go"`
}

func thisMachine() machine {
	m := machine{Cores: runtime.NumCPU(), Go: runtime.Version()}
	kernel, _ := os.ReadFile("/proc/sys/kernel/osrelease")
	m.Kernel = strings.TrimSpace(string(kernel))
	m.CPU = procField("/proc/cpuinfo", "model name")
	if kib, err := strconv.ParseInt(strings.TrimSuffix(procField("/proc/meminfo", "MemTotal"), " kB"), 10, 64); err == nil {
		m.Memory = kib << 10
	}
	return m
}

// procField returns the first value of a file of "name: value" lines.
func procField(file, name string) string {
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// probe tells how fast this machine is at this moment: MB/s of SHA-256 on one
// core. Where it falls, something else is running.
func probe() float64 {
	const rounds = 32
	b := make([]byte, mib)
	h := sha256.New()
	start := time.Now()
	for range rounds {
		h.Write(b)
	}
	return rounds * float64(mib) / 1e6 / time.Since(start).Seconds()
}

func loadAverage() float64 {
	text, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(text), " ")
	load, _ := strconv.ParseFloat(first, 64)
	return load
}
