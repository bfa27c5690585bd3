package main

import (
	_ "embed" // programs.json
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"time"
)

//go:embed programs.json
var programsJSON []byte

const (
	limitName  = "limit"
	localName  = "local"
	pailfsName = "pailfs"
)

// program is one way to reach the bucket. Words in braces are replaced:
// {bucket} {endpoint} {region} {access} {secret}, {mnt} (where to mount),
// {cache} and {home} (directories of this mount), {scale}, {pailfs} (--pailfs)
// and {self} (this program).
type program struct {
	Name string `json:"name"`
	Note string `json:"note,omitempty"`
	// Command mounts and stays in the foreground. The direct client and the local
	// file have none.
	Command []string `json:"command,omitempty"`
	// Version prints something whose first line is stored with the results.
	Version   []string          `json:"version,omitempty"`
	Env       map[string]string `json:"env,omitempty"`
	Workloads []string          `json:"workloads,omitempty"` // empty: all that need not be named
	// Blank files are zeros, and what is written goes nowhere: nothing to check.
	Blank bool `json:"blank,omitempty"`
}

func (p program) direct() bool { return len(p.Command) == 0 }

// local tells that it is a file of the local disk: no server, no mount.
func (p program) local() bool { return p.direct() && p.Name == localName }

// isPailfs tells that a program is pailfs, with whatever flags.
func isPailfs(name string) bool { return name == pailfsName || strings.HasPrefix(name, pailfsName+"-") }

// runs tells whether the program has a cell in this row.
func (p program) runs(w workload) bool {
	switch {
	case p.local():
		return w.local != nil
	case p.direct():
		return w.limit != nil
	case len(p.Workloads) == 0:
		return !w.named
	}
	return slices.Contains(p.Workloads, w.id)
}

// loadPrograms returns the built-in programs and those of a file, which
// replace others by name.
func loadPrograms(file string) ([]program, error) {
	all, err := parsePrograms(programsJSON)
	if err != nil {
		return nil, fmt.Errorf("programs.json: %w", err)
	}
	if file == "" {
		return all, nil
	}
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	more, err := parsePrograms(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	for _, p := range more {
		if i := programIndex(all, p.Name); i >= 0 {
			all[i] = p
		} else {
			all = append(all, p)
		}
	}
	return all, nil
}

func parsePrograms(text []byte) ([]program, error) {
	from := json.NewDecoder(strings.NewReader(string(text)))
	from.DisallowUnknownFields()
	var list []program
	if err := from.Decode(&list); err != nil {
		return nil, err
	}
	for i, p := range list {
		switch {
		case p.Name == "":
			return nil, fmt.Errorf("program %d has no name", i)
		case p.direct() && p.Name != limitName && p.Name != localName:
			return nil, fmt.Errorf("%s has no command", p.Name)
		case programIndex(list[:i], p.Name) >= 0:
			return nil, fmt.Errorf("%s is there twice", p.Name)
		}
		if _, err := chosen(p.Workloads); err != nil {
			return nil, fmt.Errorf("%s: %w", p.Name, err)
		}
	}
	return list, nil
}

func programIndex(list []program, name string) int {
	return slices.IndexFunc(list, func(p program) bool { return p.Name == name })
}

// choosePrograms returns those that are named, in that order, or all.
func choosePrograms(all []program, names []string) ([]program, error) {
	if len(names) == 0 {
		return all, nil
	}
	var out []program
	for _, name := range names {
		i := programIndex(all, name)
		if i < 0 {
			return nil, fmt.Errorf("no program %q", name)
		}
		out = append(out, all[i])
	}
	return out, nil
}

// places are what the words in braces stand for.
type places struct {
	account
	mnt, cache, home, pailfs, self string
	scale                          int
}

func (p places) replacer() *strings.Replacer {
	return strings.NewReplacer("{bucket}", p.Bucket, "{endpoint}", p.Endpoint, "{region}", p.Region, "{access}", p.Access,
		"{secret}", p.Secret, "{mnt}", p.mnt, "{cache}", p.cache, "{home}", p.home, "{pailfs}", p.pailfs, "{self}", p.self,
		"{scale}", strconv.Itoa(p.scale))
}

func (p places) replaceAll(words []string) []string {
	r := p.replacer()
	out := make([]string, len(words))
	for i, w := range words {
		out[i] = r.Replace(w)
	}
	return out
}

// environ is the environment of a mount: nothing of the user's AWS settings
// and nothing of his home. The first names are those of s3fs.
func (p places) environ(env map[string]string) []string {
	out := []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + p.home, "TMPDIR=" + p.cache, "LC_ALL=C.UTF-8",
		"AWSACCESSKEYID=" + p.Access, "AWSSECRETACCESSKEY=" + p.Secret,
		"AWS_ACCESS_KEY_ID=" + p.Access, "AWS_SECRET_ACCESS_KEY=" + p.Secret, "AWS_REGION=" + p.Region,
		"AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true",
	}
	r := p.replacer()
	for key, value := range env {
		out = append(out, key+"="+r.Replace(value))
	}
	return out
}

// installed returns the first line of the program's version, or why it cannot
// be run.
func (p program) installed(at places) (string, error) {
	if p.direct() {
		return "", nil
	}
	if _, err := exec.LookPath(at.replaceAll(p.Command)[0]); err != nil {
		return "", fmt.Errorf("not installed: %w", errors.Unwrap(err))
	}
	if len(p.Version) == 0 {
		return "", nil
	}
	words := at.replaceAll(p.Version)
	cmd := exec.Command(words[0], words[1:]...)
	cmd.Env, cmd.WaitDelay = at.environ(p.Env), time.Second
	limit := time.AfterFunc(10*time.Second, func() { _ = cmd.Process.Kill() })
	defer limit.Stop()
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("%s does not start: %w", words[0], err)
	}
	first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	return first, nil
}
