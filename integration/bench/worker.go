package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
)

// message is one line that a worker writes to its parent.
type message struct {
	Ready   string  `json:"ready,omitempty"` // workload that can start: the parent answers with a line
	Done    string  `json:"done,omitempty"`  // workload that has ended
	Report  *report `json:"report,omitempty"`
	Error   string  `json:"error,omitempty"`
	BadData bool    `json:"bad_data,omitempty"`
}

// workMain is the worker process: it reads its task, and runs one workload
// after the other. A line of the parent starts each timed part, and each
// following workload, so that the parent can read counters in between. The end
// of the input ends the worker: none outlives the benchmark.
func workMain(in io.Reader, out io.Writer) error {
	lines := bufio.NewReader(in)
	text, err := lines.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("reading the task: %w", err)
	}
	var t task
	if err := json.Unmarshal(text, &t); err != nil {
		return fmt.Errorf("reading the task: %w", err)
	}
	if t.Mount != "" {
		if _, err := os.Stat(t.Mount); err != nil { // the mount answers, or the parent's patience ends
			return err
		}
	}
	to := json.NewEncoder(out)
	for _, id := range t.Workloads {
		msg := runWorkload(&t, id, func() error {
			if err := to.Encode(message{Ready: id}); err != nil {
				return err
			}
			return nextLine(lines)
		})
		if err := to.Encode(msg); err != nil {
			return err
		}
		if err := nextLine(lines); err != nil {
			return err
		}
	}
	return nil
}

func nextLine(lines *bufio.Reader) error {
	if _, err := lines.ReadString('\n'); err != nil {
		return fmt.Errorf("the parent is gone: %w", err)
	}
	return nil
}

func runWorkload(t *task, id string, gate func() error) message {
	r := &report{gate: gate}
	err := dispatch(t, id, r)
	msg := message{Done: id, Report: r}
	if err != nil {
		msg.Error, msg.BadData = err.Error(), errors.Is(err, errBadData)
	}
	return msg
}

func dispatch(t *task, id string, r *report) error {
	w, err := workloadByID(id)
	switch {
	case err != nil:
		return err
	case t.Fill:
		return w.fill(t)
	case t.Local:
		return w.local(t, r)
	case t.Mount != "":
		return w.mount(t, r)
	case w.limit == nil:
		return errors.New("no direct equivalent")
	}
	s := newStore(t.Account)
	return w.limit(context.Background(), s, t, r)
}
