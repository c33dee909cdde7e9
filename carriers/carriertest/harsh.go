package carriertest

import (
	"bytes"
	"errors"
	"fmt"
	"net/url"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"waytrace/carriers"
	"waytrace/trace"
)

// Most asks how many items one push may have: most of them are understood, and with
// one more it is kept aside whole, with the one fault too_many_items.
func Most(t testing.TB, c carriers.Carrier, most int, push func(n int) *carriers.Request) {
	t.Helper()
	var facts trace.Facts
	if err := c.Push.Decode(push(most), &facts); err != nil || len(facts.Events) != most || len(facts.Faults) != 0 {
		t.Errorf("of %d items: %d events, %d faults, error %v", most, len(facts.Events), len(facts.Faults), err)
	}
	facts.Reset()
	err := c.Push.Decode(push(most+1), &facts)
	if err != nil || !facts.Empty() || len(facts.Faults) != 1 || facts.Faults[0].Code != "too_many_items" || facts.Faults[0].Index != -1 {
		t.Errorf("of %d items: %d events, faults %v, error %v; want the one fault too_many_items of the request",
			most+1, len(facts.Events), facts.Faults, err)
	}
}

// Greedy gives Decode bodies of 1 MiB, about as large as a door lets in: the first
// string, then the second over and over, then the third. None may become more than
// one event or fault, or have Decode allocate more than 24 bytes for a byte of body
// in all, so that as many as a door takes at once do not fill a small machine. A
// list of 1s is the one to give: a reader that makes room for the items before it
// counts them spends forty. r has what else a request has.
func Greedy(t testing.TB, c carriers.Carrier, r carriers.Request, bodies map[string][3]string) {
	const size, most = 1 << 20, 24
	for name, b := range bodies {
		r.Body = []byte(b[0] + strings.Repeat(b[1], (size-len(b[0])-len(b[2]))/len(b[1])) + b[2])
		var facts trace.Facts
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := c.Push.Decode(&r, &facts)
		runtime.ReadMemStats(&after)
		if events, faults := len(facts.Events), len(facts.Faults); events > 1 || faults > 1 || err == nil && events+faults == 0 {
			t.Errorf("%s: %d events, %d faults, error %v", name, events, faults, err)
		}
		// All that was ever allocated, given back or not.
		if got := float64(after.TotalAlloc-before.TotalAlloc) / size; got > most {
			t.Errorf("%s: %.1f bytes allocated for a byte of body, want %d at most", name, got, most)
		}
	}
}

// Truncated breaks a body off at every byte: each piece is refused as ErrInvalid, and
// nothing comes of it.
func Truncated(t testing.TB, c carriers.Carrier, r carriers.Request) {
	t.Helper()
	whole := bytes.TrimSpace(r.Body)
	for n := range whole {
		r.Body = whole[:n:n]
		var facts trace.Facts
		if err := c.Push.Decode(&r, &facts); !errors.Is(err, trace.ErrInvalid) || !facts.Empty() || len(facts.Faults) > 0 {
			t.Errorf("the first %d bytes of %.40q…: %d events, %d faults, error %v", n, whole, len(facts.Events), len(facts.Faults), err)
			return
		}
	}
}

// FuzzLibraries holds the two JSON libraries against each other, beginning with the
// bodies of the case files, and with what payload makes of each where it is not nil.
func FuzzLibraries(f *testing.F, c carriers.Carrier, payload func(body []byte) []byte) {
	for _, file := range caseFiles(f) {
		f.Add(file.r.Body, file.r.Query, file.r.Call)
		if payload != nil {
			f.Add(payload(file.r.Body), file.r.Query, file.r.Call)
		}
	}
	f.Fuzz(func(t *testing.T, body []byte, query, call string) {
		if hasOddLetters(string(body)) || hasOddLetters(query) {
			t.Skip("encoding/json alone takes these letters for s and k in names")
		}
		with := func(l carriers.JSONLibrary) (facts trace.Facts, answer string, err error) {
			defer func(was carriers.JSONLibrary) { carriers.JSONBy = was }(carriers.JSONBy)
			carriers.JSONBy = l
			r := &carriers.Request{Body: body, Query: query, Call: call}
			err = c.Push.Decode(r, &facts)
			b, _ := c.Push.Answer(nil, r, err)
			return facts, string(b), err
		}
		fast, fastAnswer, fastErr := with(carriers.Sonic)
		std, stdAnswer, stdErr := with(carriers.Std)
		if fmt.Sprint(fastErr) != fmt.Sprint(stdErr) || fastAnswer != stdAnswer || !reflect.DeepEqual(fast, std) {
			t.Errorf("sonic: %+v %v %s\nstd:   %+v %v %s", fast, fastErr, fastAnswer, std, stdErr, stdAnswer)
		}
	})
}

// hasOddLetters reports whether there is a long s or a Kelvin sign in what was sent,
// as a letter, as an escape or percent-encoded.
func hasOddLetters(sent string) bool {
	plain, _ := url.QueryUnescape(sent)
	for _, s := range []string{sent, plain} {
		for _, odd := range []string{"\u017f", "\u212a", `\u017f`, `\u212a`} {
			if strings.Contains(s, odd) || strings.Contains(strings.ToLower(s), odd) {
				return true
			}
		}
	}
	return false
}

// Frugal asks what a push that has so many events allocates from when it is decoded until
// it is answered, in memory that an earlier push has used: less than once for each event.
// A string of its own for each field would be ten times as much.
func Frugal(t testing.TB, c carriers.Carrier, r *carriers.Request, events int) {
	t.Helper()
	var facts trace.Facts
	var answer []byte
	if got := testing.AllocsPerRun(100, func() { answer = handle(t, c, r, &facts, answer[:0], events) }); got >= float64(events) {
		t.Errorf("a push of %d events allocates %g times, want less than once for each", events, got)
	}
}

// handle does with a push all that is done with it but for keeping it.
func handle(t testing.TB, c carriers.Carrier, r *carriers.Request, facts *trace.Facts, answer []byte, events int) []byte {
	facts.Reset()
	if err := c.Push.Decode(r, facts); err != nil {
		t.Fatal(err)
	}
	facts.Judge(heard, lists, c.Push.Names.Of)
	if len(facts.Events) != events || len(facts.Faults) > 0 {
		t.Fatalf("%d events, want %d, faults %v", len(facts.Events), events, facts.Faults)
	}
	answer, _ = c.Push.Answer(answer, r, nil)
	return answer
}

func lists() trace.HLC { return heard }

// BenchmarkPush measures what a push that has so many events costs beside the store:
// Decode, Judge and Answer.
func BenchmarkPush(b *testing.B, c carriers.Carrier, r *carriers.Request, events int) {
	var facts trace.Facts
	var answer []byte
	b.SetBytes(int64(len(r.Body)))
	b.ReportAllocs()
	for b.Loop() {
		answer = handle(b, c, r, &facts, answer[:0], events)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(events), "ns/event")
}

// Benchmark measures Decode of a push that has so many events: time, memory, and
// nanoseconds an event.
func Benchmark(b *testing.B, c carriers.Carrier, r *carriers.Request, events int) {
	var facts trace.Facts
	b.SetBytes(int64(len(r.Body)))
	b.ReportAllocs()
	for b.Loop() {
		facts.Reset()
		if err := c.Push.Decode(r, &facts); err != nil || len(facts.Events) != events {
			b.Fatalf("%d events, error %v", len(facts.Events), err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(events), "ns/event")
}
