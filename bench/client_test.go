package bench

import (
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// A pieces gives what it has in pieces of so many bytes, then io.EOF.
type pieces struct {
	net.Conn
	text string
	size int
}

func (p *pieces) Read(b []byte) (int, error) {
	if p.text == "" {
		return 0, io.EOF
	}
	n := copy(b, p.text[:min(p.size, len(p.text))])
	p.text = p.text[n:]
	return n, nil
}

func (p *pieces) Write(b []byte) (int, error) { return len(b), nil }
func (p *pieces) Close() error                { return nil }
func (p *pieces) SetDeadline(time.Time) error { return nil }
func over(text string, size, buffer int) *conn {
	return &conn{to: at("test"), net: &pieces{text: text, size: size}, buf: make([]byte, buffer)}
}

// However an answer arrives, it is read whole.
func TestConnReadsPieces(t *testing.T) {
	body := strings.Repeat("运单", 300)
	for _, c := range []struct {
		name, text string
		status     int
		body       string
		closes     bool
	}{
		{"usual", "HTTP/1.1 200 OK\r\nServer: waytrace\r\nContent-Length: 1800\r\nEtag: W/\"1\"\r\n\r\n" + body, 200, body, false},
		{"odd names", "HTTP/1.1 404 Not Found\r\ncontent-LENGTH:   4  \r\n\r\nnone", 404, "none", false},
		{"empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200, "", false},
		{"not modified", "HTTP/1.1 304 Not Modified\r\nEtag: \"1\"\r\n\r\n", 304, "", false},
		{"last", "HTTP/1.1 503 Service Unavailable\r\nConnection: close\r\nContent-Length: 2\r\n\r\nno", 503, "no", true},
		{"old", "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok", 200, "ok", true},
	} {
		for size := range 70 {
			k := over(c.text, size+1, 64)
			a, err := k.do([]byte("GET"), time.Now())
			switch {
			case err != nil:
				t.Errorf("%s in pieces of %d: %v", c.name, size+1, err)
			case a.Status != c.status || string(a.Body) != c.body:
				t.Errorf("%s in pieces of %d: %d with %d bytes, want %d with %d", c.name, size+1, a.Status, len(a.Body), c.status, len(c.body))
			case (k.net == nil) != c.closes:
				t.Errorf("%s in pieces of %d: closed is %t, want %t", c.name, size+1, k.net == nil, c.closes)
			}
		}
	}
}

// What it cannot read it does not guess at, and the connection is not used
// again.
func TestConnRefuses(t *testing.T) {
	for name, text := range map[string]string{
		"chunks":      "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n",
		"no length":   "HTTP/1.1 200 OK\r\n\r\nok",
		"bad length":  "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
		"not HTTP":    "SSH-2.0-OpenSSH_9.9\r\n\r\n",
		"bad status":  "HTTP/1.1 2x0 OK\r\nContent-Length: 0\r\n\r\n",
		"half a head": "HTTP/1.1 200 OK\r\nContent-Le",
		"half a body": "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nno",
		"a surplus":   "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok!",
		"nothing":     "",
		"too long":    "HTTP/1.1 200 OK\r\nContent-Length: 99999999\r\n\r\n",
		"endless":     "HTTP/1.1 200 OK\r\nX: " + strings.Repeat("x", maxAnswer),
	} {
		k := over(text, 1<<20, 64)
		if a, err := k.do([]byte("GET"), time.Now()); err == nil || k.net != nil {
			t.Errorf("%s: answer %d %q, error %v, connection kept: %t", name, a.Status, a.Body, err, k.net != nil)
		}
	}
	if _, err := over("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nno", 8, 64).do(nil, time.Now()); !errors.Is(err, io.EOF) {
		t.Errorf("error is %v, want io.EOF", err)
	}
}

// A connection that the server closed is dialled anew.
func TestConnDialsAgain(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for range 2 {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			c.Read(make([]byte, 100))
			io.WriteString(c, "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok")
			c.Close()
		}
	}()
	k := &conn{to: at(ln.Addr().String())}
	for range 2 {
		if a, err := k.do(k.to.get("/"), time.Now()); err != nil || string(a.Body) != "ok" {
			t.Errorf("got %q, %v", a.Body, err)
		}
	}
	ln.Close()
	<-done
	if _, err := k.do(k.to.get("/"), time.Now()); err == nil {
		t.Error("got an answer from nobody")
	}
}
