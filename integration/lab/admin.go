package lab

import (
	"encoding/json"
	"io"
	"strings"
)

const (
	adminPrefix = "/_lab/"
	maxAdmin    = 1 << 20 // bytes of an admin request's body
)

// serveAdmin answers a /_lab/ request itself; false ends the connection.
func (s *session) serveAdmin(h *head, method, target string) bool {
	if h.body.chunked || h.body.length > maxAdmin {
		a := answer{status: 411, contentType: "text/plain", body: []byte("Content-Length up to 1 MiB needed\n"), last: true}
		_ = a.write(s.client)
		return false
	}
	if h.expect {
		if _, err := io.WriteString(s.client.conn, "HTTP/1.1 100 Continue\r\n\r\n"); err != nil {
			return false
		}
	}
	body := make([]byte, h.body.length)
	if _, err := io.ReadFull(s.client.r, body); err != nil {
		return false
	}
	status, reply := s.lab.admin(method, strings.TrimPrefix(target, adminPrefix), body)
	out, err := json.MarshalIndent(reply, "", "  ")
	if err != nil {
		return false
	}
	a := answer{status: status, contentType: "application/json", body: append(out, '\n'), last: h.close}
	return a.write(s.client) == nil && !h.close
}

type message struct {
	Message string `json:"message"`
}

type upstream struct {
	Addr string `json:"addr"`
}

func (l *Lab) admin(method, path string, body []byte) (status int, reply any) {
	switch method + " " + path {
	case "GET stats":
		return 200, l.Stats()
	case "POST reset":
		return 200, l.Reset()
	case "GET faults":
		return 200, l.faults.Load().set
	case "POST faults":
		set, err := ParseFaults(body)
		if err == nil {
			err = l.SetFaults(set)
		}
		return result(set, err)
	case "GET shape":
		return 200, l.shape.Load()
	case "POST shape":
		return result(l.changeShape(body))
	case "GET upstream":
		return 200, upstream{*l.upstream.Load()}
	case "POST upstream":
		return result(l.changeUpstream(body))
	}
	return 404, message{"GET stats, POST reset, GET or POST faults, shape or upstream"}
}

// changeShape sets the fields that are in body; the others stay.
func (l *Lab) changeShape(body []byte) (Shape, error) {
	s := *l.shape.Load()
	if err := unmarshal(body, &s); err != nil {
		return s, err
	}
	if err := s.validate(); err != nil {
		return s, err
	}
	l.SetShape(s)
	return s, nil
}

func (l *Lab) changeUpstream(body []byte) (upstream, error) {
	var u upstream
	if err := unmarshal(body, &u); err != nil {
		return u, err
	}
	if err := checkUpstream(u.Addr); err != nil {
		return u, err
	}
	l.SetUpstream(u.Addr)
	return u, nil
}

func result(value any, err error) (status int, reply any) {
	if err != nil {
		return 400, message{err.Error()}
	}
	return 200, value
}
