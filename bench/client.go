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

// A conn asks one server over one connection. It does as little as a client can,
// because it shares the cores with the server: it sends requests that are made
// already and reads answers that name their length. It dials when it has to.
type conn struct {
	to    *endpoint
	net   net.Conn
	buf   []byte
	start int       // of what was read and not yet used
	end   int       // of what was read
	until time.Time // the deadline that net has
}

// An answer is what a server said. Its bytes are borrowed until the next one is
// read.
type answer struct {
	Status int
	Head   []byte // status line and header fields, each with its CRLF
	Body   []byte
}

// do sends a whole request and reads its answer. now saves a look at the clock.
// After an error the next do dials again.
func (c *conn) do(request []byte, now time.Time) (a answer, err error) {
	err = c.ask(request, 1, now, func(got answer) error {
		a = got
		return nil
	})
	return a, err
}

// ask sends requests that lie one behind the other, and hands each of their
// answers to each. An error of each ends it like any other: what is still to come
// on the connection is not read.
func (c *conn) ask(requests []byte, answers int, now time.Time, each func(answer) error) error {
	if err := c.open(now); err != nil {
		return err
	}
	if c.until.Sub(now) < patience {
		// Setting a deadline costs as much as reading the clock four times, so it is moved once a second at most.
		c.until = now.Add(patience + time.Second)
		if err := c.net.SetDeadline(c.until); err != nil {
			return c.fail(err)
		}
	}
	if _, err := c.net.Write(requests); err != nil {
		return c.fail(err)
	}
	return c.receive(answers, each)
}

// receive reads so many answers and nothing behind them.
func (c *conn) receive(answers int, each func(answer) error) error {
	for n := answers; n > 0; n-- {
		a, last, err := c.read()
		switch {
		case err != nil:
			return c.fail(err)
		case n > 1 && last:
			return c.fail(fmt.Errorf("closed with %d answers to come", n-1))
		case n == 1 && c.start != c.end:
			return c.fail(fmt.Errorf("%d bytes more than the answer said", c.end-c.start))
		}
		if err := each(a); err != nil {
			if n > 1 {
				c.close()
			}
			return err
		}
		if last {
			c.close()
		}
	}
	return nil
}

func (c *conn) open(now time.Time) error {
	if c.net != nil {
		return nil
	}
	n, err := c.to.dial()
	if err != nil {
		return err
	}
	c.net, c.until, c.start, c.end = n, now, 0, 0
	if c.buf == nil {
		c.buf = make([]byte, 32<<10)
	}
	return nil
}

func (c *conn) fail(err error) error {
	c.close()
	return fmt.Errorf("%s: %w", c.to.addr, err)
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
	if c.start == c.end {
		c.start, c.end = 0, 0
	}
	head := bytes.Index(c.buf[c.start:c.end], headEnd)
	for head < 0 {
		if err = c.more(); err != nil {
			return answer{}, false, fmt.Errorf("after %d bytes of an answer's head: %w", c.end-c.start, err)
		}
		head = bytes.Index(c.buf[c.start:c.end], headEnd)
	}
	body := head + len(headEnd)
	a.Head = c.buf[c.start : c.start+head+2]
	length, last, err := a.parseHead()
	if err != nil {
		return answer{}, false, err
	}
	if body+length > maxAnswer {
		return answer{}, false, fmt.Errorf("an answer of %d bytes", length)
	}
	for c.end-c.start < body+length {
		if err = c.more(); err != nil {
			return answer{}, false, fmt.Errorf("after %d of %d bytes of an answer's body: %w", c.end-c.start-body, length, err)
		}
	}
	// The buffer may have moved while the body came.
	a.Head, a.Body = c.buf[c.start:c.start+head+2], c.buf[c.start+body:c.start+body+length]
	c.start += body + length
	return a, last, nil
}

// more reads what has come behind what is there, with room made for it.
func (c *conn) more() error {
	if c.end == len(c.buf) {
		switch {
		case c.start > 0:
			c.end = copy(c.buf, c.buf[c.start:c.end])
			c.start = 0
		case c.end >= 2*maxAnswer:
			return fmt.Errorf("longer than %d bytes", maxAnswer)
		default:
			c.buf = append(c.buf, make([]byte, len(c.buf))...)
		}
	}
	got, err := c.net.Read(c.buf[c.end:])
	if got > 0 {
		c.end += got
		return nil
	}
	if err == nil {
		err = errors.New("read nothing")
	}
	return err
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

// field finds a field of the head, its name given in lower case; nil is none.
func (a *answer) field(name string) []byte {
	_, rest, _ := bytes.Cut(a.Head, []byte("\r\n"))
	for len(rest) > 0 {
		var line []byte
		line, rest, _ = bytes.Cut(rest, []byte("\r\n"))
		if key, value, _ := bytes.Cut(line, []byte(":")); is(key, name) {
			return bytes.TrimSpace(value)
		}
	}
	return nil
}

// ask sends one request on a connection of its own, outside of any measuring.
func ask(to *endpoint, request []byte) (answer, error) {
	c := &conn{to: to}
	defer c.close()
	return c.do(request, time.Now())
}
