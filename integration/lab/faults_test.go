package lab

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"
)

func setFault(t testing.TB, l *Lab, rules ...Rule) {
	t.Helper()
	for i := range rules {
		if rules[i].Probability == 0 {
			rules[i].Probability = 1
		}
	}
	if err := l.SetFaults(FaultSet{Rules: rules}); err != nil {
		t.Fatal(err)
	}
}

func TestAnswersInTheServersPlace(t *testing.T) {
	for _, c := range []struct {
		rule   Rule
		status int
		code   string
	}{
		{Rule{Kind: KindSlowDown}, 503, "SlowDown"},
		{Rule{Kind: KindError500}, 500, "InternalError"},
		{Rule{Kind: KindStatus, Status: 403, Code: "AccessDenied"}, 403, "AccessDenied"},
		{Rule{Kind: KindStatus, Status: 412}, 412, ""},
		{Rule{Kind: KindStatus, Status: 400, Code: "a<b"}, 400, "a<b"},
	} {
		t.Run(c.rule.Kind+c.code, func(t *testing.T) {
			reached := false
			l := start(t, Shape{}, func(http.ResponseWriter, *http.Request) { reached = true })
			setFault(t, l, c.rule)
			hc := client(t, true)
			for _, method := range []string{"GET", "PUT", "HEAD", "PUT"} {
				if r := do(t, hc, method, l.URL()+"/b/k", len(method)%2*3*mib); r.status != c.status || r.err != nil {
					t.Errorf("%s: %+v", method, r)
				}
			}
			resp, err := hc.Get(l.URL() + "/b/k")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			body, _ := io.ReadAll(resp.Body)
			var e struct{ Code string }
			if err := xml.Unmarshal(body, &e); e.Code != c.code || (err != nil) != (c.code == "") {
				t.Errorf("body %q: %v", body, err)
			}
			s := l.Stats()
			if s.FaultsApplied[c.rule.Kind] != 5 || s.Requests != 5 || s.Connections != 1 || reached {
				t.Errorf("reached %v, stats %+v", reached, s)
			}
		})
	}
}

func TestBreaks(t *testing.T) {
	l := start(t, Shape{}, echo)
	c := client(t, false)
	reset := func(err error) bool { return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) }
	cut := func(err error) bool { return errors.Is(err, io.ErrUnexpectedEOF) }
	some := func(err error) bool { return err != nil }
	for _, tc := range []struct {
		name, method string
		size         int
		rule         Rule
		err          func(error) bool
	}{
		{"reset in the response", "GET", 0, Rule{Kind: KindReset, AfterBytes: 100000}, reset},
		{"truncated response", "GET", 0, Rule{Kind: KindTruncate, AfterBytes: 100000}, cut},
		{"at once", "GET", 0, Rule{Kind: KindTruncate}, cut},
		{"body shorter than after_bytes", "GET", 0, Rule{Kind: KindTruncate, AfterBytes: mib}, cut},
		{"reset in the request", "PUT", 5 * mib, Rule{Kind: KindReset, AfterBytes: 100000}, some},
		{"truncated request", "PUT", 5 * mib, Rule{Kind: KindTruncate, AfterBytes: 100000}, some},
		{"response of a request with a body", "PUT", 10, Rule{Kind: KindTruncate, Phase: PhaseResponse}, cut},
		{"lost response", "PUT", 10, Rule{Kind: KindReset, AfterBytes: -1}, reset},
		{"response without a body", "DELETE", 0, Rule{Kind: KindReset, AfterBytes: 7}, reset},
		{"refused", "GET", 0, Rule{Kind: KindRefuse}, reset},
		{"refused upload", "PUT", 5 * mib, Rule{Kind: KindRefuse}, some},
	} {
		t.Run(tc.name, func(t *testing.T) {
			l.Reset()
			setFault(t, l, tc.rule)
			if r := do(t, c, tc.method, l.URL()+"/b/k", tc.size); !tc.err(r.err) || r.n > max(tc.rule.AfterBytes, 0) {
				t.Errorf("%+v", r)
			}
			s := l.Stats()
			for op, row := range s.Ops {
				if row.Aborted != row.Count {
					t.Errorf("%s: %+v", op, row)
				}
			}
			l.ClearFaults()
			if r := do(t, c, tc.method, l.URL()+"/b/k", tc.size); r.err != nil {
				t.Errorf("afterwards: %+v", r)
			}
		})
	}
}

func TestChunkedBodyBreaks(t *testing.T) {
	l := start(t, Shape{}, func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).Flush()
		_, _ = w.Write([]byte("short"))
	})
	setFault(t, l, Rule{Kind: KindTruncate, AfterBytes: 100})
	r := do(t, client(t, false), "GET", l.URL()+"/b/k", 0)
	if !errors.Is(r.err, io.ErrUnexpectedEOF) || r.n != 5 {
		t.Errorf("%+v", r)
	}
}

func TestWaits(t *testing.T) {
	for _, c := range []struct {
		name, method string
		rule         Rule
	}{
		{"stall in the body", "GET", Rule{Kind: KindStall, AfterBytes: 5000}},
		{"stall before the head", "GET", Rule{Kind: KindStall, AfterBytes: -1}},
		{"stall without a body", "DELETE", Rule{Kind: KindStall, AfterBytes: 10}},
		{"stall in the request", "PUT", Rule{Kind: KindStall, AfterBytes: 5000}},
		{"delay", "PUT", Rule{Kind: KindDelay}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			l := start(t, Shape{}, echo)
			c.rule.DelayMS = 80
			setFault(t, l, c.rule)
			r := do(t, client(t, true), c.method, l.URL()+"/b/k", len(c.method)%2*100000)
			if r.err != nil || r.status >= 300 || r.took < 80*time.Millisecond {
				t.Errorf("%+v", r)
			}
			if s := l.Stats(); s.FaultsApplied[c.rule.Kind] != 1 {
				t.Errorf("%+v", s)
			}
		})
	}
}

func TestStallEndsWithItsClient(t *testing.T) {
	l := start(t, Shape{}, echo)
	for _, rule := range []Rule{
		{Kind: KindStall, DelayMS: 60000},
		{Kind: KindStall, DelayMS: 60000, AfterBytes: -1},
		{Kind: KindDelay, DelayMS: 60000},
	} {
		setFault(t, l, rule)
		c := client(t, true)
		c.Timeout = 80 * time.Millisecond
		if r := do(t, c, "GET", l.URL()+"/b/k", 0); r.err == nil {
			t.Errorf("%+v: %+v", rule, r)
		}
		eventually(t, "the end of the request", func() bool { return l.Stats().InFlight == 0 })
	}
}
