package lab

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
)

func TestAdmin(t *testing.T) {
	l := start(t, Shape{JitterMS: 0.5}, echo)
	c := client(t, true)
	call := func(method, path, body string) (int, map[string]any) {
		t.Helper()
		req, _ := http.NewRequest(method, l.URL()+"/_lab/"+path, strings.NewReader(body))
		resp, err := c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		var out map[string]any
		if err := json.NewDecoder(resp.Body).Decode(&out); err != nil {
			t.Fatal(err)
		}
		return resp.StatusCode, out
	}
	_, up := call("GET", "upstream", "")
	addr := up["addr"].(string)
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"POST", "faults", `{"seed": 4, "rules": [{"kind": "refuse", "probability": 1}]}`, 200},
		{"GET", "faults", "", 200},
		{"POST", "faults", `{"rules": [{"kind": "no", "probability": 1}]}`, 400},
		{"POST", "faults", `{"surprise": 1}`, 400},
		{"POST", "faults", `{}`, 200},
		{"POST", "shape", `{"latency_ms": 1}`, 200},
		{"POST", "shape", `{"latency_ms": -1}`, 400},
		{"GET", "shape", "", 200},
		{"POST", "upstream", `{"addr": "nowhere"}`, 400},
		{"POST", "upstream", `{"addr": "` + addr + `"}`, 200},
		{"POST", "reset", "", 200},
		{"GET", "nothing", "", 404},
	} {
		if status, out := call(c.method, c.path, c.body); status != c.status {
			t.Errorf("%s %s %s: %d %v", c.method, c.path, c.body, status, out)
		}
	}
	if s := *l.shape.Load(); s != (Shape{LatencyMS: 1, JitterMS: 0.5}) {
		t.Errorf("shape: %+v", s)
	}
	for range 3 {
		if r := do(t, c, "HEAD", l.URL()+"/b/k", 0); r.err != nil || r.status != 200 {
			t.Errorf("%+v", r)
		}
	}
	if _, out := call("GET", "stats", ""); out["requests"] != 3.0 || out["connections"] != 1.0 || out["in_flight"] != 0.0 {
		t.Errorf("stats: %v", out)
	}
	if _, out := call("POST", "reset", ""); out["requests"] != 3.0 || l.Stats().Count() != 0 {
		t.Errorf("reset: %v", out)
	}
}

func TestAdminNeedsLength(t *testing.T) {
	l := start(t, Shape{}, echo)
	body := strings.NewReader("{}")
	req, _ := http.NewRequest("POST", l.URL()+"/_lab/faults", struct{ *strings.Reader }{body})
	resp, err := client(t, false).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusLengthRequired {
		t.Error(resp.Status)
	}
}
