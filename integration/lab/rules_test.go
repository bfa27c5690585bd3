package lab

import (
	"slices"
	"testing"
)

func TestParseFaults(t *testing.T) {
	for _, c := range []struct {
		json string
		ok   bool
	}{
		{`{}`, true},
		{`{"seed": 1, "rules": [
			{"kind": "slowdown", "probability": 0.05},
			{"kind": "reset", "probability": 0.1, "ops": ["GetObject"], "after_bytes": 300000},
			{"kind": "reset", "probability": 1, "ops": ["CompleteMultipartUpload"], "after_bytes": -1, "limit": 1},
			{"kind": "stall", "probability": 0.01, "delay_ms": 30000, "key_prefix": "data/", "phase": "response"},
			{"kind": "status", "probability": 1, "status": 403, "code": "AccessDenied", "key": "a b"},
			{"kind": "refuse", "probability": 1, "skip": 2},
			{"kind": "delay", "probability": 0.02, "delay_ms": 1500}]}`, true},
		{`{"rules": [{"kind": "no", "probability": 1}]}`, false},
		{`{"rules": [{"kind": "reset"}]}`, false},
		{`{"rules": [{"kind": "reset", "probability": 2}]}`, false},
		{`{"rules": [{"kind": "reset", "probability": 1, "phase": "later"}]}`, false},
		{`{"rules": [{"kind": "reset", "probability": 1, "after_bytes": -2}]}`, false},
		{`{"rules": [{"kind": "reset", "probability": 1, "after_bytes": -1, "phase": "request"}]}`, false},
		{`{"rules": [{"kind": "reset", "probability": 1, "limit": -1}]}`, false},
		{`{"rules": [{"kind": "reset", "probability": 1, "status": 403}]}`, false},
		{`{"rules": [{"kind": "reset", "probability": 1, "code": "X"}]}`, false},
		{`{"rules": [{"kind": "status", "probability": 1}]}`, false},
		{`{"rules": [{"kind": "status", "probability": 1, "status": 200}]}`, false},
		{`{"surprise": 1}`, false},
		{`{} {}`, false},
		{``, false},
	} {
		if _, err := ParseFaults([]byte(c.json)); (err == nil) != c.ok {
			t.Errorf("%s: %v", c.json, err)
		}
	}
}

func TestPick(t *testing.T) {
	type request struct{ op, key string }
	gets := func(keys ...string) (out []request) {
		for _, k := range keys {
			out = append(out, request{"GetObject", k})
		}
		return out
	}
	for _, c := range []struct {
		name     string
		rule     Rule
		requests []request
		want     []bool
	}{
		{"all", Rule{}, gets("a", ""), []bool{true, true}},
		{"prefix", Rule{KeyPrefix: "d/"}, gets("d/a", "d", "e/d/", "d/"), []bool{true, false, false, true}},
		{"key", Rule{Key: "d/a"}, gets("d/a", "d/ab", "d"), []bool{true, false, false}},
		{"skip and limit", Rule{Skip: 1, Limit: 2}, gets("a", "b", "c", "d"), []bool{false, true, true, false}},
		{"skip counts matches", Rule{Key: "b", Skip: 1}, gets("b", "a", "b"), []bool{false, false, true}},
		{"operation", Rule{Ops: []string{"PutObject"}}, []request{{"GetObject", "a"}, {"PutObject", "a"}}, []bool{false, true}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.rule.Probability = 1
			in := newInjector(FaultSet{Rules: []Rule{c.rule}})
			for i, r := range c.requests {
				if got := in.pick(r.op, r.key) != nil; got != c.want[i] {
					t.Errorf("%d: %+v: %v", i, r, got)
				}
			}
		})
	}
}

func TestSeeds(t *testing.T) {
	draws := func(seed uint64) (out []bool) {
		in := newInjector(FaultSet{Seed: seed, Rules: []Rule{{Probability: 0.3}}})
		for range 200 {
			out = append(out, in.pick("GetObject", "") != nil)
		}
		return out
	}
	a, b, c := draws(1), draws(1), draws(2)
	if !slices.Equal(a, b) || slices.Equal(a, c) {
		t.Error("draws do not follow the seed")
	}
	if n := len(slices.DeleteFunc(a, func(hit bool) bool { return !hit })); n < 40 || n > 80 {
		t.Errorf("%d of 200 at 0.3", n)
	}
}

func TestClassify(t *testing.T) {
	for _, c := range []struct {
		method, target string
		copies         bool
		op, key        string
	}{
		{"GET", "/", false, "ListBuckets", ""},
		{"GET", "/b?list-type=2&prefix=a%2F", false, "ListObjectsV2", "a/"},
		{"GET", "/b/?list%2Dtype=2&prefix=a+b%2B/..//", false, "ListObjectsV2", "a b+/..//"},
		{"GET", "/b/?prefix=", false, "ListObjects", ""},
		{"GET", "/b/", false, "ListObjects", ""},
		{"GET", "/b?versions&prefix=v", false, "ListObjectVersions", "v"},
		{"GET", "/b?location", false, "GET:bucket-location", ""},
		{"GET", "/b?uploads&prefix=u", false, "ListMultipartUploads", "u"},
		{"POST", "/b?delete=", false, "DeleteObjects", ""},
		{"POST", "/b/?delete", false, "DeleteObjects", ""},
		{"HEAD", "/b", false, "HeadBucket", ""},
		{"HEAD", "/b/", false, "HeadBucket", ""},
		{"PUT", "/b/", false, "CreateBucket", ""},
		{"DELETE", "/b/", false, "DeleteBucket", ""},
		{"GET", "/b/k?x-id=GetObject&prefix=no", false, "GetObject", "k"},
		{"GET", "http://host:9000/b/k", false, "GetObject", "k"},
		{"GET", "/b//k", false, "GetObject", "/k"},
		{"GET", "/b//", false, "GetObject", "/"},
		{"GET", "/b/..", false, "GetObject", ".."},
		{"GET", "/b/%2E%2E/a//b%2Fc/./d+e%20f%3F%E2%82%AC%00", false, "GetObject", "../a//b/c/./d+e f?€\x00"},
		{"GET", "/b/100%", false, "GetObject", "100%"},
		{"HEAD", "/b/k/", false, "HeadObject", "k/"},
		{"PUT", "/b/k", false, "PutObject", "k"},
		{"PUT", "/b/k", true, "CopyObject", "k"},
		{"PUT", "/b/k?partNumber=1&uploadId=u", false, "UploadPart", "k"},
		{"PUT", "/b/k?partNumber=1&uploadId=u", true, "UploadPartCopy", "k"},
		{"POST", "/b/k?uploads", false, "CreateMultipartUpload", "k"},
		{"POST", "/b/k?uploadId=u", false, "CompleteMultipartUpload", "k"},
		{"POST", "/b/k?restore", false, "RestoreObject", "k"},
		{"DELETE", "/b/k?uploadId=u", false, "AbortMultipartUpload", "k"},
		{"GET", "/b/k?uploadId=u", false, "ListParts", "k"},
		{"DELETE", "/b/k", false, "DeleteObject", "k"},
		{"GET", "/b/k?tagging", false, "GET:object-tagging", "k"},
		{"OPTIONS", "*", false, "OPTIONS:service", ""},
	} {
		if op, key := classify(c.method, c.target, c.copies); op != c.op || key != c.key {
			t.Errorf("%s %s: %s %q, want %s %q", c.method, c.target, op, key, c.op, c.key)
		}
	}
}
