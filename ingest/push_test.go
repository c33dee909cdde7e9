package ingest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/valyala/fasthttp"

	"waytrace/carriers"
	"waytrace/trace"
)

func TestPushIsKeptAndAnsweredInTheCarriersWords(t *testing.T) {
	store := new(fakeStore)
	in := New(store, nil, Options{})
	code := fresh("kept")
	h := open(t, in, demo(code))
	counts := countsOf(code)

	for round := range 2 {
		if got, want := h.post(t, "/push", twoScans), (reply{200, yes, "application/json", ""}); got != want {
			t.Errorf("push %d: got %+v, want %+v", round, got, want)
		}
	}
	if got := h.post(t, "/push", "content="+twoScans, "Content-Type", "application/x-www-form-urlencoded"); got.body != "OK" {
		t.Errorf("as a form: got %+v, want OK", got)
	}
	if len(store.events) != 2 {
		t.Fatalf("the store has %d events, want 2", len(store.events))
	}
	e := store.events[0]
	if e.ID == 0 || e.Heard != trace.HLCAt(now) || len(e.Value) == 0 {
		t.Errorf("the event was not sealed: id %s, heard %d, %d bytes", e.ID, e.Heard, len(e.Value))
	}
	if len(store.quarantined) != 0 {
		t.Errorf("%d in quarantine, want none", len(store.quarantined))
	}
	if counts.fresh.Get() != 2 || counts.repeated.Get() != 4 || counts.quarantined.Get() != 0 {
		t.Errorf("counted %d fresh, %d repeated, %d quarantined; want 2, 4, 0", counts.fresh.Get(), counts.repeated.Get(), counts.quarantined.Get())
	}
}

func TestBytesThatDoNotParseAreRefusedAndNotKept(t *testing.T) {
	store := new(fakeStore)
	code := fresh("unparsed")
	h := open(t, New(store, nil, Options{}), demo(code))
	for _, body := range []string{"", "[", `{"a":`, "\x00", `[{"No":1}]`, "[]trailing"} {
		want := reply{200, no, "application/json", ""}
		if body == "\x00" { // its shape is a form's
			want = reply{200, "ERR", "text/xml", ""}
		}
		if got := h.post(t, "/push", body); got != want {
			t.Errorf("%q: got %+v, want %+v", body, got, want)
		}
	}
	if len(store.calls) != 0 {
		t.Errorf("the store was called: %v", store.calls)
	}
	if got := refusalsOf(code)[invalid].total.Get(); got != 6 {
		t.Errorf("counted %d refusals, want 6", got)
	}
}

