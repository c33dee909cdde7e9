package trace

import (
	"math"
	"strings"
	"testing"
)

// Each fault that an event can have, and the edge on which it has none.
func TestCheck(t *testing.T) {
	long := func(n int) string { return strings.Repeat("单", n/3) + strings.Repeat("x", n%3) }
	at := func(s string) func(*Event) {
		return func(e *Event) {
			at, err := ParseOffset(s)
			if err != nil {
				t.Fatal(err)
			}
			e.At = at
		}
	}
	for _, c := range []struct {
		name   string
		change func(*Event)
		code   string // "" is no fault
		field  string
	}{
		{"as it is", func(*Event) {}, "", ""},
		{"no number", func(e *Event) { e.Number = "" }, "missing_number", "number"},
		{"a number of blanks", func(e *Event) { e.Number = "   " }, "invalid_number", "number"},
		{"a number of 300", func(e *Event) { e.Number = long(300) }, "invalid_number", "number"},
		{"a short number", func(e *Event) { e.Number = "abc" }, "invalid_number", "number"},
		{"a number with blanks", func(e *Event) { e.Number = " sf7444 400031887" }, "", ""},
		{"no carrier", func(e *Event) { e.Carrier = "" }, "invalid_carrier", "carrier"},
		{"a carrier in capitals", func(e *Event) { e.Carrier = "SF" }, "invalid_carrier", "carrier"},
		{"a sub-status in capitals", func(e *Event) { e.Pair.Sub = "Signed" }, "invalid_sub", "sub"},
		{"a sub-status that is not known", func(e *Event) { e.Pair.Sub = "by_drone" }, "", ""},
		{"no time", func(e *Event) { e.At = Time{} }, "missing_time", "time"},
		{"the first believed time", at("2000-01-01T00:00:00Z"), "", ""},
		{"a second before", at("1999-12-31T23:59:59Z"), "time_suspect", "time"},
		{"26 hours ahead", at("2026-03-02T14:00:00Z"), "", ""},
		{"a second more", at("2026-03-02T14:00:01Z"), "time_suspect", "time"},
		{"a year ahead", at("2027-03-01T12:00:00Z"), "time_suspect", "time"},
		{"26 hours ahead by its zone", at("2026-03-02T22:00:00+08:00"), "", ""},
		{"the longest text", func(e *Event) { e.Text.Text = long(MaxText) }, "", ""},
		{"a longer text", func(e *Event) { e.Text.Text = long(MaxText + 1) }, "too_long", "description"},
		{"a longer English text", func(e *Event) { e.Text.EN = long(MaxText + 1) }, "too_long", "description_en"},
		{"a longer Chinese text", func(e *Event) { e.Text.ZH = long(MaxText + 1) }, "too_long", "description_zh"},
		{"a longer reason", func(e *Event) { e.Text.Reason = long(MaxText + 1) }, "too_long", "reason"},
		{"a longer language", func(e *Event) { e.Text.Lang = long(MaxField + 1) }, "too_long", "lang"},
		{"the longest code", func(e *Event) { e.Code = long(MaxField) }, "", ""},
		{"a longer code", func(e *Event) { e.Code = long(MaxField + 1) }, "too_long", "code"},
		{"a longer reason code", func(e *Event) { e.ReasonCode = long(MaxField + 1) }, "too_long", "reason_code"},
		{"a longer address", func(e *Event) { e.Place.Address = long(MaxField + 1) }, "too_long", "address"},
		{"a longer city", func(e *Event) { e.Place.City = long(MaxField + 1) }, "too_long", "city"},
		{"a longer state", func(e *Event) { e.Place.State = long(MaxField + 1) }, "too_long", "state"},
		{"a longer country", func(e *Event) { e.Place.Country = long(MaxField + 1) }, "too_long", "country"},
		{"a longer postal code", func(e *Event) { e.Place.Postal = long(MaxField + 1) }, "too_long", "postal_code"},
		{"a longer carrier id", func(e *Event) { e.CarrierID = long(MaxField + 1) }, "too_long", "carrier_id"},
		{"a longer operator", func(e *Event) { e.Operator = long(MaxField + 1) }, "too_long", "operator"},
		{"a longer signature", func(e *Event) { e.SignedBy = long(MaxField + 1) }, "too_long", "signed_by"},
		{"a longer source", func(e *Event) { e.Source = long(MaxField + 1) }, "too_long", "source"},
		{"a longer time", func(e *Event) { e.At.Raw = long(MaxField + 1) }, "too_long", "time"},
		{"a longer hint", func(e *Event) { e.Hint = long(MaxField + 1) }, "too_long", "hint"},
		{"a longer reference", func(e *Event) { e.References[0].Text = long(MaxField + 1) }, "too_long", "reference"},
		{"a reference that is not indexed", func(e *Event) { e.References[0].Text = long(MaxReference*3 + 3) }, "", ""},
		{"a text that is not UTF-8", func(e *Event) { e.Text.Text = "\xb5\xe7" }, "invalid_text", "description"},
		{"a time that is not UTF-8", func(e *Event) { e.At.Raw += "\xff" }, "invalid_text", "time"},
		{"a reference that is not UTF-8", func(e *Event) { e.References[0].Text = "\xb5\xe7" }, "invalid_text", "reference"},
		{"the pole", func(e *Event) { e.Latitude, e.Longitude = -90, 180 }, "", ""},
		{"beyond the pole", func(e *Event) { e.Latitude = 90.1 }, "invalid_position", "latitude"},
		{"beyond the date line", func(e *Event) { e.Longitude = -180.1 }, "invalid_position", "longitude"},
		{"a latitude that is no number", func(e *Event) { e.Latitude = math.NaN() }, "invalid_position", "latitude"},
		{"a longitude without end", func(e *Event) { e.Longitude = math.Inf(1) }, "invalid_position", "longitude"},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := full(t)
			c.change(&e)
			f, ok := e.Check(noon)
			if ok != (c.code == "") || f.Code != c.code || f.Field != c.field {
				t.Fatalf("fault %+v, ok %t; want code %q of field %q", f, ok, c.code, c.field)
			}
			if !ok && (f.Detail == "" || len(f.Detail) > 200 || f.Index != 0) {
				t.Errorf("fault %+v tells too little, or too much", f)
			}
			if ok && e.Number != "SF7444400031887" {
				t.Errorf("number %q, want the canonical one", e.Number)
			}
		})
	}
}

