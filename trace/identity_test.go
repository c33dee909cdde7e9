package trace

import (
	"bytes"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// sample is the event of SF's own document.
func sample(t tb) Event {
	t.Helper()
	at, err := ParseLocal("2020-05-11 16:56:54", China, ZoneCarrier)
	if err != nil {
		t.Fatal(err)
	}
	return Event{Waybill: Waybill{"SF7444400031887", "sf"}, Source: "sf", Code: "50", At: at,
		Place: Place{Address: "test"}, Text: Text{Text: "test"}, TextEdits: true}
}

// The identity that other nodes compute too.
func TestIdentityOfTheDocumentsSample(t *testing.T) {
	e := sample(t)
	id, _ := e.identify(nil)
	if got, want := id.String(), "8072403511e7cf5e"; got != want {
		t.Errorf("identity %s, want %s", got, want)
	}
}

// Each change of an event, and whether it is another event then.
func TestIdentity(t *testing.T) {
	edits := sample(t)
	fixed := edits
	fixed.TextEdits, fixed.ReasonCode = false, "17"
	for _, c := range []struct {
		name    string
		of      Event
		change  func(*Event)
		another bool
	}{
		{"number", fixed, func(e *Event) { e.Number = "SF7444400031888" }, true},
		{"carrier", fixed, func(e *Event) { e.Carrier = "yto" }, true},
		{"source", fixed, func(e *Event) { e.Source = "kuaidi100" }, true},
		{"code", fixed, func(e *Event) { e.Code = "80" }, true},
		{"reason code", fixed, func(e *Event) { e.ReasonCode = "" }, true},
		{"reason code where texts are edited", edits, func(e *Event) { e.ReasonCode = "17" }, false},
		{"text", fixed, func(e *Event) { e.Text.Text = "Test" }, true},
		{"text where texts are edited", edits, func(e *Event) { e.Text.Text = "Test" }, false},
		{"no text", fixed, func(e *Event) { e.Text.Text = "" }, true},
		{"white space in the text", fixed, func(e *Event) { e.Text.Text = " te\tst\r\n" }, false},
		{"Unicode white space in the text", fixed, func(e *Event) { e.Text.Text = "te\u3000\u00a0\u2028st\u0085" }, false},
		{"a zero-width joiner is no white space", fixed, func(e *Event) { e.Text.Text = "te\u200dst" }, true},
		{"the time as written", fixed, func(e *Event) { e.At.Raw = "2020-05-11 16:56:55" }, true},
		{"white space in the time", fixed, func(e *Event) { e.At.Raw = "2020-05-11T16:56:54" }, true},
		{"a blank behind the time", fixed, func(e *Event) { e.At.Raw += " " }, true},
		{"address", fixed, func(e *Event) { e.Place.Address = "Test" }, true},
		{"white space in the address", fixed, func(e *Event) { e.Place.Address = "test " }, true},
		{"city", fixed, func(e *Event) { e.Place.City = "x" }, true},
		{"state", fixed, func(e *Event) { e.Place.State = "x" }, true},
		{"country", fixed, func(e *Event) { e.Place.Country = "x" }, true},
		{"postal code", fixed, func(e *Event) { e.Place.Postal = "x" }, true},
		{"the same word in another part of the place", fixed, func(e *Event) { e.Place = Place{City: "test"} }, true},
		{"status", fixed, func(e *Event) { e.Pair, e.Table, e.Provisional = Pair{Delivered, "signed"}, 9, true }, false},
		{"zone", fixed, func(e *Event) { e.At.Offset, e.At.Zone, e.At.Precision = 0, ZoneUnknown, Minute }, false},
		{"hearing", fixed, func(e *Event) { e.Heard = 7 }, false},
		{"the carrier's own id", fixed, func(e *Event) { e.CarrierID = "158918741444476" }, false},
		{"all else that may be given", fixed, func(e *Event) {
			e.Operator, e.Quantity, e.SignedBy, e.Latitude, e.Longitude, e.Item = "Li", 1, "Li", 1, 2, 3
			e.References = []Reference{{"main", "order 1"}}
			e.Text.EN, e.Text.ZH, e.Text.Lang, e.Text.Reason = "x", "x", "en", "x"
		}, false},
	} {
		before, scratch := c.of.identify(nil)
		changed := c.of
		c.change(&changed)
		after, _ := changed.identify(scratch)
		if (after != before) != c.another {
			t.Errorf("%s: identity %s, then %s; another event: %t, want %t", c.name, before, after, after != before, c.another)
		}
	}
}

// Each field that goes into an identity is preceded by its length, so that what
// moves from one to the next is seen.
func TestIdentityKeepsFieldsApart(t *testing.T) {
	a, b := sample(t), sample(t)
	a.Source, a.Code = "sf", "50"
	b.Source, b.Code = "sf5", "0"
	ida, _ := a.identify(nil)
	idb, _ := b.identify(nil)
	if ida == idb {
		t.Error("source sf, code 50 and source sf5, code 0 are one event")
	}
}

// The identity is the one that is built the slow way, for any text.
func TestIdentityByHand(t *testing.T) {
	text := rapid.String()
	var scratch []byte
	rapid.Check(t, func(t *rapid.T) {
		e := sample(t)
		e.TextEdits = rapid.Bool().Draw(t, "edits")
		for name, field := range map[string]*string{"number": &e.Number, "carrier": &e.Carrier, "source": &e.Source, "code": &e.Code,
			"reason": &e.ReasonCode, "raw": &e.At.Raw, "text": &e.Text.Text, "address": &e.Place.Address, "city": &e.Place.City} {
			*field = text.Draw(t, name)
		}
		var got ID
		got, scratch = e.identify(scratch)
		if want := naiveIdentity(&e); got != want {
			t.Fatalf("identity %s, want %s", got, want)
		}
	})
}

// The text under the hash is what is left of it without white space, rune by rune.
func TestTextWithoutSpace(t *testing.T) {
	part := rapid.SampledFrom([]string{"到", "东莞", "【深圳】", "。", " ", "\u3000", "\u00a0", "\u2028", "\u1680", "\x85", "é", "a", "Z9", "\n", "\xff", "\xe4\xb8", "\ufffd", "\u4dff", "😀"})
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOfN(part, 0, 90).Draw(t, "text"), "")
		var plain []byte
		for _, r := range s {
			if !unicode.IsSpace(r) {
				plain = utf8.AppendRune(plain, r)
			}
		}
		want := appendPart([]byte("before"), string(plain))
		if got := appendPartWithoutSpace([]byte("before"), s); !bytes.Equal(got, want) {
			t.Fatalf("%q: %q, want %q", s, got, want)
		}
	})
}
