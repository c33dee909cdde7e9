// Package query answers where a parcel is: one trace, one status, many at once,
// and the waybills that a reference leads to. It reads the store and nothing
// else, and never waits.
//
// [Answers] has a method for each door, of the shape that cmd/waytrace/routes.go
// calls:
//
//	answers := query.Answers{From: store, Cache: query.NewCache(256 << 20)}
//	GET  /v1/traces/{number}               answers.TraceOf
//	GET  /v1/traces?reference=             answers.Trace
//	GET  /v1/status/{number}               answers.StatusOf
//	GET  /v1/status?reference=             answers.Status
//	POST /v1/traces/batch                  answers.TraceBatch
//	POST /v1/status/batch                  answers.StatusBatch
//	GET  /v1/references/{reference}        answers.References
//
// What stands in the braces comes percent-decoded once: as an argument where numbers are
// asked for, which is most of what a daemon does, else as the user value "tail". Bodies
// come inflated and within their limit.
package query

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"unsafe"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"

	"waytrace/trace"
)

// A Store is what is read; store.Store is one. Its methods are safe for
// concurrent use and answer at once: ErrUnavailable rather than a wait.
type Store interface {
	// Trace reads a waybill into dst, whose memory it uses again and which is the
	// caller's alone. number is canonical. An empty carrier is the one with the
	// newest event; dst.Also has the other carriers of the number either way.
	// What is not wanted is not read. ErrNotFound when there is none.
	Trace(dst *trace.Trace, number, carrier string, want trace.Want) error
	// Waybills are those that an account's reference leads to, each once, in a
	// slice that is the caller's; none is no error.
	Waybills(account, reference string) ([]trace.Waybill, error)
	// Stamp is another one after every change of what is known of a number; it moves
	// before the first reader can see the change. settled is false while a change is
	// not yet synced. What was read between two calls that gave the same stamp, both
	// settled, is synced, and may be shown for as long as Stamp gives that one. number
	// is canonical, and borrowed.
	Stamp(number string) (stamp uint32, settled bool)
	// Lacks reports whether a number is certainly not known; false says nothing. number is
	// canonical, and borrowed.
	Lacks(number string) bool
}

// Answers are the doors that read. Each method answers in full or returns an
// error and leaves the body alone: a *trace.Problem where the asker can mend
// something or there is nothing to show, ErrUnavailable where asking again may
// help, an error of no kind where the store is broken. They are safe for
// concurrent use.
type Answers struct {
	From  Store
	Cache *Cache // of what was answered before; nil keeps nothing
}

// Trace answers with the whole trace of a number, or of the newest waybill that
// a reference leads to.
func (a Answers) Trace(ctx *fasthttp.RequestCtx, who trace.Asker) error {
	return a.TraceOf(ctx, who, tail(ctx))
}

// TraceOf answers with the whole trace of a number, which is borrowed.
func (a Answers) TraceOf(ctx *fasthttp.RequestCtx, who trace.Asker, number string) error {
	return ofTrace.refused(a.one(ctx, who, number, true, &ofTrace))
}

// Status answers as Trace does, without events.
func (a Answers) Status(ctx *fasthttp.RequestCtx, who trace.Asker) error {
	return a.StatusOf(ctx, who, tail(ctx))
}

// StatusOf answers as TraceOf does, without events.
func (a Answers) StatusOf(ctx *fasthttp.RequestCtx, who trace.Asker, number string) error {
	return ofStatus.refused(a.one(ctx, who, number, false, &ofStatus))
}

// one answers for one waybill.
func (a Answers) one(ctx *fasthttp.RequestCtx, who trace.Asker, number string, events bool, count *results) error {
	keepPrivate(ctx)
	q, err := ask(ctx, who, ofOne)
	if err != nil {
		return err
	}
	q.Events = events
	var k kept
	if q.plain && number != "" {
		if number, err = canonical(number); err != nil {
			return err
		}
		a.seek(&k, &q.Variant, number)
		if a.again(ctx, &k, count) {
			return nil
		}
		if a.From.Lacks(number) {
			nothing(ctx, number)
			count.notFound.Inc()
			return nil
		}
	}
	return a.afresh(ctx, strings.Clone(number), &q, &k, count)
}

// afresh answers with what is read now, and keeps it under k.
func (a Answers) afresh(ctx *fasthttp.RequestCtx, number string, q *asked, k *kept, count *results) error {
	t := borrow()
	defer giveBack(t)
	w, others, err := a.meant(t, number, q)
	if err != nil {
		return err
	}

	// Whoever brings a tag most likely sees no change, and the tag needs the head
	// alone.
	brought, full := hasTags(ctx), q.Wants()
	want := full
	if brought {
		want = trace.Want{Legs: full.Legs, Epoch: full.Epoch}
	}
	if err := a.read(t, w, others, want); err != nil {
		return err
	}
	if err := t.Check(q.Variant); err != nil {
		return trace.Problemf(trace.ErrNotFound, "not_found", "waybill %s: there is no %s", t.Number, trace.Words(err))
	}
	var room [tagSize]byte
	tag := t.AppendTag(room[:0], q.Variant)
	if unchanged(ctx, tag) {
		a.keep(k, t, tag, nil)
		count.notModified.Inc()
		return nil
	}
	if brought && t.Lacks(full) {
		if err := a.read(t, w, others, full); err != nil {
			ctx.Response.Header.Del(fasthttp.HeaderETag)
			return err
		}
		// The head may be a newer one by now, and so its tag.
		tag = t.AppendTag(room[:0], q.Variant)
		setTag(ctx, tag)
	}
	body := t.AppendJSON(page(ctx), q.Variant)
	a.keep(k, t, tag, body)
	give(ctx, body)
	count.found.Inc()
	return nil
}

