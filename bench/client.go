package bench

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"strconv"
	"time"
)

// patience is how long an answer may take before it counts as an error. The
// daemon promises 3 s.
const patience = 10 * time.Second

// maxAnswer is the length of an answer, head and body, that is read.
const maxAnswer = 8 << 20

// A conn asks one server over one connection, one question at a time. It does
// as little as a client can, because it shares the cores with the server: it
// sends requests that are made already and reads answers that name their
// length. It dials when it has to.
type conn struct {
	addr string
	net  net.Conn
	buf  []byte
	end  time.Time // the deadline that net has
}

// An answer is what a server said. Its bytes are borrowed until the next do.
type answer struct {
	Status int
	Head   []byte // status line and header fields, each with its CRLF
	Body   []byte
}

// do sends a whole request and reads its answer. now saves a look at the clock.
// After an error the next do dials again.
func (c *conn) do(request []byte, now time.Time) (answer, error) {
	if err := c.open(now); err != nil {
		return answer{}, err
	}
	if c.end.Sub(now) < patience {
		// Setting a deadline costs as much as reading the clock four times, so it is moved once a second at most.
		c.end = now.Add(patience + time.Second)
		if err := c.net.SetDeadline(c.end); err != nil {
			return answer{}, c.fail(err)
		}
	}
	if _, err := c.net.Write(request); err != nil {
		return answer{}, c.fail(err)
	}
	a, last, err := c.read()
	if err != nil {
		return answer{}, c.fail(err)
	}
	if last {
		c.close()
	}
	return a, nil
}

func (c *conn) open(now time.Time) error {
	if c.net != nil {
		return nil
	}
	n, err := net.DialTimeout("tcp", c.addr, patience)
	if err != nil {
		return err
	}
	c.net, c.end = n, now
	if c.buf == nil {
		c.buf = make([]byte, 32<<10)
	}
	return nil
}

func (c *conn) fail(err error) error {
	c.close()
	return fmt.Errorf("%s: %w", c.addr, err)
}

func (c *conn) close() {
	if c.net != nil {
		c.net.Close()
		c.net = nil
	}
}

var headEnd = []byte("\r\n\r\n")

// read reads one answer. last says that the server closes the connection.
func (c *conn) read() (a answer, last bool, err error) {
	n, head := 0, -1
	for head < 0 {
		if n, err = c.more(n); err != nil {
			return answer{}, false, fmt.Errorf("after %d bytes of an answer's head: %w", n, err)
		}
		head = bytes.Index(c.buf[:n], headEnd)
	}
	body := head + len(headEnd)
	a.Status, a.Head = 0, c.buf[:head+2]
	length, last, err := a.parseHead()
	if err != nil {
		return answer{}, false, err
	}
	if body+length > maxAnswer {
		return answer{}, false, fmt.Errorf("an answer of %d bytes", length)
	}
	for n < body+length {
		if n, err = c.more(n); err != nil {
			return answer{}, false, fmt.Errorf("after %d of %d bytes of an answer's body: %w", n-body, length, err)
		}
	}
	if n > body+length {
		return answer{}, false, fmt.Errorf("%d bytes more than the answer said", n-body-length)
	}
	// The buffer may have moved while the body came.
	a.Head, a.Body = c.buf[:head+2], c.buf[body:n]
	return a, last, nil
}

// more reads what has come behind the n bytes that are there.
func (c *conn) more(n int) (int, error) {
	if n == len(c.buf) {
		if n >= maxAnswer {
			return n, fmt.Errorf("longer than %d bytes", maxAnswer)
		}
		c.buf = append(c.buf, make([]byte, len(c.buf))...)
	}
	got, err := c.net.Read(c.buf[n:])
	if got > 0 {
		return n + got, nil
	}
	if err == nil {
		err = errors.New("read nothing")
	}
	return n, err
}

// parseHead reads the status, how long the body is, and whether the server
// closes the connection after it.
func (a *answer) parseHead() (length int, last bool, err error) {
	line, rest, _ := bytes.Cut(a.Head, []byte("\r\n"))
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.")) {
		return 0, false, fmt.Errorf("not HTTP: %.40q", line)
	}
	if a.Status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, false, fmt.Errorf("no status: %.40q", line)
	}
	last = line[len("HTTP/1.")] == '0'
	length = -1
	for len(rest) > 0 {
		var name, value []byte
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		name, value, _ = bytes.Cut(line, []byte(":"))
		value = bytes.TrimSpace(value)
		switch {
		case is(name, "content-length"):
			if length, err = strconv.Atoi(string(value)); err != nil || length < 0 {
				return 0, false, fmt.Errorf("no length: %.40q", line)
			}
		case is(name, "transfer-encoding"):
			return 0, false, errors.New("the answer comes in chunks, this client reads whole answers")
		case is(name, "connection"):
			last = bytes.EqualFold(value, []byte("close"))
		}
	}
	switch {
	case a.Status == 204 || a.Status == 304:
		return 0, last, nil
	case length < 0:
		return 0, false, errors.New("the answer does not say how long it is")
	}
	return length, last, nil
}

// is reports whether a header field has that name, given in lower case.
func is(name []byte, want string) bool {
	// Most names are told apart by their length.
	return len(name) == len(want) && bytes.EqualFold(name, []byte(want))
}

// get is a GET request of a path.
func get(addr, path string) []byte {
	return []byte("GET " + path + " HTTP/1.1\r\nHost: " + addr + "\r\n\r\n")
}

// ask sends one request on a connection of its own, outside of any measuring.
func ask(addr string, request []byte) (answer, error) {
	c := &conn{addr: addr}
	defer c.close()
	return c.do(request, time.Now())
}
