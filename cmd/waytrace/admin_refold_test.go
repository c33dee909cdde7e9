package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"

	"waytrace/carriers"
	"waytrace/trace"
)

type counted struct{ N int }

// told gives what a stream says of work.
func told(stopping func() bool, work func(tell func(any) bool) (any, error)) string {
	var b bytes.Buffer
	tellAll(bufio.NewWriter(&b), stopping, work)
	return b.String()
}

func never() bool { return false }

func TestStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		got := told(never, func(tell func(any) bool) (any, error) {
			for n := range 1000 {
				if !tell(counted{n}) {
					t.Error("told that nobody listens")
				}
				time.Sleep(time.Millisecond)
			}
			return counted{1000}, nil
		})
		lines := strings.Split(strings.TrimSpace(got), "\n")
		if len(lines) != 6 || lines[0] != `{"progress":{"N":0}}` || lines[5] != `{"done":{"N":1000}}` {
			t.Errorf("a second of progress:\n%s", got)
		}

		began := time.Now()
		got = told(never, func(tell func(any) bool) (any, error) {
			tell(counted{7})
			time.Sleep(time.Minute)
			return counted{8}, nil
		})
		if n := strings.Count(got, `{"progress":{"N":7}}`); n < 5 || n > 7 {
			t.Errorf("a minute of silence had %d signs of life:\n%s", n, got)
		}
		if took := time.Since(began); took != time.Minute {
			t.Errorf("it took %v", took)
		}
		got = told(never, func(func(any) bool) (any, error) {
			time.Sleep(signEvery)
			return counted{8}, nil
		})
		if !strings.HasPrefix(got, `{"progress":{}}`) {
			t.Errorf("before there was any progress:\n%s", got)
		}
	})
}

func TestStreamThatEndsBadly(t *testing.T) {
	for _, c := range []struct {
		err      error
		stopping bool
		want     string
	}{
		{fmt.Errorf("store: %w", trace.ErrUnavailable), false, `{"error":{"code":"unavailable","detail":"store"}}`},
		{trace.Problemf(trace.ErrUnavailable, "read_only", "the disk"), false, `{"error":{"code":"read_only","detail":"the disk"}}`},
		{errors.New("/var/lib/secret"), false, `{"error":{"code":"internal","detail":"something went wrong here; the log says what"}}`},
		{nil, true, `{"error":{"code":"stopping","detail":"the daemon is stopping: begin again when it is back"}}`},
	} {
		got := told(func() bool { return c.stopping }, func(tell func(any) bool) (any, error) {
			if on := tell(counted{1}); on == c.stopping {
				t.Errorf("stopping is %v, and tell says %v", c.stopping, on)
			}
			return counted{1}, c.err
		})
		if !strings.HasSuffix(got, c.want+"\n") {
			t.Errorf("%v: told\n%s, want at last %s", c.err, got, c.want)
		}
	}
}

// deaf is a connection that is gone.
type deaf struct{}

func (deaf) Write([]byte) (int, error) { return 0, errors.New("broken pipe") }

func TestStreamToNobody(t *testing.T) {
	n := 0
	tellAll(bufio.NewWriter(deaf{}), never, func(tell func(any) bool) (any, error) {
		for tell(counted{n}) {
			n++
		}
		return counted{n}, nil
	})
	if n != 0 {
		t.Errorf("it went on %d times for nobody", n)
	}
}

// One refold at a time.
func TestStreamsTakeTurns(t *testing.T) {
	a := &admin{draining: never}
	a.refolding.Store(true)
	err := a.stream(new(fasthttp.RequestCtx), &a.refolding, "a refold", nil)
	var p *trace.Problem
	if !errors.As(err, &p) || p.Code != "already_running" || p.Detail != "a refold is under way: wait until it has ended" {
		t.Errorf("the second one: %v", err)
	}
}

// A stored event is mapped by the carrier whose words it is in, and by nobody else.
func TestMapping(t *testing.T) {
	known, err := ownCarriers()
	if err != nil {
		t.Fatal(err)
	}
	mapping := mappingOf(append(known, carriers.Carrier{Code: "bare"}))
	for _, c := range known {
		if c.Codes == nil {
			continue
		}
		if version, _ := mapping(&trace.Event{Source: c.Code}); version != c.Codes.Version || version == 0 {
			t.Errorf("%s has version %d, want %d", c.Code, version, c.Codes.Version)
		}
	}
	e := trace.Event{Source: "sf", Code: "80"}
	if _, known := mapping(&e); !known || e.Pair.Status != trace.Delivered {
		t.Errorf("sf's 80 is known %v, status %s", known, e.Pair.Status)
	}
	for _, source := range []string{"api:main", "bare", "nobody", ""} {
		e := trace.Event{Source: source, Code: "80", Pair: trace.Pair{Status: trace.Lost}}
		if version, known := mapping(&e); version != 0 || known || e.Pair.Status != trace.Lost {
			t.Errorf("source %q has version %d, known %v, status %s", source, version, known, e.Pair.Status)
		}
	}
}

// What a client makes of a stream.
func TestFollow(t *testing.T) {
	const progress = `{"progress":{"waybills":64,"changed":2}}` + "\n"
	for _, c := range []struct {
		name   string
		answer func(http.ResponseWriter)
		want   string
		told   int
	}{
		{"done", says(200, progress+progress+`{"done":{"waybills":128,"changed":3,"codes":1}}`), "", 2},
		{"an error", says(200, progress+`{"error":{"code":"read_only","detail":"the\u001b[2J disk"}}`), "the daemon gave up: read_only: the[2J disk", 1},
		{"cut off", says(200, progress), "ended the answer before it had done", 1},
		{"nonsense", says(200, "<html>"), "ended the answer before it had done", 0},
		{"refused", says(503, `{"code":"already_running","detail":"wait"}`), "the answer was 503 already_running: wait", 0},
	} {
		url, _ := played(t, c.answer)
		daemon, err := newClient(url, "")
		if err != nil {
			t.Fatal(err)
		}
		told := 0
		done, err := daemon.follow(t.Context(), "POST", "/refold", func(tally) { told++ })
		daemon.close()
		if said := fmt.Sprint(err); told != c.told || (err == nil) != (c.want == "") || !strings.Contains(said, c.want) && err != nil {
			t.Errorf("%s: %v, told %d times; want %q, %d", c.name, err, told, c.want, c.told)
		}
		if err == nil && done != (tally{Waybills: 128, Changed: 3, Codes: 1}) {
			t.Errorf("%s: %+v", c.name, done)
		}
	}
}

// Ctrl-C ends a refold: the connection is closed, and the daemon's side stops.
func TestFollowIsInterrupted(t *testing.T) {
	closed := make(chan bool)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, `{"progress":{"waybills":64}}`+"\n")
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		close(closed)
	}))
	defer server.Close()
	ctx, cancel := context.WithCancel(t.Context())
	daemon, err := newClient(server.URL, "")
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.close()
	if _, err := daemon.follow(ctx, "POST", "/refold", func(tally) { cancel() }); err == nil || err.Error() != "stopped; what was done stays done" {
		t.Errorf("interrupted: %v", err)
	}
	<-closed
}
