package trace

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"
)

// What a variant shows is what is read for it, and nothing else.
func TestWants(t *testing.T) {
	fields := func(names string) Fields {
		f, err := ParseFields(names)
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	for _, c := range []struct {
		name string
		v    Variant
		want Want
	}{
		{"a status", Variant{}, Want{Records: true}}, // charges are part of it
		{"a status alone", Variant{Fields: fields("status")}, Want{}},
		{"a trace", Variant{Events: true}, Want{Events: true, Records: true}},
		{"a trace without events", Variant{Events: true, Fields: fields("status,legs")}, Want{}},
		{"charges", Variant{Fields: fields("charges")}, Want{Records: true}},
		{"business events that nobody asked for", Variant{Fields: fields("business")}, Want{}},
		{"business events", Variant{Fields: fields("business"), Business: true}, Want{Records: true}},
		{"a parcel before", Variant{Fields: fields("status"), Epoch: 1}, Want{Legs: true, Epoch: 1}},
	} {
		if got := c.v.Wants(); got != c.want {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}

// The legs that are read: for events those of which something is known, for a parcel
// before all that there may be.
func TestChildrenThatAreRead(t *testing.T) {
	h := forwarded(t, LegTo{Waybill{"AAAA1", "yto"}, LastMile}, LegTo{Waybill{"AAAA2", ""}, Forwarded}, LegTo{})
	h.TakeLeg(&LegFact{To: LegTo{Waybill{"", "usps"}, LastMile}, Since: noon}, false)
	child := forwarded(t, LegTo{})
	h.Fold(parent, func(w Waybill) (string, *Head) {
		if w.Number == "AAAA1" {
			return w.Carrier, child
		}
		return w.Carrier, nil
	})
	tr := Trace{Waybill: parent, Head: *h}
	for _, c := range []struct {
		want  Want
		legs  []Waybill
		lacks bool
	}{
		{Want{}, nil, false},
		{Want{Records: true}, nil, false},
		{Want{Events: true}, []Waybill{{"AAAA1", "yto"}, {"AAAA2", "usps"}}, true},
		{Want{Legs: true}, []Waybill{{"AAAA1", "yto"}, {"AAAA2", "usps"}}, false},
		{Want{Legs: true, Epoch: 1}, []Waybill{{"AAAA1", "yto"}, {"AAAA2", "usps"}}, false},
	} {
		if got := tr.Children(c.want); !slices.Equal(got, c.legs) {
			t.Errorf("%+v: legs %v, want %v", c.want, got, c.legs)
		}
		if got := tr.Lacks(c.want); got != c.lacks {
			t.Errorf("%+v: more is to be read %t, want %t", c.want, got, c.lacks)
		}
	}
	if tr.Head.Records = 1; !tr.Lacks(Want{Records: true}) {
		t.Error("there are records, and nothing more is to be read")
	}
	tr.Events, tr.Legs, tr.Records, tr.Also = make([]Event, 1), make([]Part, 1), make([]Record, 1), []string{"yto"}
	if tr.Reset(); len(tr.Events)+len(tr.Legs)+len(tr.Records)+len(tr.Also) != 0 || tr.Number != "" {
		t.Errorf("after a reset there is %+v", tr)
	}
}

// However many legs were told of a parcel, no more are read than the fold takes, and
// of the parcel that is asked for alone.
func TestChildrenOfAnEpoch(t *testing.T) {
	var h Head
	for _, e := range journey(t, "2025-09-01 10:00:00 picked_up", "2025-09-03 10:00:00 delivered", "2026-02-01 10:00:00 picked_up") {
		if taken, err := h.Take(sealed(e), nil); taken != Fresh || err != nil {
			t.Fatal(taken, err)
		}
	}
	first := h.Entries[0].pinned()
	for i := range mostTold - 1 {
		h.TakeLeg(&LegFact{To: LegTo{Waybill{fmt.Sprintf("AAAA%02d", i), "yto"}, Forwarded}, Since: first + int64(i)}, false)
	}
	h.TakeLeg(&LegFact{To: LegTo{Waybill{"BBBB1", "yto"}, LastMile}, Since: noon}, false)
	h.Fold(parent, nil)
	tr := Trace{Waybill: parent, Head: h}
	for _, want := range []Want{{Legs: true, Epoch: 1}, {Events: true, Epoch: 1}} {
		if got := tr.Children(want); len(got) != MaxLegs || got[0].Number != "AAAA00" {
			t.Errorf("%+v: %d legs are read, %v; want the first %d", want, len(got), got, MaxLegs)
		}
	}
	for _, want := range []Want{{Legs: true, Epoch: 2}, {Legs: true}, {Events: true}} {
		if got := tr.Children(want); !slices.Equal(got, []Waybill{{"BBBB1", "yto"}}) {
			t.Errorf("%+v: %v are read, want the newest parcel's leg", want, got)
		}
	}
}

// What was taken back does not make a head the newest.
func TestNewestOfWhatIsShown(t *testing.T) {
	d := newDesk(t, onTheRoad...)
	d.hear("a b c d e", 0)
	shown := d.head.Newest()
	d.hear("a b c d", time.Minute)
	if got := d.head.Newest(); got != shown {
		t.Errorf("after a doubtful list the newest is at %d, want %d", got, shown)
	}
	d.hear("a b c d", time.Hour)
	if got := d.head.Newest(); !d.head.Hides(d.byKey["e"]) || got != d.head.Entries[3].pinned() {
		t.Errorf("without the last the newest is at %d, want %d", got, d.head.Entries[3].pinned())
	}
}

// A head is silent while it has nothing to answer with: lists about events that have
// not come say nothing.
func TestSilent(t *testing.T) {
	var h Head
	h.TakeList(&List{Stamp: Stamp{1, 1}, Shows: []ID{7}, Hides: []ID{8}})
	h.Fold(yto, nil)
	if !h.Silent() || h.Has(7) || h.Hides(8) || h.LocalOf(7) != 0 || h.Newest() != 0 {
		t.Errorf("a head of nothing but ghosts answers: %+v", h)
	}
	for name, tell := range map[string]func(*Head){
		"a leg":    func(h *Head) { h.TakeLeg(&LegFact{To: LegTo{Waybill{"AAAA1", ""}, LastMile}, Since: 5}, false) },
		"a word":   func(h *Head) { h.TakeOverride(&Override{Author: "li", Stamp: Stamp{1, 1}}) },
		"a record": func(h *Head) { h.Records = 1 },
		"a scan": func(h *Head) {
			if _, err := h.Take(sealed(journey(t, "2026-03-01 10:00:00 unknown")[0]), nil); err != nil {
				t.Fatal(err)
			}
		},
	} {
		var told Head
		if tell(&told); told.Silent() {
			t.Errorf("with %s told a head is silent", name)
		}
	}
	d := newDesk(t, onTheRoad...)
	d.hear("a b c d", 0)
	d.hear("a c d", time.Minute)
	if id := d.byKey["b"]; !d.head.Has(id) || !d.head.Hides(id) || d.head.Hides(d.byKey["a"]) || d.head.LocalOf(id) == 0 {
		t.Error("of a scan that was taken back the head does not know that, or where it was")
	}
}

// A status by itself is the status of the whole answer.
func TestAppendStatus(t *testing.T) {
	for _, f := range caseFiles(t) {
		p := play(t, f)
		tr := p.trace(t, p.order[0])
		var whole struct{ Status json.RawMessage }
		if err := json.Unmarshal(tr.AppendJSON(nil, Variant{Lang: EN}), &whole); err != nil {
			t.Fatal(err)
		}
		if got := string(tr.Head.AppendStatus(nil, EN)); got != string(whole.Status) {
			t.Errorf("%s: status %s, in the whole %s", f.name, got, whole.Status)
		}
	}
}

// The kinds of problem are told by errors.Is, whatever they say.
func TestProblems(t *testing.T) {
	p := Invalid("invalid_number", "number", "%q is no number", "?")
	if !errors.Is(p, ErrInvalid) || p.Error() != `invalid_number: "?" is no number` || p.Field != "number" {
		t.Errorf("%+v says %q", p, p.Error())
	}
	for _, kind := range []error{ErrInvalid, ErrUnauthorized, ErrNotFound, ErrUnavailable} {
		if p := Problemf(kind, "code", "detail %d", 7); !errors.Is(p, kind) || p.Detail != "detail 7" || p.Field != "" {
			t.Errorf("%v: %+v", kind, p)
		}
	}
}
