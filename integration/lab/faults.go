package lab

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// Kinds of faults.
const (
	KindSlowDown = "slowdown" // answer 503 SlowDown; nothing reaches the server
	KindError500 = "error500" // answer 500 InternalError; nothing reaches the server
	KindStatus   = "status"   // answer Rule.Status with Rule.Code; nothing reaches the server
	KindRefuse   = "refuse"   // reset at once, as by a dead server; nothing reaches the server
	KindReset    = "reset"    // TCP reset after AfterBytes of the body
	KindTruncate = "truncate" // orderly close after AfterBytes of the body
	KindStall    = "stall"    // silence for DelayMS after AfterBytes of the body
	KindDelay    = "delay"    // DelayMS more before the response
)

// Values of Rule.Phase.
const (
	PhaseRequest  = "request"
	PhaseResponse = "response"
)

// Rule injects one kind of fault into the requests that it matches.
type Rule struct {
	Kind        string   `json:"kind"`
	Probability float64  `json:"probability"`          // above 0, up to 1
	Ops         []string `json:"ops,omitempty"`        // names as in Snapshot.Ops; empty: all
	KeyPrefix   string   `json:"key_prefix,omitempty"` // of the decoded key, or of a listing's prefix
	Key         string   `json:"key,omitempty"`        // the whole of it; "": any
	Skip        int      `json:"skip,omitempty"`       // leave the first matches alone
	Limit       int      `json:"limit,omitempty"`      // apply at most this often; 0: no limit
	// AfterBytes is how many body bytes pass first. -1 means before the head
	// of the response: the server has done the work and the client does not
	// learn of it. A shorter body breaks before its last byte, and a response
	// without a body before its head, so that a fault that is counted shows.
	AfterBytes int64 `json:"after_bytes,omitempty"`
	// Phase is the body in which reset, truncate and stall happen. Default:
	// the request's if it has one, else the response's.
	Phase   string  `json:"phase,omitempty"`
	DelayMS float64 `json:"delay_ms,omitempty"` // of stall and delay, milliseconds
	Status  int     `json:"status,omitempty"`   // of status, 300 to 599
	Code    string  `json:"code,omitempty"`     // S3 error code of status; "": no body
}

// FaultSet is a list of rules; the first that fires is applied.
type FaultSet struct {
	Seed  uint64 `json:"seed"` // makes the draws repeatable
	Rules []Rule `json:"rules"`
}

// ParseFaults reads a FaultSet from JSON. Unknown fields and malformed rules
// are errors.
func ParseFaults(data []byte) (FaultSet, error) {
	var set FaultSet
	if err := unmarshal(data, &set); err != nil {
		return FaultSet{}, fmt.Errorf("faults: %w", err)
	}
	return set, set.validate()
}

func (f FaultSet) validate() error {
	for i, r := range f.Rules {
		if err := r.validate(); err != nil {
			return fmt.Errorf("faults: rule %d: %w", i, err)
		}
	}
	return nil
}

func (r Rule) validate() error {
	kinds := []string{KindSlowDown, KindError500, KindStatus, KindRefuse, KindReset, KindTruncate, KindStall, KindDelay}
	switch {
	case !slices.Contains(kinds, r.Kind):
		return fmt.Errorf("unknown kind %q", r.Kind)
	case !(r.Probability > 0 && r.Probability <= 1):
		return errors.New("probability must be in (0, 1]")
	case r.Phase != "" && r.Phase != PhaseRequest && r.Phase != PhaseResponse:
		return fmt.Errorf("unknown phase %q", r.Phase)
	case r.AfterBytes < -1:
		return errors.New("after_bytes below -1")
	case r.AfterBytes < 0 && r.Phase == PhaseRequest:
		return errors.New("after_bytes -1 is about the response")
	case r.Skip < 0 || r.Limit < 0 || r.DelayMS < 0:
		return errors.New("skip, limit or delay_ms below 0")
	case (r.Kind == KindStatus) != (r.Status != 0) || r.Kind != KindStatus && r.Code != "":
		return errors.New("status and code belong to kind status, which needs a status")
	case r.Status != 0 && (r.Status < 300 || r.Status > 599):
		return errors.New("status must be 300 to 599")
	}
	return nil
}

// answer returns what the lab answers in the server's place, if it does.
func (r *Rule) answer() (status int, code string, ok bool) {
	switch r.Kind {
	case KindSlowDown:
		return 503, "SlowDown", true
	case KindError500:
		return 500, "InternalError", true
	case KindStatus:
		return r.Status, r.Code, true
	}
	return 0, "", false
}

// inRequest reports whether the fault happens in the request's body.
func (r *Rule) inRequest(body framing) bool {
	if body.none() || r.Kind == KindDelay || r.AfterBytes < 0 {
		return false
	}
	return r.Phase != PhaseResponse
}

func (r *Rule) delay() time.Duration { return millis(r.DelayMS) }

// unmarshal decodes exactly one JSON value without unknown fields, since a
// misspelt field would make a test pass for want of a fault.
func unmarshal(data []byte, into any) error {
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(into); err != nil {
		return err
	}
	if dec.More() {
		return errors.New("more than one JSON value")
	}
	return nil
}
