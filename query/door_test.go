package query

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"

	"waytrace/trace"
)

// door is what a test knocks at: a server with the routes of this room, and a
// client for it.
type door struct {
	t      testing.TB
	client http.Client
}

func open(t testing.TB, from Store) *door { return openAll(t, Answers{From: from}) }

func openAll(t testing.TB, answers Answers) *door {
	t.Helper()
	routes := []struct {
		path   string
		answer func(*fasthttp.RequestCtx, trace.Asker) error
	}{
		{"/v1/traces/batch", answers.TraceBatch}, {"/v1/status/batch", answers.StatusBatch},
		{"/v1/traces", answers.Trace}, {"/v1/status", answers.Status}, {"/v1/references", answers.References},
	}
	serve := func(ctx *fasthttp.RequestCtx) {
		who := trace.Asker{Account: trace.DefaultAccount}
		if account := ctx.Request.Header.Peek("Account"); len(account) > 0 {
			who.Account = string(account)
		}
		for _, r := range routes {
			rest, ok := bytes.CutPrefix(ctx.URI().PathOriginal(), []byte(r.path))
			if !ok {
				continue
			}
			if tail, ok := bytes.CutPrefix(rest, []byte("/")); ok {
				var u fasthttp.Args
				u.ParseBytes(append([]byte("tail="), bytes.ReplaceAll(tail, []byte("+"), []byte("%2B"))...))
				ctx.SetUserValue("tail", string(u.Peek("tail")))
			}
			tell(ctx, r.answer(ctx, who))
			return
		}
		ctx.SetStatusCode(http.StatusTeapot)
	}
	ln := fasthttputil.NewInmemoryListener()
	server := &fasthttp.Server{Handler: serve, NoDefaultServerHeader: true}
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	d := &door{t: t}
	transport := &http.Transport{DialContext: func(context.Context, string, string) (net.Conn, error) { return ln.Dial() }}
	d.client.Transport = transport
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		if err := errors.Join(ln.Close(), <-done); err != nil {
			t.Error(err)
		}
	})
	return d
}

// tell turns an error into a status, as the daemon does.
func tell(ctx *fasthttp.RequestCtx, err error) {
	if err == nil {
		return
	}
	status := http.StatusInternalServerError
	switch {
	case errors.Is(err, trace.ErrInvalid):
		status = http.StatusBadRequest
	case errors.Is(err, trace.ErrNotFound):
		status = http.StatusNotFound
	case errors.Is(err, trace.ErrUnavailable):
		status = http.StatusServiceUnavailable
	}
	told := &trace.Problem{Detail: err.Error()}
	errors.As(err, &told)
	ctx.SetStatusCode(status)
	ctx.SetContentType("application/problem+json")
	ctx.SetBody(told.AppendJSON(nil, status, http.StatusText(status)))
}

// answer is a response with its body read.
type answer struct {
	*http.Response
	body string
}

// ask sends a request; headers are pairs of name and value.
func (d *door) ask(method, target, body string, headers ...string) answer {
	d.t.Helper()
	r, err := http.NewRequest(method, "http://waytrace"+target, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	w, err := d.client.Do(r)
	if err != nil {
		d.t.Errorf("%s %s: %v", method, target, err)
		return answer{Response: &http.Response{Request: r}}
	}
	defer w.Body.Close()
	b, err := io.ReadAll(w.Body)
	if err != nil {
		d.t.Errorf("%s %s: %v", method, target, err)
	}
	return answer{w, string(b)}
}

func (d *door) get(target string, headers ...string) answer {
	d.t.Helper()
	return d.ask(http.MethodGet, target, "", headers...)
}

// read is the JSON of a successful answer.
func (d *door) read(target string, headers ...string) map[string]any {
	d.t.Helper()
	w := d.get(target, headers...)
	if w.StatusCode != http.StatusOK {
		d.t.Fatalf("GET %s: %d %s", target, w.StatusCode, w.body)
	}
	return object(d.t, w.body)
}

func object(t testing.TB, body string) (o map[string]any) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &o); err != nil {
		t.Fatalf("%v in %s", err, body)
	}
	return o
}

// text is a member of an object; "" where there is none, or it is no text.
func text(o map[string]any, name string) string {
	s, _ := o[name].(string)
	return s
}

// dig follows names and indices into JSON; what is not there is nil.
func dig(v any, path ...any) any {
	for _, step := range path {
		switch step := step.(type) {
		case string:
			o, _ := v.(map[string]any)
			v = o[step]
		case int:
			list, _ := v.([]any)
			if step >= len(list) {
				return nil
			}
			v = list[step]
		}
	}
	return v
}

func wantJSON(t testing.TB, what string, got any, want string) {
	t.Helper()
	b, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	if string(b) != want {
		t.Errorf("%s: got %s, want %s", what, b, want)
	}
}
