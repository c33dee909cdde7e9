package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttputil"

	"waytrace/carriers"
	"waytrace/trace"
)

// now is the clock of the tests' stores: 2026-11-22T04:00:00Z.
const now = 1_795_320_000_000

// A fakeStore keeps what it is given the way the contract says. The functions,
// where they are set, come first and may fail in its stead.
type fakeStore struct {
	onAppend     func(ctx context.Context, f *trace.Facts) error
	onQuarantine func(ctx context.Context, q *trace.Quarantined) error

	mu          sync.Mutex
	known       map[trace.ID]bool
	events      []trace.Event
	quarantined []*trace.Quarantined
	calls       []string
	full        string // a number that has room for nothing more
}

func (s *fakeStore) Now() trace.HLC { return trace.HLCAt(now) }

func (s *fakeStore) Append(ctx context.Context, f *trace.Facts) (fresh int, err error) {
	if s.onAppend != nil {
		if err := s.onAppend(ctx, f); err != nil {
			return 0, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, "append")
	if s.known == nil {
		s.known = make(map[trace.ID]bool)
	}
	for i := range f.Events {
		e := &f.Events[i]
		switch {
		case e.Number == s.full:
			e.Taken = trace.TooMany
		case s.known[e.ID]:
			e.Taken = trace.Repeat
		default:
			e.Taken = trace.Fresh
			s.known[e.ID] = true
			kept := *e
			kept.Value = slices.Clone(e.Value)
			s.events = append(s.events, kept)
			fresh++
		}
	}
	return fresh, nil
}

func (s *fakeStore) Quarantine(ctx context.Context, q *trace.Quarantined) error {
	if s.onQuarantine != nil {
		if err := s.onQuarantine(ctx, q); err != nil {
			return err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls = append(s.calls, "quarantine")
	kept := *q
	kept.Faults = slices.Clone(q.Faults)
	s.quarantined = append(s.quarantined, &kept)
	return nil
}

// demo is a carrier that pushes scans as JSON, or as a form with the JSON in
// it, and is answered in kind. Its code is the test's, so that no test counts
// for another.
// fresh makes a carrier's code that no test has counted under, however often it
// runs.
func fresh(code string) string { return fmt.Sprint(code, "-", runs.Add(1)) }

var runs atomic.Int64

func demo(code string) carriers.Carrier {
	return carriers.Carrier{Code: code, Push: &carriers.Push{Decode: decodeDemo(code), Answer: answerDemo}}
}

type demoScan struct {
	No, Time, Code, Text, ID, Place, Order string
}

func decodeDemo(code string) func(*carriers.Request, *trace.Facts) error {
	return func(r *carriers.Request, facts *trace.Facts) error {
		var scans []demoScan
		if err := json.Unmarshal(bytes.TrimPrefix(r.Body, []byte("content=")), &scans); err != nil {
			return fmt.Errorf("%s: %w: %w", code, trace.ErrInvalid, err)
		}
		for i, s := range scans {
			at, err := trace.ParseLocal(s.Time, trace.China, trace.ZoneCarrier)
			if err != nil {
				facts.Fault(i, "invalid_time", "Time", err.Error())
				continue
			}
			e := facts.Event()
			e.Waybill = trace.Waybill{Number: s.No, Carrier: code}
			e.Source, e.Code, e.At, e.Item, e.TextEdits = code, s.Code, at, i, true
			e.Text.Text, e.Place.Address, e.CarrierID = s.Text, s.Place, s.ID
			if s.Order != "" {
				e.References = []trace.Reference{{Account: "main", Text: s.Order}}
			}
		}
		return nil
	}
}

func answerDemo(dst []byte, r *carriers.Request, err error) ([]byte, string) {
	form := r.Shape() == carriers.Form || r.Shape() == carriers.Empty && r.ContentType == "application/x-www-form-urlencoded"
	switch {
	case form && err == nil:
		return append(dst, "OK"...), "text/xml"
	case form:
		return append(dst, "ERR"...), "text/xml"
	case err == nil:
		return append(dst, `{"return_code":"0000"}`...), "application/json"
	}
	return append(dst, `{"return_code":"1000"}`...), "application/json"
}

const (
	yes = `{"return_code":"0000"}`
	no  = `{"return_code":"1000"}`
)

const twoScans = `[{"No":"SF7444400031887","Time":"2026-11-20 16:56:54","Code":"50","Text":"收件","ID":"1","Place":"深圳市","Order":"R-1"},` +
	`{"No":"SF7444400031887","Time":"2026-11-21 09:00:00","Code":"80","Text":"签收","ID":"2","Place":"北京市","Order":"R-1"}]`

// A house is an Ingest behind a server that opens its doors the way the daemon
// does: errors of /push go to Refuse, those of /v1/events become problems.
type house struct {
	*Ingest
	who    trace.Asker
	client *fasthttp.Client
}

func open(t testing.TB, in *Ingest, c carriers.Carrier) *house {
	h := &house{Ingest: in, who: trace.Asker{Account: "main", Sender: "10.0.0.1"}}
	push, refuse := in.Push(c), in.Refuse(c)
	l := fasthttputil.NewInmemoryListener()
	server := &fasthttp.Server{MaxRequestBodySize: 4 << 20, Handler: func(ctx *fasthttp.RequestCtx) {
		switch string(ctx.Path()) {
		case "/push":
			if err := push(ctx, h.who); err != nil {
				refuse(ctx, err)
			}
		case "/v1/events":
			if err := in.Events(ctx, h.who); err != nil {
				why, _ := reasonOf(err)
				ctx.Error(err.Error(), map[reason]int{large: 413, encoded: 415, invalid: 400, busy: 503, failed: 503, ours: 500}[why])
			}
		}
	}}
	stopped := make(chan error)
	go func() { stopped <- server.Serve(l) }()
	h.client = &fasthttp.Client{Dial: func(string) (net.Conn, error) { return l.Dial() }, MaxConnsPerHost: 1024}
	t.Cleanup(func() {
		h.client.CloseIdleConnections()
		if err := server.Shutdown(); err != nil {
			t.Error(err)
		}
		if err := <-stopped; err != nil {
			t.Error(err)
		}
	})
	return h
}

// A reply is what came back.
type reply struct {
	status                        int
	body, contentType, retryAfter string
}

// post sends a body; headers are names and values in turn.
func (h *house) post(t testing.TB, path, body string, headers ...string) reply {
	t.Helper()
	var req fasthttp.Request
	var resp fasthttp.Response
	req.SetRequestURI("http://waytrace" + path)
	req.Header.SetMethod("POST")
	req.Header.SetContentType("application/json")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	req.SetBodyString(body)
	if err := h.client.DoTimeout(&req, &resp, 10*time.Second); err != nil {
		t.Fatalf("POST %s: %v", path, err)
	}
	return reply{resp.StatusCode(), string(resp.Body()), string(resp.Header.ContentType()), string(resp.Header.Peek("Retry-After"))}
}

func gzipped(body string) string { return string(fasthttp.AppendGzipBytes(nil, []byte(body))) }