func TestWhatIsNotUnderstoodIsQuarantinedAndAcknowledged(t *testing.T) {
	const good = `{"No":"SF7444400031887","Time":"2026-11-20 16:56:54","Code":"50"}`
	for _, c := range []struct {
		name, body string
		faults     []string // index and code
		events     int
		calls      []string
	}{
		{"a bad time between good ones", `[` + good + `,{"No":"SF7444400031887","Time":"yesterday"},{"No":"SF1234","Time":"2026-11-20 16:56:54"}]`,
			[]string{"1 invalid_time"}, 2, []string{"append", "quarantine"}},
		{"a time a year ahead", `[{"No":"SF7444400031887","Time":"2027-11-20 16:56:54"},` + good + `]`,
			[]string{"0 time_suspect"}, 1, []string{"append", "quarantine"}},
		{"a number of 300 characters", `[{"No":"` + strings.Repeat("9", 300) + `","Time":"2026-11-20 16:56:54"}]`,
			[]string{"0 invalid_number"}, 0, []string{"quarantine"}},
		{"no number, then a text too long", `[{"Time":"2026-11-20 16:56:54"},` + good + `,{"No":"SF1234","Time":"2026-11-20 16:56:54","Text":"` + strings.Repeat("長", trace.MaxText) + `"}]`,
			[]string{"0 missing_number", "2 too_long"}, 1, []string{"append", "quarantine"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			store := new(fakeStore)
			h := open(t, New(store, nil, Options{}), demo("misunderstood"))
			if got, want := h.post(t, "/push?lang=zh", c.body), (reply{200, yes, "application/json", ""}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if !slices.Equal(store.calls, c.calls) {
				t.Errorf("calls %v, want %v", store.calls, c.calls)
			}
			if len(store.events) != c.events {
				t.Errorf("%d events were kept, want %d", len(store.events), c.events)
			}
			if len(store.quarantined) != 1 {
				t.Fatalf("%d requests in quarantine, want 1", len(store.quarantined))
			}
			q := store.quarantined[0]
			if string(q.Raw) != c.body {
				t.Errorf("quarantine has %q, want the body as it came", q.Raw)
			}
			if q.Carrier != "misunderstood" || q.Account != "main" || q.ContentType != "application/json" || q.Query != "lang=zh" || q.Heard != trace.HLCAt(now) {
				t.Errorf("quarantine has %+v", q)
			}
			if got := faultsOf(q.Faults); !slices.Equal(got, c.faults) {
				t.Errorf("faults %v, want %v", got, c.faults)
			}
		})
	}
}

func faultsOf(faults []trace.Fault) (list []string) {
	for _, f := range faults {
		list = append(list, fmt.Sprintf("%d %s", f.Index, f.Code))
	}
	return list
}

func TestEventsBeyondAWaybillsRoomAreQuarantined(t *testing.T) {
	store := &fakeStore{full: "SF0000"}
	code := fresh("full")
	h := open(t, New(store, nil, Options{}), demo(code))
	body := `[{"No":"SF1234","Time":"2026-11-20 16:56:54"},{"No":"SF0000","Time":"2026-11-20 16:56:54"},{"No":"SF1234","Time":"?"}]`
	if got := h.post(t, "/push", body); got.body != yes {
		t.Errorf("got %+v, want success", got)
	}
	if want := []string{"append", "quarantine"}; !slices.Equal(store.calls, want) {
		t.Fatalf("calls %v, want %v", store.calls, want)
	}
	if got, want := faultsOf(store.quarantined[0].Faults), []string{"1 too_many_events", "2 invalid_time"}; !slices.Equal(got, want) {
		t.Errorf("faults %v, want %v", got, want)
	}
	if c := countsOf(code); c.fresh.Get() != 1 || c.quarantined.Get() != 2 {
		t.Errorf("counted %d fresh and %d quarantined, want 1 and 2", c.fresh.Get(), c.quarantined.Get())
	}
}

func TestAnEventWithTooManyReferencesIsQuarantined(t *testing.T) {
	var facts trace.Facts
	for n := range 2 {
		e := facts.Event()
		e.Item = n
		e.Waybill = trace.Waybill{Number: "SF1234", Carrier: "sf"}
		e.At, _ = trace.ParseLocal("2026-11-20 16:56:54", trace.China, trace.ZoneCarrier)
		for i := range trace.MaxReferences + n {
			e.References = append(e.References, trace.Reference{Account: "main", Text: fmt.Sprint("R", i)})
		}
	}
	facts.Judge(trace.HLCAt(now), nil, func(field string) string { return field })
	if got, want := faultsOf(facts.Faults), []string{"1 too_many_references"}; !slices.Equal(got, want) || len(facts.Events) != 1 {
		t.Errorf("faults %v and %d events, want %v and 1", got, len(facts.Events), want)
	}
}

func TestAStoreThatCannotIsAFailureInTheCarriersWords(t *testing.T) {
	unsure := errors.New("disk on fire") // of no kind: still the sender shall try again
	for _, c := range []struct {
		name         string
		store        *fakeStore
		body         string
		wantAppended bool
	}{
		{"append", &fakeStore{onAppend: func(context.Context, *trace.Facts) error { return unsure }}, twoScans, false},
		{"append says unavailable", &fakeStore{onAppend: func(context.Context, *trace.Facts) error {
			return trace.Problemf(trace.ErrUnavailable, "read_only", "read-only")
		}}, twoScans, false},
		{"quarantine", &fakeStore{onQuarantine: func(context.Context, *trace.Quarantined) error { return unsure }},
			`[{"No":"SF1234","Time":"2026-11-20 16:56:54"},{"No":"SF1234","Time":"?"}]`, true},
		{"quarantine of what found no room", &fakeStore{full: "SF1234", onQuarantine: func(context.Context, *trace.Quarantined) error { return unsure }},
			`[{"No":"SF1234","Time":"2026-11-20 16:56:54"}]`, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := open(t, New(c.store, nil, Options{}), demo("unable"))
			if got, want := h.post(t, "/push", c.body), (reply{503, no, "application/json", "1"}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if got := slices.Contains(c.store.calls, "append"); got != c.wantAppended {
				t.Errorf("calls %v, want append among them: %v", c.store.calls, c.wantAppended)
			}
		})
	}
}

// The store may go on reading facts after it gave an error: they are its own.
func TestFactsOfAFailedAppendAreLeftAlone(t *testing.T) {
	var lost *trace.Facts
	store := new(fakeStore)
	store.onAppend = func(_ context.Context, f *trace.Facts) error {
		if lost == nil {
			lost = f
			return trace.ErrUnavailable
		}
		if f == lost {
			t.Error("the facts of the failed push were used again")
		}
		return nil
	}
	h := open(t, New(store, nil, Options{}), demo("lost"))
	if got := h.post(t, "/push", twoScans); got.body != no {
		t.Fatalf("got %+v, want failure", got)
	}
	for range 8 {
		if got := h.post(t, "/push", twoScans); got.body != yes {
			t.Errorf("the repeat: got %+v, want success", got)
		}
	}
	if len(lost.Events) != 2 || lost.Events[1].Text.Text != "签收" || len(lost.Events[1].Value) == 0 {
		t.Errorf("the lost facts have changed: %+v", lost.Events)
	}
}

func TestAStoreThatHangsIsGivenUp(t *testing.T) {
	hang := func(ctx context.Context) error {
		<-ctx.Done()
		return fmt.Errorf("store: %w: %w", trace.ErrUnavailable, ctx.Err())
	}
	for name, store := range map[string]*fakeStore{
		"append":     {onAppend: func(ctx context.Context, _ *trace.Facts) error { return hang(ctx) }},
		"quarantine": {onQuarantine: func(ctx context.Context, _ *trace.Quarantined) error { return hang(ctx) }},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				in := New(store, nil, Options{})
				c := demo("hang")
				ctx := requestOf(`[{"No":"SF1234","Time":"2026-11-20 16:56:54"},{"No":"SF1234","Time":"?"}]`)
				start := time.Now()
				err := in.Push(c)(ctx, trace.Asker{Account: "main", Sender: "a"})
				if took := time.Since(start); took != patience {
					t.Errorf("it took %v, want %v", took, patience)
				}
				if !errors.Is(err, trace.ErrUnavailable) {
					t.Fatalf("got %v, want ErrUnavailable", err)
				}
				in.Refuse(c)(ctx, err)
				if got := string(ctx.Response.Body()); got != no || ctx.Response.StatusCode() != 503 {
					t.Errorf("got %d %s, want 503 %s", ctx.Response.StatusCode(), got, no)
				}
				if len(in.gate.inside) != 0 || in.gate.bytes != 0 {
					t.Errorf("the gate still holds %v, %d bytes", in.gate.inside, in.gate.bytes)
				}
			})
		})
	}
}

