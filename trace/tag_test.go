package trace

import (
	"regexp"
	"testing"
	"time"
)

// tag is the tag of a trace as it would be read from disk.
func tag(t tb, s *shelf, change func(*Trace, *Variant)) string {
	t.Helper()
	tr := s.trace(t)
	v := Variant{Events: true, Account: "main"}
	if change != nil {
		change(tr, &v)
	}
	return string(tr.AppendTag(nil, v))
}

// Each part of a variant has a tag of its own.
func TestTagOfVariants(t *testing.T) {
	var s shelf
	e := full(t)
	e.References = []Reference{{"main", "order 1"}, {"main", "order 2"}, {"other", "PO 7"}}
	s.take(t, e)
	seen := map[string]string{}
	for name, change := range map[string]func(*Trace, *Variant){
		"as it is":      nil,
		"Traditional":   func(_ *Trace, v *Variant) { v.Lang = ZhHant },
		"English":       func(_ *Trace, v *Variant) { v.Lang = EN },
		"newest first":  func(_ *Trace, v *Variant) { v.Desc = true },
		"a status":      func(_ *Trace, v *Variant) { v.Events = false },
		"fields":        func(_ *Trace, v *Variant) { v.Fields = 1 },
		"other fields":  func(_ *Trace, v *Variant) { v.Fields = 2 },
		"other account": func(_ *Trace, v *Variant) { v.Account = "other" },
		"no references": func(_ *Trace, v *Variant) { v.Account = "nobody" },
		"also":          func(tr *Trace, _ *Variant) { tr.Also = []string{"yto"} },
		"also another":  func(tr *Trace, _ *Variant) { tr.Also = []string{"zto"} },
		"also two":      func(tr *Trace, _ *Variant) { tr.Also = []string{"yto", "zto"} },
		"also number":   func(tr *Trace, _ *Variant) { tr.AlsoNumbers = []string{"yto"} },
		"number":        func(tr *Trace, _ *Variant) { tr.Number = "SF7444400031888" },
		"carrier":       func(tr *Trace, _ *Variant) { tr.Carrier = "sf-cn" },
	} {
		got := tag(t, &s, change)
		if !regexp.MustCompile(`^W/"[0-9a-f]{16}"$`).MatchString(got) {
			t.Errorf("%s: the tag %s is not weak, quoted and sixteen digits", name, got)
		}
		if again := tag(t, &s, change); again != got {
			t.Errorf("%s: the tag is %s, then %s", name, got, again)
		}
		if other, known := seen[got]; known {
			t.Errorf("%q and %q have one tag, %s", name, other, got)
		}
		seen[got] = name
	}
}