// Facts keep their memory and nothing else.
func TestFacts(t *testing.T) {
	var f Facts
	for range 3 {
		*f.Event() = full(t)
		f.Event().Code = "dropped"
		f.Drop()
		f.Fault(-1, "missing_time", "acceptTime", "the event has no time")
		if len(f.Events) != 1 || f.Events[0].Code != "80" {
			t.Fatalf("%d events, want the one that was not dropped", len(f.Events))
		}
		if want := (Fault{-1, "missing_time", "acceptTime", "the event has no time"}); len(f.Faults) != 1 || f.Faults[0] != want {
			t.Fatalf("faults %+v, want %+v", f.Faults, want)
		}
		f.Seal(&f.Events[0], 7)
		if len(f.Events[0].Value) == 0 || f.Events[0].Heard != 7 {
			t.Fatalf("sealed: %+v", f.Events[0])
		}
		e := f.Event()
		if e.Number != "" || e.Value != nil || e.References != nil {
			t.Fatalf("a new event is not empty: %+v", e)
		}
		f.Reset()
		if len(f.Events) != 0 || len(f.Faults) != 0 {
			t.Fatalf("%d events and %d faults after a reset", len(f.Events), len(f.Faults))
		}
	}
}

// Values of one Facts lie side by side: none may grow into the next.
func TestSealedValuesDoNotTouch(t *testing.T) {
	var f Facts
	for i := range 20 {
		e := f.Event()
		*e = full(t)
		e.Text.Text = strings.Repeat("x", i*100)
	}
	var want []string
	for i := range f.Events {
		f.Seal(&f.Events[i], HLC(i))
		want = append(want, string(f.Events[i].Value))
	}
	for i := range f.Events {
		_ = append(f.Events[i].Value, "overwritten"...)
	}
	for i := range f.Events {
		if string(f.Events[i].Value) != want[i] {
			t.Errorf("the value of event %d was overwritten", i)
		}
	}
}

// A seal puts references in order, each once.
func TestSealOrdersReferences(t *testing.T) {
	e := full(t)
	e.References = []Reference{{"b", "1"}, {"a", "2"}, {"a", "1"}, {"b", "1"}, {"a", "2"}}
	s := sealed(e)
	want := []Reference{{"a", "1"}, {"a", "2"}, {"b", "1"}}
	if len(s.References) != 3 || s.References[0] != want[0] || s.References[1] != want[1] || s.References[2] != want[2] {
		t.Errorf("references %v, want %v", s.References, want)
	}
}
