package bench

import (
	"testing"

	"waytrace/trace"
)

// All parcels of a run are there once, by number, with the events that are pushed.
func TestMadeUp(t *testing.T) {
	const set = 500
	m := NewMadeUp(set, someDay, 7)
	p := newParcels(set, someDay, 7)
	want := map[string]int{}
	for i := range set {
		want[string(p.appendNumber(nil, i))] = i
	}
	before := ""
	for n := range set {
		var facts, pushed trace.Facts
		m.Events(&facts, n)
		number := facts.Events[0].Number
		i, known := want[number]
		if !known || number <= before || len(facts.Events) != m.EventsEach() {
			t.Fatalf("parcel %d is %s with %d events, behind %s", n, number, len(facts.Events), before)
		}
		before = number
		for k := range facts.Events {
			if e := p.event(&pushed, i, k); e.ID != facts.Events[k].ID || string(e.Value) != string(facts.Events[k].Value) {
				t.Fatalf("event %d of %s is another", k, number)
			}
		}
	}
}
