package lab

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"net/http"
)

// answer is a response of the lab's own.
type answer struct {
	status      int
	contentType string
	body        []byte
	last        bool // the connection ends with it
}

func (a answer) write(client *side) error {
	extra := ""
	if a.last {
		extra = "Connection: close\r\n"
	}
	msg := fmt.Appendf(nil, "HTTP/1.1 %d %s\r\nServer: s3lab\r\nContent-Type: %s\r\nContent-Length: %d\r\n%s\r\n",
		a.status, http.StatusText(a.status), a.contentType, len(a.body), extra)
	_, err := client.conn.Write(append(msg, a.body...))
	if err == nil && a.last {
		client.linger()
	}
	return err
}

// answerFault answers in the server's place. The request's body is read and
// dropped, so that the connection can go on. A client that waits for a 100
// gets its answer first, and may then send the body or not; that is why the
// connection ends there.
func (s *session) answerFault(req *request, status int, code string) outcome {
	last := req.close || req.expect
	if !req.expect && drain(s.client.r, req.body) != nil {
		return outcome{}
	}
	if s.lab.pause(s.client, s.lab.shape.Load().firstByte()) != nil {
		return outcome{}
	}
	a := answer{status: status, contentType: "application/xml", last: last}
	if code != "" && req.method != http.MethodHead && status != http.StatusNotModified {
		a.body = errorBody(code)
	}
	req.rec.status(status)
	if a.write(s.client) != nil {
		return outcome{}
	}
	return outcome{whole: true, reuse: !last}
}

func errorBody(code string) []byte {
	var b bytes.Buffer
	b.WriteString(xml.Header + "<Error><Code>")
	_ = xml.EscapeText(&b, []byte(code)) // a Buffer takes all
	b.WriteString("</Code><Message>injected by s3lab</Message></Error>")
	return b.Bytes()
}