// requestOf is a request without a server. It has a copy of body.
func requestOf(body string) *fasthttp.RequestCtx {
	ctx := new(fasthttp.RequestCtx)
	ctx.Init(new(fasthttp.Request), nil, nil)
	ctx.Request.SetRequestURI("/push")
	ctx.Request.Header.SetMethod("POST")
	ctx.Request.Header.SetContentType("application/json")
	ctx.Request.SetBodyRaw([]byte(body))
	return ctx
}

func TestNothingRefersIntoTheBodyAfterwards(t *testing.T) {
	event := `{"number":"SF1234","carrier":"sf","time":"2026-11-20T16:56:54+08:00","status":"delivered","sub":"signed","code":"80",` +
		`"description":"签收","reference":"R-1","address":"深圳市"}`
	body := `{"events":[` + event + `,{"odd":"thing"}]}`
	who := trace.Asker{Account: "main", Sender: "a"}

	run := func(scribble bool) (*fakeStore, string) {
		store := new(fakeStore)
		in := New(store, nil, Options{})
		ctx := requestOf(body)
		if err := in.Events(ctx, who); err != nil {
			t.Fatal(err)
		}
		if scribble {
			for i := range ctx.PostBody() {
				ctx.PostBody()[i] = '#'
			}
			// The next request gets the pooled memory.
			other := requestOf(`{"events":[{"number":"XX9999","carrier":"xx","date":"2026-11-20","code":"77"}]}`)
			if err := in.Events(other, who); err != nil {
				t.Fatal(err)
			}
		}
		return store, string(ctx.Response.Body())
	}
	want, wantAnswer := run(false)
	got, gotAnswer := run(true)
	if gotAnswer != wantAnswer {
		t.Errorf("the answer changed to %s", gotAnswer)
	}
	if g, w := fmt.Sprintf("%+v", got.events[0]), fmt.Sprintf("%+v", want.events[0]); g != w {
		t.Errorf("the event changed to\n%s, want\n%s", g, w)
	}
	if g, w := fmt.Sprintf("%+v", *got.quarantined[0]), fmt.Sprintf("%+v", *want.quarantined[0]); g != w {
		t.Errorf("quarantine changed to\n%s, want\n%s", g, w)
	}
}

