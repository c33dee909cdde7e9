package trace

import (
	"errors"
	"fmt"
	"slices"
	"testing"
)

// told is one event of a source with fine codes, in a text, heard at a reading.
func told(t tb, text string, heard HLC) Event {
	t.Helper()
	e := journey(t, "2026-03-01 10:00:00 out_for_delivery")[0]
	e.TextEdits, e.Text, e.Heard, e.Relayed = true, Text{Text: text}, heard, true
	return e
}

// The text that was first heard last is shown; what was heard before is a repeat.
func TestRevisions(t *testing.T) {
	for _, c := range []struct {
		name     string
		tellings []Event
		want     []Taken
		texts    []string // as they are ordered; the last is shown
	}{
		{"one text, twice", []Event{told(t, "A", 5), told(t, "A", 9)}, []Taken{Fresh, Repeat}, []string{"A"}},
		{"another text", []Event{told(t, "A", 5), told(t, "B", 9)}, []Taken{Fresh, Changed}, []string{"A", "B"}},
		{"the old text again", []Event{told(t, "A", 5), told(t, "B", 9), told(t, "A", 11)}, []Taken{Fresh, Changed, Repeat}, []string{"A", "B"}},
		{"a text that was heard earlier elsewhere", []Event{told(t, "A", 5), told(t, "B", 3)}, []Taken{Fresh, Changed}, []string{"B", "A"}},
		{"an earlier hearing of the shown text", []Event{told(t, "A", 5), told(t, "B", 9), told(t, "B", 2)},
			[]Taken{Fresh, Changed, Changed}, []string{"B", "A"}},
		{"an earlier hearing of the only text, then another between", []Event{told(t, "A", 9), told(t, "A", 2), told(t, "B", 5)},
			[]Taken{Fresh, Earlier, Changed}, []string{"A", "B"}},
		{"three", []Event{told(t, "A", 3), told(t, "C", 1), told(t, "B", 2)}, []Taken{Fresh, Changed, Changed}, []string{"C", "B", "A"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s shelf
			var got []Taken
			for _, e := range c.tellings {
				got = append(got, s.take(t, e)...)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("taken %v, want %v", got, c.want)
			}
			tr := s.trace(t)
			if len(tr.Events) != 1 {
				t.Fatalf("%d events, want one", len(tr.Events))
			}
			e := &tr.Events[0]
			var texts []string
			for _, x := range e.texts() {
				texts = append(texts, x.Text)
			}
			if !slices.Equal(texts, c.texts) || e.shown().Text != c.texts[len(c.texts)-1] {
				t.Errorf("texts %q, shown %q; want %q", texts, e.shown().Text, c.texts)
			}
			permutations(len(c.tellings), func(order []int) {
				var other shelf
				for _, i := range order {
					other.take(t, c.tellings[i])
				}
				if string(other.head) != string(s.head) {
					t.Errorf("in the order %v the head is %x, want %x", order, other.head, s.head)
				}
			})
		})
	}
}

// Of the copies of one event the greatest by table, fields and hash stands.
func TestCopies(t *testing.T) {
	base := journey(t, "2026-03-01 10:00:00 in_transit")[0]
	copied := func(change func(*Event)) Event {
		e := base
		change(&e)
		return e
	}
	plain := copied(func(e *Event) {})
	fuller := copied(func(e *Event) { e.Operator, e.SignedBy = "Li", "Wang" })
	newer := copied(func(e *Event) { e.Table, e.Pair = 2, Pair{Delivered, "signed"} })
	for _, c := range []struct {
		name   string
		copies []Event
		want   Taken
		stands Event
	}{
		{"a fuller copy", []Event{plain, fuller}, Changed, fuller},
		{"a poorer copy", []Event{fuller, plain}, Repeat, fuller},
		{"a poorer copy of a newer table", []Event{fuller, newer}, Changed, newer},
		{"a fuller copy of an older table", []Event{newer, fuller}, Repeat, newer},
		{"another hearing", []Event{plain, copied(func(e *Event) { e.Heard = 1 })}, Repeat, plain},
	} {
		t.Run(c.name, func(t *testing.T) {
			var s shelf
			s.take(t, c.copies[0])
			if got := s.take(t, c.copies[1]); got[0] != c.want {
				t.Errorf("taken %v, want %v", got[0], c.want)
			}
			tr := s.trace(t)
			got := tr.Events[0]
			if got.Pair != c.stands.Pair || got.Operator != c.stands.Operator || got.Table != c.stands.Table {
				t.Errorf("%+v stands, want %+v", got, c.stands)
			}
			if tr.Head.Pair != c.stands.Pair {
				t.Errorf("status %v, want %v", tr.Head.Pair, c.stands.Pair)
			}
		})
	}
}