// Every fact that an answer shows is in the tag; when it was received, whatever
// other accounts call it, and a repeat are not.
func TestTagOfFacts(t *testing.T) {
	first := func() []Event {
		events := journey(t, "2026-03-01 09:00:00 picked_up.collected", "2026-03-01 10:00:00 in_transit.departed")
		events[0].References = []Reference{{"main", "order 1"}}
		events[1].TextEdits, events[1].Text = true, Text{Text: "A"}
		return events
	}
	for _, c := range []struct {
		name  string
		more  func(events []Event) []Event // what is told besides
		first bool                         // it is told in place of the events, not besides
		same  bool
	}{
		{name: "a repeat", same: true, more: func(e []Event) []Event { return e }},
		{name: "a repeat that was heard later", same: true, more: func(e []Event) []Event {
			e[0].Heard, e[1].Heard = e[0].Heard+HLCAt(1e6), e[1].Heard+HLCAt(1e6)
			return e
		}},
		{name: "an earlier hearing", same: true, more: func(e []Event) []Event {
			e[0].Heard, e[1].Heard = 1, 2
			return e
		}},
		{name: "another node's hearings", first: true, same: true, more: func(e []Event) []Event {
			e[0].Heard, e[1].Heard = HLCAt(noon+1e6), HLCAt(noon-1e9)
			return e
		}},
		{name: "another account's reference", same: true, more: func(e []Event) []Event {
			e[0].References = []Reference{{"aaa", "order 1"}, {"other", "PO 7"}}
			return e
		}},
		{name: "a reference of the account", more: func(e []Event) []Event {
			e[1].References = []Reference{{"main", "order 2"}}
			return e
		}},
		{name: "another event", more: func(e []Event) []Event { return journey(t, "2026-03-01 11:00:00 unknown") }},
		{name: "another text", more: func(e []Event) []Event { e[1].Text.Text = "B"; return e }},
		{name: "a copy of a newer table", more: func(e []Event) []Event { e[0].Table++; return e }},
		{name: "a fuller copy", more: func(e []Event) []Event { e[0].Operator = "Li"; return e }},
		{name: "an address that is one letter off", first: true, more: func(e []Event) []Event { e[0].Place.Address = "x"; return e }},
		{name: "a zone of other origin", first: true, more: func(e []Event) []Event { e[0].At.Zone = ZoneDefault; return e }},
		{name: "a provisional status", first: true, more: func(e []Event) []Event { e[0].Provisional = true; return e }},
		{name: "another source", first: true, more: func(e []Event) []Event { e[0].Source = "kuaidi100"; return e }},
		{name: "another sub-status", first: true, more: func(e []Event) []Event { e[1].Pair.Sub = "arrived"; return e }},
		{name: "a text of its own", first: true, more: func(e []Event) []Event { e[1].Text.EN = "Departed"; return e }},
		{name: "no reference", first: true, more: func(e []Event) []Event { e[0].References = nil; return e }},
	} {
		var before, after shelf
		before.take(t, first()...)
		if !c.first {
			after.take(t, first()...)
		}
		after.take(t, c.more(first())...)
		was, is := tag(t, &before, nil), tag(t, &after, nil)
		if (was == is) != c.same {
			t.Errorf("%s: the tag was %s and is %s; the same: %t, want %t", c.name, was, is, was == is, c.same)
		}
	}
}

// What lists, legs, operators and partners say is in the tag as far as it is shown.
func TestTagOfWhatIsShown(t *testing.T) {
	w := Waybill{"YT1234567890123", "yto"}
	tags := func(h *Head) (plain, whole string) {
		tr := Trace{Waybill: w}
		if err := tr.SetHead(w, h.Append(nil)); err != nil {
			t.Fatal(err)
		}
		return string(tr.AppendTag(nil, Variant{Events: true})), string(tr.AppendTag(nil, Variant{Events: true, Retracted: true}))
	}
	for _, c := range []struct {
		name         string
		change       func(d *desk)
		plain, whole bool // which tags change
	}{
		{"the same list again", func(d *desk) { d.hear("a b c d e", time.Hour) }, false, false},
		{"a list that takes a scan back", func(d *desk) { d.hear("a c d e", time.Hour) }, true, true},
		{"a list that is doubted", func(d *desk) { d.hear("a e", time.Hour) }, false, true},
		{"a list that takes a scan back, and one that has it again", func(d *desk) {
			d.hear("a c d e", time.Hour)
			d.hear("a b c d e f", 2*time.Hour)
		}, false, true},
		{"a word of an operator", func(d *desk) {
			d.head.TakeOverride(&Override{Pair: d.head.Pair, Author: "li", Reason: "so it is", Stamp: Stamp{1, 1}})
		}, true, true},
		{"a word that was withdrawn", func(d *desk) {
			d.head.TakeOverride(&Override{Author: "li", Reason: "so it is", Stamp: Stamp{1, 1}})
		}, false, true},
		{"a leg that was told", func(d *desk) {
			d.head.TakeLeg(&LegFact{To: LegTo{Waybill{"AAAA1", "usps"}, LastMile}, Since: noon}, false)
		}, true, true},
		{"a record", func(d *desk) { d.head.Records = 7 }, true, true},
		{"a scan that another source tells better", func(d *desk) {
			e := journey(t, "2026-02-25 20:00:30 in_transit.departed")[0]
			e.Waybill, e.Source = yto, "zto"
			d.tell(t, "z", e)
		}, true, true}, // it is named among the sources
	} {
		d := newDesk(t, append(onTheRoad, "2026-02-27 20:00:00 in_transit.departed")...)
		d.hear("a b c d e", 0)
		plain, whole := tags(&d.head)
		c.change(d)
		d.head.Fold(w, nil)
		plainNow, wholeNow := tags(&d.head)
		if (plain != plainNow) != c.plain || (whole != wholeNow) != c.whole {
			t.Errorf("%s: the tag changed %t, want %t; with what was taken back %t, want %t", c.name, plain != plainNow, c.plain, whole != wholeNow, c.whole)
		}
	}
}

