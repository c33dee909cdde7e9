package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"
)

// A client talks to a daemon's listener.
type client struct {
	base string // http://host:port, without a "/" at the end
	key  string // shown as bearer; "" is none
	http http.Client
}

// newClient checks the daemon's address.
func newClient(to, key string) (*client, error) {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.RawQuery != "" || u.User != nil {
		return nil, fmt.Errorf("%q is not a daemon's address: write http://127.0.0.1:8080", to)
	}
	return &client{strings.TrimRight(to, "/"), key, http.Client{
		Timeout: 5 * time.Second,
		// A daemon sends nobody elsewhere; whoever does is not one.
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     http.DefaultTransport.(*http.Transport).Clone(),
	}}, nil
}

// close gives up the connections that wait for a next request.
func (c *client) close() { c.http.CloseIdleConnections() }

// An answer is a daemon's, read whole.
type answer struct {
	status int
	body   []byte
}

// maxAnswer is far above the largest trace: a thousand events.
const maxAnswer = 256 << 20

// do sends a request; a nil body is a GET, else a POST. Any status is an answer;
// an error says why there was none, and never holds the path: there may be a
// token in it.
func (c *client) do(ctx context.Context, path, contentType string, body []byte) (*answer, error) {
	method := http.MethodGet
	if body != nil {
		method = http.MethodPost
	}
	return c.send(ctx, method, path, contentType, body)
}

// send is do with a method.
func (c *client) send(ctx context.Context, method, path, contentType string, body []byte) (*answer, error) {
	response, err := c.ask(ctx, &c.http, method, path, contentType, body)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	return c.read(response)
}

func (c *client) ask(ctx context.Context, by *http.Client, method, path, contentType string, body []byte) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.base, inner(err))
	}
	request.Header.Set("User-Agent", "waytrace/"+version)
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	if c.key != "" {
		request.Header.Set("Authorization", "Bearer "+c.key)
	}
	response, err := by.Do(request)
	if err != nil {
		return nil, c.explain(err)
	}
	return response, nil
}

func (c *client) read(response *http.Response) (*answer, error) {
	a := &answer{status: response.StatusCode}
	var err error
	if a.body, err = io.ReadAll(io.LimitReader(response.Body, maxAnswer)); err != nil {
		return nil, c.explain(err)
	}
	return a, nil
}

// silenceLimit is how long a stream may say nothing: it promises a sign of life
// every 15 s.
const silenceLimit = time.Minute

// follow sends a request whose answer is a stream, and hands each line to take
// until the daemon has done. It returns the last line, what was done. An answer
// that is no stream is an error.
func (c *client) follow(ctx context.Context, method, path string, take func(tally)) (done tally, err error) {
	ended := false
	err = c.lines(ctx, method, path, func(text []byte) error {
		var line struct {
			Progress, Done *tally
			Error          *failure
		}
		if err := json.Unmarshal(text, &line); err != nil {
			return fmt.Errorf("%s ended the answer before it had done: %w", c.base, inner(err))
		}
		switch {
		case line.Error != nil:
			return line.Error.asError()
		case line.Done != nil:
			done, ended = *line.Done, true
			return errEnough
		case line.Progress != nil:
			take(*line.Progress)
		}
		return nil
	})
	switch {
	case err != nil && ctx.Err() != nil:
		err = errors.New("stopped; what was done stays done")
	case err == nil && !ended:
		err = fmt.Errorf("%s ended the answer before it had done", c.base)
	}
	return done, err
}

// lines asks for a stream of JSON values and hands them to take one by one, borrowed
// until it returns; an error of take ends it, and errEnough without being one.
func (c *client) lines(ctx context.Context, method, path string, take func(line []byte) error) (err error) {
	asked, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	silent := time.AfterFunc(silenceLimit, func() {
		stop(fmt.Errorf("%s has said nothing for %s: look at /ready", c.base, silenceLimit))
	})
	defer silent.Stop()
	patient := c.http
	patient.Timeout = 0
	why := func(err error) error {
		switch {
		case ctx.Err() != nil:
			return errors.New("stopped")
		case asked.Err() != nil:
			return context.Cause(asked)
		}
		return err
	}
	response, err := c.ask(asked, &patient, method, path, "", nil)
	if err != nil {
		return why(err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		a, err := c.read(response)
		if err != nil {
			return why(err)
		}
		return &refused{a.status, a.problem()}
	}
	for values := json.NewDecoder(response.Body); ; {
		var line json.RawMessage
		switch err := values.Decode(&line); {
		case errors.Is(err, io.EOF):
			return why(nil) // who stopped it hears no complaint about its end
		case err != nil:
			return why(fmt.Errorf("%s ended the answer before it had done: %w", c.base, inner(err)))
		}
		silent.Stop() // what is made of it may take its time
		if err := take(line); errors.Is(err, errEnough) {
			return nil
		} else if err != nil {
			return why(err)
		}
		silent.Reset(silenceLimit)
	}
}

// A tally is what the lines of a stream count, whatever it does.
type tally struct {
	Requests, Replayed, Fresh uint64 // of a replay
	Dropped                   uint64 // of a drop
	Waybills, Changed, Codes  uint64 // of a refold
	Total                     uint64 // waybills of a refold
}

// explain says what would help when there was no answer.
func (c *client) explain(err error) error {
	var timeout net.Error
	switch {
	case errors.Is(err, syscall.ECONNREFUSED):
		return fmt.Errorf("nothing listens at %s: is `waytrace serve` running?", c.base)
	case errors.As(err, &timeout) && timeout.Timeout():
		return fmt.Errorf("%s did not answer within %s: look at /ready on its admin listener", c.base, c.http.Timeout)
	case errors.Is(err, io.EOF):
		return fmt.Errorf("%s closed the connection without an answer: does it speak HTTPS, or plain HTTP?", c.base)
	}
	return fmt.Errorf("%s: %w", c.base, inner(err))
}

// inner is the error without the address that net/http puts before it.
func inner(err error) error {
	var full *url.Error
	if errors.As(err, &full) {
		return full.Err
	}
	return err
}

// problem is an answer that is not what was asked for, as an error.
func (a *answer) problem() error {
	var p struct{ Code, Detail string }
	if json.Unmarshal(a.body, &p) != nil || p.Code == "" {
		return fmt.Errorf("the answer was %d %s", a.status, http.StatusText(a.status))
	}
	text := fmt.Sprintf("the answer was %d %s: %s", a.status, p.Code, plain(p.Detail))
	if a.status == http.StatusUnauthorized {
		text += " (a key goes into --key or WAYTRACE_KEY)"
	}
	return errors.New(text)
}