// Where one copy says that its text may be edited and another does not, the one
// that does stands, whichever came first.
func TestCopiesThatDisagreeAboutTextEdits(t *testing.T) {
	edits := func(text string, heard HLC) Event { return told(t, text, heard) }
	fixed := journey(t, "2026-03-01 10:00:00 out_for_delivery")[0]
	fixed.Table, fixed.Text, fixed.Operator = 9, Text{EN: "Out for delivery"}, "Li"
	fixed.Heard, fixed.References = 1, []Reference{{"main", "order 1"}}
	copies := []Event{edits("A", 9), fixed, edits("B", 5)}
	var want string
	permutations(len(copies), func(order []int) {
		var s shelf
		for _, i := range order {
			s.take(t, copies[i])
		}
		tr := s.trace(t)
		e := &tr.Events[0]
		if len(tr.Events) != 1 || e.shown().Text != "A" || len(e.Revisions) != 2 || e.Operator != "" {
			t.Errorf("in the order %v: %d events, %d texts, %q shown", order, len(tr.Events), len(e.Revisions), e.shown().Text)
		}
		if !slices.Equal(tr.Head.References, fixed.References) {
			t.Errorf("in the order %v: references %v", order, tr.Head.References)
		}
		if want == "" {
			want = string(s.head)
		}
		if string(s.head) != want {
			t.Errorf("in the order %v the head is %x, want %x", order, s.head, want)
		}
	})
}

// A head names the references that can be indexed, in order.
func TestReferencesOfAHead(t *testing.T) {
	many := journey(t, "2026-03-01 10:00:00 in_transit", "2026-03-01 11:00:00 in_transit")
	for i := range 40 {
		many[i%2].References = append(many[i%2].References, Reference{"main", fmt.Sprintf("order %02d", 39-i)})
	}
	many[0].References = append(many[0].References, Reference{"main", "a\x00b"}, Reference{"main", ""})
	var s shelf
	s.take(t, many...)
	refs := s.trace(t).Head.References
	if len(refs) != 40 || refs[0].Text != "order 00" || refs[39].Text != "order 39" {
		t.Errorf("%d references: %v", len(refs), refs)
	}
	if got := s.take(t, many...); !slices.Equal(got, []Taken{Repeat, Repeat}) || s.read != 0 {
		t.Errorf("again: %v with %d reads, want repeats without any", got, s.read)
	}
	one := many[0]
	one.References = []Reference{{"another", "order 1"}}
	if got := s.take(t, one); got[0] != Changed {
		t.Errorf("a reference that is new: %v, want changed", got)
	}
	kept := s.events[sealed(one).ID]
	var e Event
	if err := DecodeEvent(&e, one.Waybill, kept.local, sealed(one).ID, kept.value); err != nil {
		t.Fatal(err)
	}
	if len(e.References) != 23 {
		t.Errorf("the event has %d references, want all 23", len(e.References))
	}
}

// The caps are judged before anything is taken.
func TestTooMany(t *testing.T) {
	e := journey(t, "2026-03-01 10:00:00 in_transit")[0]
	event := func(i int, source string) *Event {
		x := e
		x.Code, x.Source = fmt.Sprint("code ", i), source
		return sealed(x)
	}
	fill := func(n int, source func(i int) string) *Head {
		var h Head
		for i := range n {
			if got, err := h.Take(event(i, source(i)), nil); got != Fresh || err != nil {
				t.Fatalf("event %d: %v, %v", i, got, err)
			}
		}
		return &h
	}
	full := fill(MaxEvents, func(int) string { return "sf" })
	if got, err := full.Take(event(MaxEvents, "sf"), nil); got != TooMany || err != nil || len(full.Entries) != MaxEvents {
		t.Errorf("the event beyond: %v, %v, %d entries", got, err, len(full.Entries))
	}
	if got, err := full.Take(event(7, "sf"), nil); got != Repeat || err != nil {
		t.Errorf("a repeat at the cap: %v, %v", got, err)
	}
	first := e
	for i := range MaxReferences {
		first.References = append(first.References, Reference{"main", fmt.Sprintf("order %03d", i)})
	}
	var named Head
	if got, err := named.Take(sealed(first), nil); got != Fresh || err != nil {
		t.Fatalf("%v, %v", got, err)
	}
	other := event(1, "sf")
	other.References = []Reference{{"main", "order 007"}}
	if got, err := named.Take(sealed(*other), nil); got != Fresh || err != nil {
		t.Errorf("a reference that is known, at the cap: %v, %v", got, err)
	}
	other = event(2, "sf")
	other.References = []Reference{{"main", "zzz"}}
	if got, err := named.Take(sealed(*other), nil); got != Fresh || err != nil || len(named.References) != MaxReferences {
		t.Errorf("an event with a reference beyond: %v, %v, %d references; want it taken", got, err, len(named.References))
	}
	other.References[0].Account = "shop"
	other.Code = "another"
	if got, err := named.Take(sealed(*other), nil); got != Fresh || err != nil || len(named.References) != MaxReferences+1 {
		t.Errorf("another account's: %v, %v, %d references", got, err, len(named.References))
	}
	for account := range 60 {
		x := *event(100+account, "sf")
		for i := range MaxReferences {
			x.References = append(x.References, Reference{fmt.Sprint("shop ", account), fmt.Sprint("R", i)})
		}
		if got, err := named.Take(sealed(x), nil); got != Fresh || err != nil {
			t.Fatalf("account %d: %v, %v", account, got, err)
		}
	}
	var decoded Head
	if err := DecodeHead(&decoded, named.Append(nil)); err != nil || len(decoded.References) != allReferences {
		t.Errorf("a head with the references of many accounts: %v, %d of them", err, len(decoded.References))
	}
	crowded := *event(3, "sf")
	for i := range MaxReferences + 1 {
		crowded.References = append(crowded.References, Reference{"main", fmt.Sprint("R", i)})
	}
	if got, err := named.Take(sealed(crowded), nil); got != TooMany || err != nil {
		t.Errorf("an event with too many of its own: %v, %v", got, err)
	}
	others := fill(MaxEvents-ownEvents, func(int) string { return "api:shop" })
	if got, err := others.Take(event(MaxEvents, "api:shop"), nil); got != TooMany || err != nil {
		t.Errorf("another's event where others have their share: %v, %v", got, err)
	}
	if got, err := others.Take(event(MaxEvents, "sf"), nil); got != Fresh || err != nil {
		t.Errorf("the carrier's own: %v, %v", got, err)
	}
	const mostSources = 255 // a head of more has no room for another
	many := fill(mostSources, func(i int) string { return fmt.Sprint("api:", i) })
	if got, err := many.Take(event(mostSources, "sf"), nil); got != TooMany || err != nil {
		t.Errorf("the source beyond: %v, %v", got, err)
	}
	if got, err := many.Take(event(mostSources, "api:3"), nil); got != Fresh || err != nil {
		t.Errorf("a source that is known: %v, %v", got, err)
	}
	many.Fold(Waybill{"SF7444400031887", "sf"}, nil)
	for i := range many.Entries {
		x := &many.Entries[i]
		at := slices.IndexFunc(many.Entries, func(o Entry) bool { return o.ID == event(i, fmt.Sprint("api:", i)).ID })
		if at >= 0 && many.Sources[many.Entries[at].Source] != fmt.Sprint("api:", i) {
			t.Fatalf("entry %s is of source %s", x.ID, many.Sources[x.Source])
		}
	}
	var back Head
	if err := DecodeHead(&back, many.Append(nil)); err != nil || !slices.Equal(back.Sources, many.Sources) {
		t.Errorf("a head of %d sources does not come back: %v", mostSources, err)
	}
}