// A trace's tag changes with what is shown of the leg that it has, and with nothing
// else of it.
func TestTagOfALeg(t *testing.T) {
	child := Waybill{"AAAA1", "yto"}
	h, other := forwarded(t, LegTo{child, LastMile}), new(Head)
	now := func() string {
		h.Fold(parent, func(Waybill) (string, *Head) { return "yto", other })
		tr := Trace{Waybill: parent}
		if err := tr.SetHead(parent, h.Append(nil)); err != nil {
			t.Fatal(err)
		}
		return string(tr.AppendTag(nil, Variant{Events: true}))
	}
	was := now()
	other.References = []Reference{{"main", "order 1"}}
	if now() != was {
		t.Error("the child's reference changed the tag")
	}
	e := journey(t, "2026-03-02 10:00:00 unknown")[0]
	e.Waybill, e.Source = child, "yto"
	if _, err := other.Take(sealed(e), nil); err != nil {
		t.Fatal(err)
	}
	if now() == was {
		t.Error("the child's event, which is shown, did not change the tag")
	}
}

// The tag of an answer that shows more than the fold took in, an older parcel or what
// was taken back, changes with the legs that it shows.
func TestTagOfADeepAnswer(t *testing.T) {
	child := Waybill{"AAAA1", "yto"}
	onward := journey(t, "2025-09-01 10:00:00 in_transit.forwarded", "2025-09-09 10:00:00 delivered", "2026-02-01 10:00:00 picked_up")
	onward[0].Leg = LegTo{child, Forwarded}
	scans := journey(t, "2025-09-02 10:00:00 in_transit", "2025-09-03 10:00:00 out_for_delivery")
	for i := range scans {
		scans[i].Waybill, scans[i].Source = child, "kuaidi100"
	}
	hidden := sealed(scans[1])
	hides := List{Waybill: child, Source: "kuaidi100", Stamp: Stamp{HLCAt(noon), 7}, Shows: []ID{sealed(scans[0]).ID}, Hides: []ID{hidden.ID}}
	older := []telling{{event: sealed(onward[0])}, {event: sealed(onward[1])}, {event: sealed(onward[2])}}
	for _, c := range []struct {
		name   string
		v      Variant
		before []telling
		then   telling
	}{
		{"a scan under the older parcel's new number", Variant{Epoch: 1}, older, telling{event: sealed(scans[1])}},
		{"one that changes no status, with events", Variant{Epoch: 1, Events: true}, older, telling{event: sealed(scans[0])}},
		{"a scan that was taken back before it came", Variant{Retracted: true, Events: true},
			[]telling{older[0], {event: sealed(scans[0])}, {list: &hides}}, telling{event: hidden}},
	} {
		r := newReplica()
		r.take(c.before...)
		answer := func() (tag, whole string) {
			tr := r.trace(parent, c.v)
			return string(tr.AppendTag(nil, c.v)), string(tr.AppendJSON(nil, c.v))
		}
		tag, was := answer()
		r.take(c.then)
		tagNow, is := answer()
		if tag == tagNow || was == is {
			t.Errorf("%s: the tag was %s and is %s, of\n%s and\n%s", c.name, tag, tagNow, was, is)
		}
	}
}
