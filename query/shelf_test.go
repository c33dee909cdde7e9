package query

import (
	"bytes"
	"fmt"
	"slices"
	"testing"

	"waytrace/trace"
)

// fake is a Store by hand.
type fake struct {
	trace    func(dst *trace.Trace, number, carrier string, want trace.Want) error
	waybills func(account, reference string) ([]trace.Waybill, error)
	stamp    func(number string) (uint32, bool) // nil never settles
}

func (f fake) Trace(dst *trace.Trace, number, carrier string, want trace.Want) error {
	return f.trace(dst, number, carrier, want)
}

func (f fake) Waybills(account, reference string) ([]trace.Waybill, error) {
	return f.waybills(account, reference)
}

func (f fake) Stamp(number string) (uint32, bool) {
	if f.stamp == nil {
		return 0, false
	}
	return f.stamp(number)
}

// Lacks is what a store says that is still looking what it has.
func (f fake) Lacks(string) bool { return false }

// shelf holds waybills as a store would: heads and events in their stored forms.
type shelf map[trace.Waybill]*parcel

type parcel struct {
	head   trace.Head
	stored []byte
	events []trace.Event
	puts   int // how often it changed
}

// heard is when the shelf learned all that it holds: 2020-05-11T08:56:55.5Z.
var heard = trace.HLCAt(1_589_187_415_500)

// put takes events in as the store's writer does.
func (s shelf) put(t testing.TB, events ...trace.Event) {
	t.Helper()
	for _, e := range events {
		if fault, ok := e.Check(heard.Milli()); !ok {
			t.Fatalf("event %+v: %s: %s", e, fault.Code, fault.Detail)
		}
		var f trace.Facts
		f.Seal(&e, heard)
		p := s[e.Waybill]
		if p == nil {
			p = new(parcel)
			s[e.Waybill] = p
		}
		at := slices.IndexFunc(p.events, func(have trace.Event) bool { return have.ID == e.ID })
		taken, err := p.head.Take(&e, func() (*trace.Event, error) { return p.event(at) })
		switch {
		case err != nil:
			t.Fatal(err)
		case taken == trace.Fresh:
			p.events = append(p.events, e)
		case taken == trace.Changed:
			e.Value = e.Append(nil)
			p.events[at] = e
		}
		p.puts++
		p.head.Fold(e.Waybill, nil)
		p.stored = p.head.Append(nil)
	}
}

func (p *parcel) event(i int) (*trace.Event, error) {
	var e trace.Event
	have := &p.events[i]
	err := trace.DecodeEvent(&e, have.Waybill, have.At.Local, have.ID, have.Value)
	return &e, err
}

// Trace is Store's.
func (s shelf) Trace(dst *trace.Trace, number, carrier string, want trace.Want) error {
	dst.Reset()
	var shown trace.Waybill
	for w, p := range s {
		if w.Number != number {
			continue
		}
		dst.Also = append(dst.Also, w.Carrier)
		if carrier == w.Carrier || carrier == "" && (shown.Number == "" || p.head.Newest() > s[shown].head.Newest()) {
			shown = w
		}
	}
	p := s[shown]
	if p == nil {
		return fmt.Errorf("shelf: %s: %w", number, trace.ErrNotFound)
	}
	slices.Sort(dst.Also)
	dst.Also = slices.DeleteFunc(dst.Also, func(carrier string) bool { return carrier == shown.Carrier })
	if err := dst.SetHead(shown, bytes.Clone(p.stored)); err != nil {
		return err
	}
	if want.Events {
		for i := range p.events {
			e, err := p.event(i)
			if err != nil {
				return err
			}
			dst.Events = append(dst.Events, *e)
		}
		trace.SortEvents(dst.Events)
	}
	return nil
}

// Stamp is Store's: a shelf stands still, or is put upon between two reads, by which the
// number of its puts changes.
func (s shelf) Stamp(number string) (stamp uint32, settled bool) {
	for w, p := range s {
		if w.Number == number {
			stamp += uint32(p.puts)
		}
	}
	return stamp, true
}

// Lacks is Store's; a shelf knows what it has.
func (s shelf) Lacks(number string) bool {
	for w := range s {
		if w.Number == number {
			return false
		}
	}
	return true
}

// Waybills is Store's, in whatever order the map has.
func (s shelf) Waybills(account, reference string) (found []trace.Waybill, err error) {
	for w, p := range s {
		if slices.Contains(p.head.References, trace.Reference{Account: account, Text: reference}) {
			found = append(found, w)
		}
	}
	return found, nil
}

// scan is an event as SF's dialect would give it. at is local time in China.
func scan(t testing.TB, number, carrier, at, code string, status trace.Pair, references ...string) trace.Event {
	t.Helper()
	when, err := trace.ParseLocal(at, trace.China, trace.ZoneCarrier)
	if err != nil {
		t.Fatal(err)
	}
	e := trace.Event{
		Waybill: trace.Waybill{Number: number, Carrier: carrier}, Source: carrier, Code: code, At: when,
		Place: trace.Place{Address: "test"}, Text: trace.Text{Text: "test", Lang: "zh-Hans"},
		TextEdits: true, Pair: status, Table: 1,
	}
	for _, r := range references {
		e.References = append(e.References, trace.Reference{Account: trace.DefaultAccount, Text: r})
	}
	return e
}

var (
	collected = trace.Pair{Status: trace.PickedUp, Sub: "collected"}
	departed  = trace.Pair{Status: trace.InTransit, Sub: "departed"}
	signed    = trace.Pair{Status: trace.Delivered, Sub: "signed"}
)

const (
	sample          = "SF7444400031887"
	sampleReference = "202003225d33322239ddW1df5t3"
)

// stocked is the shelf that most tests read: SF's own sample, a number that two
// carriers have, and references that lead to one, two and many waybills.
func stocked(t testing.TB) shelf {
	t.Helper()
	s := shelf{}
	pickup := scan(t, sample, "sf", "2020-05-11 16:56:54", "50", collected, sampleReference)
	pickup.CarrierID = "158918741444476"
	delivery := scan(t, sample, "sf", "2020-05-11 16:56:54", "80", signed, sampleReference)
	delivery.CarrierID = "158918741457126"
	s.put(t, delivery, pickup)

	s.put(t,
		scan(t, "TWICE-1", "sf", "2020-05-09 10:00:00", "50", collected, "order/7"),
		scan(t, "TWICE-1", "yto", "2020-05-10 10:00:00", "50", collected),
		scan(t, "SECOND-2", "sf", "2020-05-08 10:00:00", "50", collected, "order/7", "theirs"))
	english := scan(t, "TOLD-1", "sf", "2020-05-09 10:00:00", "50", collected)
	english.Text = trace.Text{Text: "已收取快件", EN: "Shipment collected", Lang: "zh-Hans"}
	s.put(t, english, scan(t, "TOLD-1", "sf", "2020-05-09 12:00:00", "36", departed))
	for i := range maxWaybills + 20 {
		s.put(t, scan(t, fmt.Sprintf("MANY-%04d", i), "sf", fmt.Sprintf("2020-05-09 10:%02d:00", i%60), "50", collected, "many"))
	}

	// The same reference at another account leads elsewhere.
	other := scan(t, "OTHER-1", "sf", "2020-05-09 10:00:00", "50", collected)
	other.References = []trace.Reference{{Account: "shop", Text: sampleReference}}
	s.put(t, other)
	return s
}
