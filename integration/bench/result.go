package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/pailfs/pailfs/integration/lab"
)

// fileFormat counts changes of the JSON that old readers would misunderstand.
const fileFormat = 1

// file is the JSON that a run writes.
type file struct {
	Format   int           `json:"format"`
	Started  time.Time     `json:"started"`
	Seconds  float64       `json:"seconds"` // the run took
	Machine  machine       `json:"machine"`
	Backend  string        `json:"backend"`
	Scale    int           `json:"scale"`
	Repeat   int           `json:"repeat"`
	Sizes    sizes         `json:"sizes"`
	Settings []setting     `json:"settings"`
	Programs []programInfo `json:"programs"`
	Results  []result      `json:"results"`
}

// setting is a way to the server.
type setting struct {
	Name  string     `json:"name"`
	Shape *lab.Shape `json:"shape,omitempty"` // nil: straight to the server
}

func allSettings() []setting {
	return []setting{
		{Name: "bare"},
		{Name: "lab", Shape: &lab.Shape{LatencyMS: 25, JitterMS: 5, StreamMBps: 60}},
	}
}

func chooseSettings(names []string) ([]setting, error) {
	var out []setting
	for _, name := range names {
		i := slices.IndexFunc(allSettings(), func(s setting) bool { return s.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("no setting %q", name)
		}
		out = append(out, allSettings()[i])
	}
	return out, nil
}

type programInfo struct {
	Name    string `json:"name"`
	Version string `json:"version,omitempty"`
	Note    string `json:"note,omitempty"`
	LeftOut string `json:"left_out,omitempty"` // why it was not run
	// MemoryLimit is that of a pailfs.
	MemoryLimit int64 `json:"memory_limit_bytes,omitempty"`
}

// result is one measurement.
type result struct {
	Setting  string    `json:"setting"`
	Program  string    `json:"program"`
	Workload string    `json:"workload"`
	Round    int       `json:"round"` // of --repeat, from 0
	When     time.Time `json:"when"`

	Seconds  float64  `json:"seconds"`            // until the last call returned
	Complete *float64 `json:"complete,omitempty"` // of writes: until all is on the server
	Bytes    int64    `json:"bytes,omitempty"`
	Ops      int64    `json:"ops,omitempty"`

	PeakRSS    int64         `json:"peak_rss_bytes,omitempty"`  // of the mount process since its start
	CPU        float64       `json:"cpu_seconds"`               // of the mount process in this workload
	Requests   *lab.Snapshot `json:"requests,omitempty"`        // what the lab counted
	Before     *lab.Snapshot `json:"requests_before,omitempty"` // where a cache was filled: from the second mount to the clock's start
	UnmountErr string        `json:"unmount_error,omitempty"`

	Split   *split   `json:"cpu_split,omitempty"` // of reads of big files
	Readers *readers `json:"readers,omitempty"`
	First   float64  `json:"first_seconds,omitempty"` // of the first read after the mount, where a later one is measured

	Probe float64 `json:"probe_mbps"` // SHA-256 on one core, just before
	Load  float64 `json:"load"`       // load average, just before

	Error   string `json:"error,omitempty"`
	BadData string `json:"bad_data,omitempty"`
}

// total is the time that counts: to the end of the data's way to the server.
func (r *result) total() float64 {
	if r.Complete != nil {
		return *r.Complete
	}
	return r.Seconds
}

// speed grows with what is better, whatever the unit; 0 where there is none.
func (r *result) speed(u unit) float64 {
	if r.Error != "" || r.total() <= 0 {
		return 0
	}
	switch u {
	case unitSpeed:
		return float64(r.Bytes) / 1e6 / r.total()
	case unitRate:
		return float64(r.Ops) / r.total()
	default:
		return 1 / r.total()
	}
}

func (f *file) save(name string) error {
	text, err := json.MarshalIndent(f, "", " ")
	if err != nil {
		return err
	}
	return os.WriteFile(name, append(text, '\n'), 0o644)
}

func loadFile(name string) (*file, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var f file
	if err := json.Unmarshal(text, &f); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	if f.Format != fileFormat {
		return nil, fmt.Errorf("%s has format %d, this program knows %d", name, f.Format, fileFormat)
	}
	return &f, nil
}
