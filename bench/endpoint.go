package bench

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
)

// An endpoint is a server as requests are made for it.
type endpoint struct {
	addr   string // host and port to dial
	host   string // of the Host field
	prefix string // of every path, where the server stands behind another one
	tls    *tls.Config
	key    string            // API key; "" is none
	tokens map[string]string // of push doors, by carrier
}

// at is a server of our own, by its address.
func at(addr string) *endpoint { return &endpoint{addr: addr, host: addr} }

// parseEndpoint reads the URL of somebody's daemon.
func parseEndpoint(text, key string, tokens map[string]string) (*endpoint, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, fmt.Errorf("target: %w", err)
	}
	e := &endpoint{host: u.Host, prefix: strings.TrimSuffix(u.EscapedPath(), "/"), key: key, tokens: tokens}
	port := u.Port()
	switch {
	case u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil:
		return nil, fmt.Errorf("target %q: give scheme, host and port, as in https://trace.example.com:8443", text)
	case u.Scheme == "http" && port == "":
		port = "80"
	case u.Scheme == "https":
		if port == "" {
			port = "443"
		}
		// As clients that keep connections do; resuming costs nobody anything then.
		e.tls = &tls.Config{ServerName: u.Hostname(), NextProtos: []string{"http/1.1"}}
	case u.Scheme != "http":
		return nil, fmt.Errorf("target %q: http or https", text)
	}
	e.addr = net.JoinHostPort(u.Hostname(), port)
	return e, nil
}

func (e *endpoint) dial() (net.Conn, error) {
	d := &net.Dialer{Timeout: patience}
	if e.tls != nil {
		return tls.DialWithDialer(d, "tcp", e.addr, e.tls)
	}
	return d.Dial("tcp", e.addr)
}

// appendHead appends a request's head up to its own fields.
func (e *endpoint) appendHead(dst []byte, method, path string) []byte {
	dst = append(append(append(append(dst, method...), ' '), e.prefix...), path...)
	dst = append(append(append(dst, " HTTP/1.1\r\nHost: "...), e.host...), "\r\n"...)
	if e.key != "" {
		dst = append(append(append(dst, "Authorization: Bearer "...), e.key...), "\r\n"...)
	}
	return dst
}

// get is a GET request of a path.
func (e *endpoint) get(path string) []byte {
	return append(e.appendHead(nil, "GET", path), "\r\n"...)
}

// appendPost appends a POST request.
func (e *endpoint) appendPost(dst []byte, path, contentType string, body []byte) []byte {
	dst = e.appendHead(dst, "POST", path)
	dst = append(append(dst, "Content-Type: "...), contentType...)
	dst = strconv.AppendInt(append(dst, "\r\nContent-Length: "...), int64(len(body)), 10)
	return append(append(dst, "\r\n\r\n"...), body...)
}

// door is the path of a carrier's push door.
func (e *endpoint) door(carrier, call string) string {
	path := "/push/" + carrier
	if call != "" {
		path += "/" + call
	}
	if token := e.tokens[carrier]; token != "" {
		path += "/" + token
	}
	return path
}
