package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"

	"github.com/valyala/fasthttp"
)

// A Recorded is an answer of the daemon that the bare handler gives again.
type Recorded struct {
	Status int         `json:"status"`
	Head   [][2]string `json:"head"` // names and values in their order, without what a server adds by itself
	Body   []byte      `json:"body"`
}

// recorded takes an answer apart.
func recorded(a answer) Recorded {
	r := Recorded{Status: a.Status, Body: bytes.Clone(a.Body)}
	lines := bytes.Split(bytes.TrimSpace(a.Head), []byte("\r\n"))
	for _, line := range lines[1:] {
		name, value, _ := bytes.Cut(line, []byte(":"))
		switch {
		case is(name, "date"), is(name, "server"), is(name, "content-length"), is(name, "connection"):
			// Any server that is set as the daemon's is writes them itself.
		default:
			r.Head = append(r.Head, [2]string{string(name), string(bytes.TrimSpace(value))})
		}
	}
	return r
}

// bareHandler answers every request with the next of the answers, whatever was
// asked: the least that a server can do to send these bytes and headers.
func bareHandler(answers []Recorded) fasthttp.RequestHandler {
	type field struct{ name, value []byte }
	type reply struct {
		status      int
		contentType []byte
		head        []field
		body        []byte
	}
	replies := make([]reply, len(answers))
	for i, a := range answers {
		r := reply{status: a.Status, body: a.Body}
		for _, f := range a.Head {
			if name, value := []byte(f[0]), []byte(f[1]); is(name, "content-type") {
				r.contentType = value
			} else {
				r.head = append(r.head, field{name, value})
			}
		}
		replies[i] = r
	}
	return func(ctx *fasthttp.RequestCtx) {
		r := &replies[(ctx.ConnID()+ctx.ConnRequestNum())%uint64(len(replies))]
		h := &ctx.Response.Header
		h.SetStatusCode(r.status)
		h.SetContentTypeBytes(r.contentType)
		for i := range r.head {
			h.SetCanonical(r.head[i].name, r.head[i].value)
		}
		ctx.Response.SetBodyRaw(r.body)
	}
}

// ServeBare is the other process of the read rows: it listens on a free port of
// the loopback address, says so on standard error, and gives the recorded
// answers of file (a list of Recorded as JSON), in turn, until ctx is over. The
// server must be set as the daemon's is; its handler is replaced.
func ServeBare(ctx context.Context, server *fasthttp.Server, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return fmt.Errorf("bare handler: %w", err)
	}
	var answers []Recorded
	if err := json.Unmarshal(text, &answers); err != nil {
		return fmt.Errorf("bare handler: %s: %w", file, err)
	}
	if len(answers) == 0 {
		return fmt.Errorf("bare handler: %s has no answers", file)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("bare handler: %w", err)
	}
	server.Handler = bareHandler(answers)
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	fmt.Fprintf(os.Stderr, "bare handler: listening on http://%s\n", ln.Addr())
	select {
	case err := <-served:
		return fmt.Errorf("bare handler: %w", err)
	case <-ctx.Done():
		// Nobody waits for an answer any more.
		return errors.Join(ln.Close(), <-served)
	}
}