// meant finds the waybill that the path's number or the reference parameter
// stands for; carrier is empty where the newest is meant. others are the other
// numbers of the reference. t is used for reading.
func (a Answers) meant(t *trace.Trace, number string, q *asked) (w trace.Waybill, others []string, err error) {
	switch {
	case number != "" && q.reference != "":
		return w, nil, trace.Invalid("invalid_parameter", "reference",
			"a number and a reference were given: give one of them")
	case q.reference != "":
		return a.newest(t, q)
	case number == "":
		return w, nil, trace.Invalid("invalid_number", "number",
			"give a number at the end of the path, or a reference as ?reference=")
	}
	w.Carrier = q.carrier
	w.Number, err = canonical(number)
	return w, nil, err
}

// newest finds the waybill with the newest event among those that the reference
// leads to, and the other numbers in byte order, each once.
func (a Answers) newest(t *trace.Trace, q *asked) (shown trace.Waybill, others []string, err error) {
	waybills, _, err := a.waybills(q.Account, q.reference)
	if err != nil {
		return shown, nil, err
	}
	var at int64
	for _, w := range waybills {
		if q.carrier != "" && w.Carrier != q.carrier {
			continue
		}
		if err := a.read(t, w, nil, trace.Want{}); errors.Is(err, trace.ErrNotFound) {
			continue
		} else if err != nil {
			return shown, nil, err
		}
		// The waybills are sorted, so the first of equals is the same everywhere.
		if n := t.Head.Newest(); shown.Number == "" || n > at {
			shown, at = w, n
		}
	}
	if shown.Number == "" {
		return shown, nil, noReference(q.reference)
	}
	for _, w := range waybills {
		if w.Number != shown.Number {
			others = append(others, w.Number)
		}
	}
	return shown, slices.Compact(others), nil
}

// read reads a waybill into t. Its error says what the asker may know.
func (a Answers) read(t *trace.Trace, w trace.Waybill, others []string, want trace.Want) error {
	err := a.From.Trace(t, w.Number, w.Carrier, want)
	t.AlsoNumbers = others
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, trace.ErrNotFound):
		return broken("waybill "+w.Number, err)
	case w.Carrier != "":
		return trace.Problemf(trace.ErrNotFound, "not_found", "no waybill %s of carrier %s is known here", w.Number, w.Carrier)
	}
	return &trace.Problem{Kind: trace.ErrNotFound, Code: "not_found", Detail: string(appendUnknown(nil, w.Number))}
}

// nothing answers that a number is not known, as a refusal with the error of read does,
// and takes no memory: it is what everybody hears who asks too early, or guesses.
func nothing(ctx *fasthttp.RequestCtx, number string) {
	const status = fasthttp.StatusNotFound
	var room [2 * trace.MaxNumber]byte
	detail := appendUnknown(room[:0], number)
	p := trace.Problem{Code: "not_found", Detail: unsafe.String(unsafe.SliceData(detail), len(detail))}
	ctx.SetStatusCode(status)
	ctx.Response.Header.SetContentType("application/problem+json")
	ctx.Response.SwapBody(p.AppendJSON(page(ctx), status, fasthttp.StatusMessage(status)))
}

func appendUnknown(b []byte, number string) []byte {
	return append(append(append(b, "no waybill "...), number...), " is known here"...)
}

// broken is an error of the store's that the asker did not cause. A stored value
// that does not parse is ErrInvalid below: up here that kind would blame the
// asker, so only ErrUnavailable is passed on.
func broken(what string, err error) error {
	if errors.Is(err, trace.ErrUnavailable) {
		return fmt.Errorf("query: %s: %w", what, err)
	}
	return fmt.Errorf("query: %s: %v", what, err)
}

// canonical is the number in its canonical form.
func canonical(number string) (string, error) {
	n, err := trace.ParseNumber(number)
	if err != nil {
		return "", trace.Invalid("invalid_number", "number", "%s; a number has %d to %d characters once blanks are removed",
			trace.Words(err), trace.MinNumber, trace.MaxNumber)
	}
	return n, nil
}

// tail is what the path has behind the door, or "".
func tail(ctx *fasthttp.RequestCtx) string {
	s, _ := ctx.UserValue("tail").(string)
	return s
}

// traces are used again and again, with the memory that they have grown.
var traces = sync.Pool{New: func() any { return new(trace.Trace) }}

// manyEvents is how large a trace may have grown and still be kept: one giant
// must not hold its memory for ever.
const manyEvents = 128

func borrow() *trace.Trace { return traces.Get().(*trace.Trace) }

func giveBack(t *trace.Trace) {
	if cap(t.Events) <= manyEvents && cap(t.Head.Entries) <= manyEvents {
		traces.Put(t)
	}
}

// results counts what came of the reads of one kind. What failed for no fault of
// the asker's is counted with the requests, by the route.
type results struct {
	found, notFound, notModified, invalid *metrics.Counter
}

// refused counts an error that is the asker's, and returns it as it came.
func (r *results) refused(err error) error {
	switch {
	case errors.Is(err, trace.ErrNotFound):
		r.notFound.Inc()
	case errors.Is(err, trace.ErrInvalid):
		r.invalid.Inc()
	}
	return err
}

func resultsOf(kind string) results {
	counter := func(result string) *metrics.Counter {
		return metrics.NewCounter(`waytrace_query_answers_total{kind="` + kind + `",result="` + result + `"}`)
	}
	return results{counter("found"), counter("not_found"), counter("not_modified"), counter("invalid")}
}

// A batch counts each of its numbers, and once as invalid where it is refused as
// a whole; it is never not_modified.
var (
	ofTrace      = resultsOf("trace")
	ofStatus     = resultsOf("status")
	ofBatch      = resultsOf("batch")
	ofReferences = resultsOf("references")
)
