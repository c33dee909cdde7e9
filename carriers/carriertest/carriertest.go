// Package carriertest is the exam that each carrier sits: its case files, the
// promises that every dialect makes, and a fuzz test seeded from the same files.
//
// A carrier's test is three lines:
//
//	func TestCases(t *testing.T)  { carriertest.Cases(t, New(Settings{})) }
//	func TestExam(t *testing.T)   { carriertest.Exam(t, New(Settings{})) }
//	func FuzzDecode(f *testing.F) { carriertest.Fuzz(f, New(Settings{})) }
//
// Further parts are for those whom they concern: Signed for dialects with a
// signature, States and Journey for sources of full lists; Most, Greedy, Truncated, Frugal,
// TableVersion, FuzzLibraries, Benchmark and BenchmarkPush for all.
//
// A case file, testdata/NAME.push, is a request untouched and below it what we
// make of it:
//
//	Content-Type: application/json
//
//	{"Body":{…}}
//	---- events
//	SF7444400031887 2020-05-11T16:56:54+08:00 carrier_zone delivered.signed code=80 … 8072403511e7cf5e
//	---- status
//	SF7444400031887 delivered.signed since 2020-05-11T16:56:54+08:00 after 50 80
//	---- faults
//	---- answer application/json; charset=utf-8
//	{"return_code":"0000","return_msg":"成功"}
//
// In front may stand Content-Type, Query and Path (those of the address), Call and
// Account, one a line, and then an empty line. The body goes on to the line "---- events", the newline
// before that line not included; it may hold any bytes. A new case needs the
// request alone: run the test with -golden, which writes what follows, and read
// the difference as if somebody else had written it.
package carriertest

import (
	"cmp"
	"errors"
	"flag"
	"testing"

	"waytrace/carriers"
	"waytrace/trace"
)

var golden = flag.Bool("golden", false, "rewrite what the case files say we understood and answered")

// heard is when all requests of the exam are heard: 2030-01-01T00:00:00Z. No
// sample may be much younger.
var heard = trace.HLCAt(1_893_456_000_000)

// understood is what came of a request: the events that passed the check, sealed,
// and the faults of all others; or err, when it did not parse.
type understood struct {
	facts trace.Facts
	err   error
}

// understand does with a request what the daemon does, but for keeping it.
func understand(c carriers.Carrier, r *carriers.Request) *understood {
	u := new(understood)
	if u.err = c.Push.Decode(r, &u.facts); u.err != nil {
		return u
	}
	lists := trace.HLC(0)
	u.facts.Judge(heard, func() trace.HLC { lists++; return heard + lists }, c.Push.Names.Of)
	return u
}

// nothing reports whether nothing at all came of a request.
func (u *understood) nothing() bool {
	return u.err == nil && u.facts.Empty() && len(u.facts.Faults) == 0
}

// answer is what the sender is told, and the type of its content.
func (u *understood) answer(c carriers.Carrier, r *carriers.Request) (body, contentType string) {
	b, contentType := c.Push.Answer(nil, r, cmp.Or(u.err, u.facts.Refusal))
	return string(b), contentType
}

// invalid reports whether err is of a kind that Decode may return.
func invalid(err error) bool {
	return errors.Is(err, trace.ErrInvalid) || errors.Is(err, trace.ErrUnauthorized)
}

// heads is what is known of each waybill after events were taken in the order
// given, one after the other.
func heads(t testing.TB, events []trace.Event) map[trace.Waybill]*trace.Head {
	t.Helper()
	known := make(map[trace.Waybill]*trace.Head)
	kept := make(map[trace.Waybill]map[trace.ID]*trace.Event)
	for _, e := range events {
		h := known[e.Waybill]
		if h == nil {
			h = new(trace.Head)
			known[e.Waybill], kept[e.Waybill] = h, make(map[trace.ID]*trace.Event)
		}
		taken, err := h.Take(&e, func() (*trace.Event, error) {
			old := *kept[e.Waybill][e.ID]
			return &old, nil
		})
		if err != nil {
			t.Fatalf("event %s: %v", e.ID, err)
		}
		if taken == trace.Fresh || taken == trace.Changed || taken == trace.Earlier {
			kept[e.Waybill][e.ID] = &e
			h.Fold(e.Waybill, nil)
		}
	}
	return known
}
