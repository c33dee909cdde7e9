package trace

import (
	"fmt"
	"strings"
)

// What the tests of this package share: a full event, journeys written as
// lines, and the store in a few lines of Go.

// A tb is a test, a benchmark or a round of a property.
type tb interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// noon is the moment that most tests take for now: 2026-03-01T12:00:00Z.
const noon = 1_772_366_400_000

// full is an event that has every field, as a dialect fills it in.
func full(t tb) Event {
	t.Helper()
	at, err := ParseOffset("2026-02-27T09:30:15.25-05:00")
	if err != nil {
		t.Fatal(err)
	}
	return Event{
		Waybill: Waybill{"SF7444400031887", "sf"}, Source: "kuaidi100", Code: "80", ReasonCode: "17", At: at,
		Place:    Place{Address: "1 Main St \"rear\"", City: "Albany", State: "NY", Country: "US", Postal: "12207"},
		Text:     Text{Text: "已签收,本人", Reason: "无", EN: "Signed by consignee", ZH: "本人签收", Lang: "zh-Hans"},
		Pair:     Pair{Delivered, "signed"},
		Table:    7,
		Quantity: 2, CarrierID: "158918741444476", Operator: "张三", SignedBy: "李四",
		Latitude: 42.6526, Longitude: -73.7562, Provisional: true, Hint: "4",
		References: []Reference{{"main", "202003225d33322239ddW1df5t3"}, {"other", "PO 7"}},
		Heard:      HLCAt(noon) + 3,
	}
}

// revised is an event that was told in two texts.
func revised(t tb) Event {
	t.Helper()
	e := full(t)
	e.TextEdits = true
	e.Revisions = []Text{
		{Text: "派送中", Lang: "zh-Hans", Heard: HLCAt(noon)},
		{Text: "已签收", EN: "Signed", Reason: "门口", Lang: "zh-Hans", Heard: HLCAt(noon) + 9},
	}
	e.Text = e.Revisions[1]
	e.Heard = HLCAt(noon)
	return e
}

// sealed is a copy of an event with identity, mark and value.
func sealed(e Event) *Event {
	var f Facts
	*f.Event() = e
	f.Seal(&f.Events[0], e.Heard)
	return &f.Events[0]
}

// journey makes events out of lines such as
//
//	2026-03-01 10:00:00 delivered.signed
//
// whose time has the precision that it is written in, and the zone of China.
func journey(t tb, lines ...string) []Event {
	t.Helper()
	var events []Event
	for i, line := range lines {
		cut := strings.LastIndexByte(line, ' ')
		name, sub, _ := strings.Cut(line[cut+1:], ".")
		status, ok := ParseStatus(name)
		at, err := ParseLocal(line[:cut], China, ZoneCarrier)
		if !ok || err != nil {
			t.Fatalf("line %q: status known %t, %v", line, ok, err)
		}
		events = append(events, Event{Waybill: Waybill{"SF7444400031887", "sf"}, Source: "sf", Code: fmt.Sprint(i),
			At: at, Pair: Pair{status, sub}, Table: 1, Heard: HLCAt(noon) + HLC(i)})
	}
	return events
}

// A shelf is one waybill in a store: the stored form of its head and events.
type shelf struct {
	head   []byte
	events map[ID]stored
	read   int // how often an event was read to judge a copy
}

type stored struct {
	local int64
	value []byte
}

// take does what a store does with one batch: it seals, merges, folds, encodes.
func (s *shelf) take(t tb, batch ...Event) []Taken {
	t.Helper()
	var facts Facts
	for _, e := range batch {
		e.References = append([]Reference(nil), e.References...)
		*facts.Event() = e
	}
	for i := range facts.Events {
		facts.Seal(&facts.Events[i], facts.Events[i].Heard)
	}
	return s.merge(t, facts.Events)
}

// merge is take for events that are sealed, or come from another shelf.
func (s *shelf) merge(t tb, events []Event) (taken []Taken) {
	t.Helper()
	var h Head
	if s.head != nil {
		if err := DecodeHead(&h, s.head); err != nil {
			t.Fatal(err)
		}
	}
	if s.events == nil {
		s.events = map[ID]stored{}
	}
	changed := false
	for i := range events {
		e := &events[i]
		did, err := h.Take(e, func() (*Event, error) {
			s.read++
			old := new(Event)
			return old, DecodeEvent(old, e.Waybill, s.events[e.ID].local, e.ID, s.events[e.ID].value)
		})
		if err != nil {
			t.Fatal(err)
		}
		taken = append(taken, did)
		if did == Fresh || did == Changed || did == Earlier {
			s.events[e.ID] = stored{e.At.Local, e.Append(nil)}
			changed = true
		}
	}
	if changed {
		h.Fold(Waybill{"SF7444400031887", "sf"}, nil)
		s.head = h.Append(nil)
	}
	return taken
}

// trace reads the shelf as a store does.
func (s *shelf) trace(t tb) *Trace {
	t.Helper()
	w := Waybill{"SF7444400031887", "sf"}
	tr := new(Trace)
	if err := tr.SetHead(w, s.head); err != nil {
		t.Fatal(err)
	}
	for id, x := range s.events {
		var e Event
		if err := DecodeEvent(&e, w, x.local, id, x.value); err != nil {
			t.Fatal(err)
		}
		tr.Events = append(tr.Events, e)
	}
	SortEvents(tr.Events)
	return tr
}

// fold is the trace of a journey.
func fold(t tb, lines ...string) *Trace {
	t.Helper()
	var s shelf
	s.take(t, journey(t, lines...)...)
	return s.trace(t)
}

// permutations calls yield with every order of n things; n is small.
func permutations(n int, yield func(order []int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var place func(int)
	place = func(k int) {
		if k == n {
			yield(order)
			return
		}
		for i := k; i < n; i++ {
			order[k], order[i] = order[i], order[k]
			place(k + 1)
			order[k], order[i] = order[i], order[k]
		}
	}
	place(0)
}
