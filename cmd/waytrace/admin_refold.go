package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"waytrace/store"
	"waytrace/trace"
)

// refold has all waybills judged anew by the code tables as they are now; with
// ?notify=1 whoever follows hears of what has changed.
func (a *admin) refold(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	given, err := parameters(ctx, "notify")
	if err != nil {
		return err
	}
	notify := given["notify"]
	if notify != "" && notify != "1" {
		return trace.Invalid("invalid_parameter", "notify", "notify is %.40q; it can be 1", notify)
	}
	return a.stream(ctx, &a.refolding, "a refold", func(tell func(any) bool) (any, error) {
		return a.store.Refold(context.Background(), a.mapping, notify == "1", func(done store.Refolded) bool { return tell(done) })
	})
}

// An unmappedItem is a code that its source's table does not know.
type unmappedItem struct {
	Carrier string `json:"carrier"` // the source
	Code    string `json:"code"`
	Count   uint64 `json:"count"` // events
	Sample  struct {
		Number string `json:"number"`
		Text   string `json:"text,omitempty"`
		Reason string `json:"reason,omitempty"` // code
	} `json:"sample"`
	FirstSeen time.Time `json:"first_seen"`
}

// unmapped lists the codes that came and were not known, but for those that the
// tables know by now.
func (a *admin) unmapped(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	if _, err := parameters(ctx); err != nil {
		return err
	}
	items := []unmappedItem{}
	err := a.store.EachUnmapped(func(source, code string, u *trace.Unmapped) bool {
		e := trace.Event{Waybill: trace.Waybill{Number: u.Number}, Source: source, Code: code, ReasonCode: u.Reason}
		if _, known := a.mapping(&e); !known {
			item := unmappedItem{Carrier: source, Code: code, Count: u.Count, FirstSeen: u.First.Time()}
			item.Sample.Number, item.Sample.Text, item.Sample.Reason = u.Number, u.Text, u.Reason
			items = append(items, item)
		}
		return true
	})
	if err != nil {
		return err
	}
	return writeJSON(ctx, items)
}

// A streamed line has one of three members: how far it has come, how it ended, or
// why it failed.
type streamed struct {
	Progress any      `json:"progress,omitempty"`
	Done     any      `json:"done,omitempty"`
	Error    *failure `json:"error,omitempty"`
}

type failure struct {
	Code   string `json:"code"`
	Detail string `json:"detail"`
}

// stream answers with lines of JSON while work is done. One work is done at a time:
// more get the problem already_running. tell is false when nobody listens any more,
// or the daemon stops; then the work is to end.
func (a *admin) stream(ctx *fasthttp.RequestCtx, busy *atomic.Bool, what string, work func(tell func(any) bool) (any, error)) error {
	if !busy.CompareAndSwap(false, true) {
		return trace.Problemf(trace.ErrUnavailable, "already_running", "%s is under way: wait until it has ended", what)
	}
	ctx.SetContentType("application/x-ndjson")
	ctx.SetBodyStreamWriter(func(w *bufio.Writer) {
		defer busy.Store(false)
		tellAll(w, a.draining, work)
	})
	return nil
}

// How often a stream says something: seldom enough to cost nothing, and in any case
// before somebody takes it for dead.
const (
	tellEvery = 200 * time.Millisecond
	signEvery = 15 * time.Second
)

// A teller writes the lines of a stream.
type teller struct {
	mu   sync.Mutex
	w    *bufio.Writer
	last streamed  // what was told last
	told time.Time // when
	gone bool      // nobody listens any more
}

// tellAll does work and tells of it until it ends.
func tellAll(w *bufio.Writer, stopping func() bool, work func(tell func(any) bool) (any, error)) {
	t := &teller{w: w, last: streamed{Progress: struct{}{}}}
	done := make(chan struct{})
	var signs sync.WaitGroup
	signs.Go(func() { t.signs(done) })
	sum, err := work(func(v any) bool { return t.tell(streamed{Progress: v}, tellEvery) && !stopping() })
	close(done)
	signs.Wait()
	switch {
	case err != nil:
		t.tell(streamed{Error: failureOf(err)}, 0)
	case stopping():
		t.tell(streamed{Error: &failure{"stopping", "the daemon is stopping: begin again when it is back"}}, 0)
	default:
		t.tell(streamed{Done: sum}, 0)
	}
}

// tell writes a line unless the one before is too young, and reports whether
// anybody listens.
func (t *teller) tell(line streamed, atLeast time.Duration) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.last = line
	if now := time.Now(); !t.gone && now.Sub(t.told) >= atLeast {
		t.told = now
		t.gone = json.NewEncoder(t.w).Encode(line) != nil || t.w.Flush() != nil
	}
	return !t.gone
}

// signs tells the same again while there is nothing new, until done is closed.
func (t *teller) signs(done <-chan struct{}) {
	tick := time.NewTicker(signEvery / 3)
	defer tick.Stop()
	for {
		select {
		case <-done:
			return
		case <-tick.C:
			t.mu.Lock()
			last := t.last
			t.mu.Unlock()
			t.tell(last, signEvery*2/3)
		}
	}
}

// failureOf is an error as a stream tells it: what is not for the asker stays here.
func failureOf(err error) *failure {
	var p *trace.Problem
	switch {
	case errors.As(err, &p):
		return &failure{p.Code, p.Detail}
	case errors.Is(err, trace.ErrUnavailable):
		return &failure{"unavailable", trace.Words(err)}
	}
	if log := failures.Load(); log != nil {
		(*log)("stream", err)
	}
	return &failure{"internal", "something went wrong here; the log says what"}
}