// What cannot be read is said, not guessed.
func TestTakeWithoutTheEvent(t *testing.T) {
	var h Head
	if _, err := h.Take(sealed(told(t, "A", 1)), nil); err != nil {
		t.Fatal(err)
	}
	h.Fold(Waybill{"SF7444400031887", "sf"}, nil)
	before := string(h.Append(nil))
	gone := errors.New("gone")
	if _, err := h.Take(sealed(told(t, "B", 2)), func() (*Event, error) { return nil, gone }); !errors.Is(err, gone) {
		t.Errorf("error %v, want %v", err, gone)
	}
	if string(h.Append(nil)) != before {
		t.Error("the head changed although the event could not be read")
	}
}

// Which item of its request an event was is not the business of a union.
func TestTakeKeepsTheItem(t *testing.T) {
	var h Head
	first := sealed(told(t, "A", 1))
	if _, err := h.Take(first, nil); err != nil {
		t.Fatal(err)
	}
	second := sealed(told(t, "B", 2))
	second.Item = 7
	if got, err := h.Take(second, func() (*Event, error) { return first, nil }); got != Changed || err != nil {
		t.Fatalf("%v, %v", got, err)
	}
	if second.Item != 7 {
		t.Errorf("item %d, want 7", second.Item)
	}
	if len(second.Revisions) != 2 {
		t.Errorf("%d texts, want both", len(second.Revisions))
	}
}

// A repeat that is heard here and now is told from the head alone: nothing is
// read. One that was heard elsewhere may have been heard earlier.
func TestARepeatReadsNothing(t *testing.T) {
	var s shelf
	here := told(t, "A", 5)
	here.Relayed = false
	s.take(t, here)
	again := sealed(here)
	again.Heard = 9
	var h Head
	if err := DecodeHead(&h, s.head); err != nil {
		t.Fatal(err)
	}
	if taken, err := h.Take(again, nil); taken != Repeat || err != nil {
		t.Errorf("taken %d, %v", taken, err)
	}
	read := false
	again.Relayed = true
	_, err := h.Take(again, func() (*Event, error) { read = true; return sealed(here), nil })
	if !read || err != nil {
		t.Errorf("a relayed repeat read the event: %t, %v", read, err)
	}
}

// An event that is told in ever new words fills up too.
func TestTooManyTexts(t *testing.T) {
	var s shelf
	for i := range MaxTexts {
		s.take(t, told(t, fmt.Sprint("text ", i), HLC(i+1)))
	}
	if got := s.take(t, told(t, "one more", 99)); got[0] != TooMany {
		t.Errorf("the text beyond was taken as %v", got)
	}
	if got := s.take(t, told(t, "text 7", 99)); got[0] != Repeat {
		t.Errorf("a known text at the cap was taken as %v", got)
	}
}