func TestBodies(t *testing.T) {
	plain := twoScans
	bomb := gzipped(strings.Repeat(" ", 30<<20))
	exact := plain + strings.Repeat(" ", MaxBody-len(plain))
	store := new(fakeStore)
	h := open(t, New(store, nil, Options{}), demo("bodies"))
	for _, c := range []struct {
		name, body, encoding string
		want                 reply
	}{
		{"identity", plain, "identity", reply{200, yes, "application/json", ""}},
		{"gzip", gzipped(plain), "gzip", reply{200, yes, "application/json", ""}},
		{"gzip in capitals", gzipped(plain), "GZIP", reply{200, yes, "application/json", ""}},
		{"as long as may be", exact, "", reply{200, yes, "application/json", ""}},
		{"as long as may be, inflated", gzipped(exact), "gzip", reply{200, yes, "application/json", ""}},
		{"a byte too long", exact + " ", "", reply{413, no, "application/json", ""}},
		{"a byte too long, inflated", gzipped(exact + " "), "gzip", reply{413, no, "application/json", ""}},
		{"a bomb", bomb, "gzip", reply{413, no, "application/json", ""}},
		{"not gzip", plain, "gzip", reply{200, no, "application/json", ""}},
		{"gzip cut short", gzipped(plain)[:60], "gzip", reply{200, no, "application/json", ""}},
		{"gzip of nothing that parses", gzipped("["), "gzip", reply{200, no, "application/json", ""}},
		{"another encoding", plain, "br", reply{200, no, "application/json", ""}},
		{"two encodings", plain, "gzip, gzip", reply{200, no, "application/json", ""}},
	} {
		t.Run(c.name, func(t *testing.T) {
			store.known, store.events = nil, nil
			headers := []string{"Content-Type", "application/json"}
			if c.encoding != "" {
				headers = append(headers, "Content-Encoding", c.encoding)
			}
			if got := h.post(t, "/push", c.body, headers...); got != c.want {
				t.Errorf("got %+v, want %+v", got, c.want)
			}
			if kept := len(store.events) == 2; kept != (c.want.body == yes) {
				t.Errorf("%d events were kept", len(store.events))
			}
		})
	}
}

func TestQuarantineHasTheBodyInflated(t *testing.T) {
	store := new(fakeStore)
	h := open(t, New(store, nil, Options{}), demo("inflated"))
	body := `[{"No":"SF1234","Time":"?"}]`
	h.post(t, "/push", gzipped(body), "Content-Encoding", "gzip")
	if len(store.quarantined) != 1 || string(store.quarantined[0].Raw) != body {
		t.Errorf("quarantine has %+v, want the body %s", store.quarantined, body)
	}
}

