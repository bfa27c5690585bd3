package lab

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
)

const maxHead = 256 << 10

// untilClose is the length of a body that ends with its connection.
const untilClose = -1

// framing says how long a body is.
type framing struct {
	length  int64 // bytes, or untilClose
	chunked bool  // then length means nothing
}

func (f framing) none() bool { return !f.chunked && f.length == 0 }

// head is the start line and the headers of a message, as received.
type head struct {
	raw        []byte
	body       framing
	hasLength  bool
	close      bool // the sender will not use the connection again
	expect     bool // Expect: 100-continue
	copySource bool // x-amz-copy-source
}

// readHead reads up to and including the empty line.
func readHead(r *bufio.Reader) (*head, error) {
	h := &head{}
	for {
		start := len(h.raw)
		if err := h.appendLine(r); err != nil {
			return nil, err
		}
		line := bytes.TrimRight(h.raw[start:], "\r\n")
		switch {
		case len(line) == 0 && start == 0:
			h.raw = h.raw[:0] // tolerated before a start line
		case len(line) == 0:
			return h, nil
		case start > 0:
			if err := h.header(string(line)); err != nil {
				return nil, err
			}
		}
	}
}

// appendLine adds one line, which may be longer than r's buffer.
func (h *head) appendLine(r *bufio.Reader) error {
	for {
		part, err := r.ReadSlice('\n')
		h.raw = append(h.raw, part...)
		if len(h.raw) > maxHead {
			return errors.New("head too large")
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return err
		}
	}
}

func (h *head) header(line string) error {
	name, value, ok := strings.Cut(line, ":")
	if !ok {
		return nil
	}
	value = strings.TrimSpace(value)
	switch strings.ToLower(name) {
	case "content-length":
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil || n < 0 {
			return fmt.Errorf("bad Content-Length %q", value)
		}
		h.body.length, h.hasLength = n, true
	case "transfer-encoding":
		h.body.chunked = strings.HasSuffix(strings.ToLower(value), "chunked")
	case "connection":
		h.close = h.close || strings.Contains(strings.ToLower(value), "close")
	case "expect":
		h.expect = strings.EqualFold(value, "100-continue")
	case "x-amz-copy-source":
		h.copySource = true
	}
	return nil
}

func (h *head) startLine() string {
	line, _, _ := bytes.Cut(h.raw, []byte("\n"))
	return strings.TrimRight(string(line), "\r")
}

// requestLine returns the method and the raw target.
func (h *head) requestLine() (method, target string, ok bool) {
	parts := strings.Split(h.startLine(), " ")
	if len(parts) != 3 || !strings.HasPrefix(parts[2], "HTTP/1.") {
		return "", "", false
	}
	h.close = h.close || parts[2] == "HTTP/1.0"
	return parts[0], parts[1], true
}

// statusLine returns the status of the response to a request of method, and
// settles the framing of its body, which depends on both.
func (h *head) statusLine(method string) (status int, ok bool) {
	parts := strings.SplitN(h.startLine(), " ", 3)
	if len(parts) < 2 || !strings.HasPrefix(parts[0], "HTTP/1.") {
		return 0, false
	}
	status, err := strconv.Atoi(parts[1])
	if err != nil {
		return 0, false
	}
	h.close = h.close || parts[0] == "HTTP/1.0"
	switch {
	case method == http.MethodHead, status < 200, status == 204, status == 304:
		h.body = framing{}
	case !h.hasLength && !h.body.chunked:
		h.body.length = untilClose
	}
	return status, true
}
