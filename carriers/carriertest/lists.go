package carriertest

import (
	"cmp"
	"slices"
	"testing"
	"time"

	"waytrace/carriers"
	"waytrace/trace"
)

// Lists are two cases of one parcel: a full list, and a later one.
type Lists struct {
	Before, After string // names of case files
	Newest        string // what the newest event of the first means when both have come: in_transit.general
}

// States asks of a source that sends full lists with a state of the whole parcel,
// which its newest event keeps as its hint (carriers.Table.Confirm): a state that is no
// end is no part of an event's identity, and what it once said of an event stays, in
// whatever order the lists come. Every status in its tables has a sub-status, so that an event
// with a hint has more fields than the same without one.
func States(t testing.TB, c carriers.Carrier, cases ...Lists) {
	for _, table := range c.Codes.Tables {
		for _, r := range table.Rows {
			if (r.Pair.Sub == "") != (r.Pair.Status == trace.Unknown) {
				t.Errorf("%s, code %s: %s: a status and a sub-status, or neither", table.Name, r.Code, pairText(r.Pair))
			}
		}
	}
	for _, l := range cases {
		before, after := eventsOf(t, c, l.Before), eventsOf(t, c, l.After)
		for _, e := range before {
			if !slices.ContainsFunc(after, func(x trace.Event) bool { return x.ID == e.ID }) {
				t.Errorf("%s: the event with the text %q has another identity in %s", l.Before, e.Text.Text, l.After)
			}
		}
		of, newest := before[0].Waybill, slices.MaxFunc(before, func(a, b trace.Event) int { return cmp.Compare(a.At.Local, b.At.Local) })
		first := heads(t, slices.Concat(before, after))[of]
		for _, x := range first.Entries {
			if got := pairText(x.Pair); x.ID == newest.ID && got != l.Newest {
				t.Errorf("%s, then %s: the event with the text %q is %s, want %s", l.Before, l.After, newest.Text.Text, got, l.Newest)
			}
		}
		if len(first.Entries) != len(after) {
			t.Errorf("%s, then %s: %d events, want %d", l.Before, l.After, len(first.Entries), len(after))
		}
		if last := heads(t, slices.Concat(after, before))[of]; string(last.Append(nil)) != string(first.Append(nil)) {
			t.Errorf("%s and %s: the head depends on their order", l.Before, l.After)
		}
	}
}

// Journey asks of a push that it is understood as one full list without doubles: so
// many events of one carrier's parcel, with which it has a status. It gives the
// events.
func Journey(t testing.TB, c carriers.Carrier, r *carriers.Request, carrier string, events int, status trace.Pair) []trace.Event {
	t.Helper()
	u := understand(c, r)
	if u.err != nil || len(u.facts.Faults) > 0 || len(u.facts.Lists) != 1 || len(u.facts.Lists[0].Has) != events || len(u.facts.Events) != events {
		t.Fatalf("%d events, lists %+v, faults %v, error %v; want one list of %d events", len(u.facts.Events), u.facts.Lists, u.facts.Faults, u.err, events)
	}
	for _, e := range u.facts.Events {
		if e.Carrier != carrier || e.Source != c.Code {
			t.Errorf("an event of %s by %s, want %s by %s: %+v", e.Carrier, e.Source, carrier, c.Code, e)
		}
	}
	h := heads(t, u.facts.Events)[u.facts.Lists[0].Waybill]
	if h == nil || h.Pair != status || len(h.Entries) != events {
		t.Fatalf("the parcel is %+v, want %s after %d events", h, pairText(status), events)
	}
	if !slices.IsSortedFunc(h.Entries, func(a, b trace.Entry) int { return cmp.Compare(a.At.Local, b.At.Local) }) {
		t.Errorf("its events are not in the order of their times: %+v", h.Entries)
	}
	return u.facts.Events
}

// eventsOf are the events of a case.
func eventsOf(t testing.TB, c carriers.Carrier, name string) []trace.Event {
	t.Helper()
	u := understand(c, Request(t, name))
	if u.err != nil || len(u.facts.Events) == 0 {
		t.Fatalf("%s: there are no events in it (%v)", name, u.err)
	}
	return u.facts.Events
}

// A Hearing is a body that a source pushes, and when.
type Hearing struct {
	After time.Duration // since the first
	Body  string
	Want  string // what the parcel's status is then: out_for_delivery.general
}

// Hear asks what becomes of one parcel's full lists, one after the other, as one node
// hears and judges them.
func Hear(t testing.TB, c carriers.Carrier, contentType string, hearings ...Hearing) {
	t.Helper()
	var h trace.Head
	var j trace.Judgement
	kept := make(map[trace.ID]*trace.Event)
	for i, hearing := range hearings {
		at := trace.HLCAt(heard.Milli() + hearing.After.Milliseconds())
		facts := new(trace.Facts)
		r := &carriers.Request{Body: []byte(hearing.Body), ContentType: contentType, Kept: true}
		if err := c.Push.Decode(r, facts); err != nil {
			t.Fatalf("push %d: %v", i, err)
		}
		facts.Judge(at, func() trace.HLC { return at }, c.Push.Names.Of)
		if len(facts.Lists) != 1 {
			t.Fatalf("push %d: %d lists, faults %v", i, len(facts.Lists), facts.Faults)
		}
		for k := range facts.Events {
			e := &facts.Events[k]
			taken, err := h.Take(e, func() (*trace.Event, error) {
				old := *kept[e.ID]
				return &old, nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if taken != trace.Repeat {
				kept[e.ID] = e
			}
		}
		l := &facts.Lists[0]
		if h.Judge(l.Waybill, l, &j) {
			h.TakeList(l)
			j.Note(l)
		}
		h.Fold(l.Waybill, nil)
		if got := pairText(h.Pair); got != hearing.Want {
			t.Errorf("push %d, after %s: the parcel is %s, want %s", i, hearing.After, got, hearing.Want)
		}
	}
}