func TestRefuseSpeaksTheCarriersWords(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	for _, c := range []struct {
		name        string
		err         error
		contentType string
		status      int
		body, retry string
	}{
		{"a wrong token", trace.Problemf(trace.ErrUnauthorized, "unauthorized", "no"), "application/json", 200, no, ""},
		{"a wrong token, form", trace.ErrUnauthorized, form, 200, "ERR", ""},
		{"too large, form", tooLarge(), form, 413, "ERR", ""},
		{"rate limited", trace.Problemf(trace.ErrUnavailable, "rate_limited", "slowly"), "application/json", 429, no, "1"},
		{"draining", trace.Problemf(trace.ErrUnavailable, "draining", "bye"), form, 503, "ERR", "1"},
		{"a mistake of ours", errors.New("oops"), "application/json", 503, no, "1"},
		{"wrapped", fmt.Errorf("sf: %w", trace.ErrInvalid), "application/json", 200, no, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := New(new(fakeStore), nil, Options{})
			ctx := requestOf("")
			ctx.Request.Header.SetContentType(c.contentType)
			in.Refuse(demo("refused"))(ctx, c.err)
			got := fmt.Sprint(ctx.Response.StatusCode(), string(ctx.Response.Body()), string(ctx.Response.Header.Peek("Retry-After")))
			if want := fmt.Sprint(c.status, c.body, c.retry); got != want {
				t.Errorf("got %s, want %s", got, want)
			}
		})
	}
}

func TestAnErrorOfNoKindKeepsItsWordsInside(t *testing.T) {
	var told error
	c := carriers.Carrier{Code: "inside", Push: &carriers.Push{Answer: func(dst []byte, _ *carriers.Request, err error) ([]byte, string) {
		told = err
		return dst, "text/plain"
	}}}
	New(new(fakeStore), nil, Options{}).Refuse(c)(requestOf(""), errors.New("/var/lib/secret"))
	if !errors.Is(told, trace.ErrUnavailable) || strings.Contains(told.Error(), "secret") {
		t.Errorf("the dialect was told %v", told)
	}
}

func TestRefusalsAreLoggedOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		in := New(new(fakeStore), slog.New(slog.NewTextHandler(&log, nil)), Options{})
		refuse := in.Refuse(demo("noisy"))
		secret := fmt.Errorf("noisy: %w: Syntax error at index 3\n\n\tthe street of somebody", trace.ErrInvalid)
		lines := func() int { return strings.Count(log.String(), "\n") }

		for range 5 {
			refuse(requestOf("["), secret)
		}
		if lines() != 1 {
			t.Errorf("five refusals at once left %d lines, want 1:\n%s", lines(), log.String())
		}
		refuse(requestOf("["), trace.ErrUnauthorized)
		if lines() != 2 {
			t.Errorf("another reason left %d lines, want 2:\n%s", lines(), log.String())
		}
		time.Sleep(time.Minute)
		refuse(requestOf("["), secret)
		if lines() != 3 || !strings.Contains(log.String(), "missed=4") {
			t.Errorf("a minute later: %d lines, want 3, the last with missed=4:\n%s", lines(), log.String())
		}
		if strings.Contains(log.String(), "street") || !strings.Contains(log.String(), "carrier=noisy") {
			t.Errorf("the log says:\n%s", log.String())
		}
	})
}

// The query is what the parser of addresses takes for it.
func TestQueryOf(t *testing.T) {
	for _, target := range []string{"/push", "/push?", "/push?a=b&c=%20", "/push?a?b", "/push?a#b", "/push#a?b", "/push#", "/push?%zz=+"} {
		var uri fasthttp.URI
		uri.Update(target)
		if got, want := queryOf(target), string(uri.QueryString()); got != want {
			t.Errorf("of %s %q, want %q", target, got, want)
		}
	}
}
