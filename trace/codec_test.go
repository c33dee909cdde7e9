package trace

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/VictoriaMetrics/easyproto"
	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// What Seal wrote is read back as what the dialect said, field by field.
func TestEventRoundTrip(t *testing.T) {
	day, err := ParseDate("2026-02-27", China, ZoneCarrier)
	if err != nil {
		t.Fatal(err)
	}
	minute, err := ParseLocal("2026/02/27 10:00", 0, ZoneUnknown)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		change func(*Event)
	}{
		{"full", func(*Event) {}},
		{"edited", func(e *Event) { e.TextEdits = true }},
		{"in two texts", func(e *Event) { *e = revised(t) }},
		{"edited, without a text", func(e *Event) { e.TextEdits, e.Text = true, Text{} }},
		{"nothing but a language", func(e *Event) { e.Text = Text{Lang: "en"} }},
		{"the least", func(e *Event) { *e = Event{Waybill: e.Waybill, At: e.At} }},
		{"a day", func(e *Event) { e.At = day }},
		{"a minute without a zone", func(e *Event) { e.At = minute }},
		{"west and south", func(e *Event) { e.Latitude, e.Longitude, e.At.Offset = -33.9, 0, -12*60-30 }},
		{"as far west as can be", func(e *Event) { e.At.Offset = -15*60 - 59 }},
		{"the last of its kind", func(e *Event) {
			e.At.Zone, e.At.Precision, e.Pair = zones-1, precisions-1, Pair{statuses - 1, "not_in_the_table"}
			e.Table, e.Quantity, e.Heard = math.MaxUint32, math.MaxUint32, math.MaxUint64
			e.At.Offset = 15*60 + 59
		}},
		{"long", func(e *Event) {
			e.Text.Text, e.Operator = strings.Repeat("运", MaxText/3), strings.Repeat("x", MaxField)
			for range 9 {
				e.References = append(e.References, Reference{"zz", e.Operator + string(rune('a'+len(e.References)))})
			}
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := full(t)
			c.change(&e)
			want := *sealed(e)
			var got Event
			if err := DecodeEvent(&got, want.Waybill, want.At.Local, want.ID, want.Value); err != nil {
				t.Fatal(err)
			}
			value := slices.Clone(want.Value)
			clear(want.Value)
			again := got.Append(nil)
			if !bytes.Equal(again, value) {
				t.Errorf("encoded again:\n%x, want\n%x", again, value)
			}
			if got.Mark != want.Mark {
				t.Errorf("mark %+v, want %+v", got.Mark, want.Mark)
			}
			want.Value = nil
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-sealed +decoded, which must not refer into the value:\n%s", diff)
			}
		})
	}
}

// The stored form. From the first release on these bytes are read, and written, for
// ever.
func TestStoredForm(t *testing.T) {
	e := sample(t)
	e.Pair, e.Table, e.CarrierID = Pair{PickedUp, "collected"}, 1, "158918741444476"
	e.Heard = HLCAt(noon)
	e.References = []Reference{{"main", "order 1"}}
	s := sealed(e)
	const want = "0a02736612023530" + // source, code
		"28c007" + "3002" + // offset, zone
		"420474657374" + // address
		"6802" + "7209636f6c6c6563746564" + "7801" + // status, sub, table
		"82010f313538393138373431343434343736" + // carrier's id
		"b00101" + "d201060a0474657374" + // text edits, text
		"d9010000000a45a99c01" + // heard
		"e2010f0a046d61696e12076f726465722031" // reference
	if got := hex.EncodeToString(s.Value); got != want {
		t.Errorf("event\n%s, want\n%s", got, want)
	}
	var h Head
	if _, err := h.Take(s, nil); err != nil {
		t.Fatal(err)
	}
	h.Fold(Waybill{"SF7444400031887", "sf"}, nil)
	const head = "02" + "00" + "02" + "0e" + // form, flags, picked_up.collected
		"02" + "00" + "02" + "02" + // since the first entry, no delivery, milestone 1 at the first entry
		"00" + "00" + "00" + // anomalies, earlier epochs, where the newest begins
		"539834c7c5e75325" + "00" + "00" + // hash of what is shown, no legs, none that were told
		"01" + "046d61696e" + "076f726465722031" + // reference
		"01" + "027366" + // source
		"01" + "68" + "02" + "00" + "0e" + // entry: flags, status, source, sub
		"d89e98d717" + "c007" + "01" + "06" + // local, offset, table, fields
		"d784a63547bd86ec" + "8072403511e7cf5e" // hash, identity
	if got := hex.EncodeToString(h.Append(nil)); got != head {
		t.Errorf("head\n%s, want\n%s", got, head)
	}
}

// What Append writes is what easyproto, which reads it, would write.
func TestStoredFormIsProtobuf(t *testing.T) {
	text := rapid.OneOf(rapid.Just(""), rapid.Just("深圳市"), rapid.StringMatching(`x{100,300}`))
	number := rapid.OneOf(rapid.Just(uint32(0)), rapid.Uint32())
	aText := rapid.Custom(func(t *rapid.T) Text {
		return Text{text.Draw(t, "text"), text.Draw(t, "reason"), text.Draw(t, "en"), text.Draw(t, "zh"), text.Draw(t, "lang"), HLC(number.Draw(t, "heard"))}
	})
	rapid.Check(t, func(t *rapid.T) {
		at, err := ParseLocal(rapid.SampledFrom([]string{"2026-02-27 10:00:00", "2026-02-27 10:00:60", "2026/02/27 10:00:00", "2026-02-27T10:00:00",
			"2026-02-27 10:00", "2026-02-27 10:00:00.250", "2026-02-27 10:00:00.25", "2026-02-27"}).Draw(t, "at"), China, ZoneCarrier)
		if err != nil {
			t.Fatal(err)
		}
		at.Offset = rapid.Int16Range(-959, 959).Draw(t, "offset")
		e := Event{
			At: at, Source: text.Draw(t, "source"), Code: text.Draw(t, "code"), ReasonCode: text.Draw(t, "reason code"),
			Place:    Place{text.Draw(t, "address"), text.Draw(t, "city"), text.Draw(t, "state"), text.Draw(t, "country"), text.Draw(t, "postal")},
			Pair:     Pair{rapid.SampledFrom([]Status{Unknown, Delivered}).Draw(t, "status"), text.Draw(t, "sub")},
			Table:    number.Draw(t, "table"),
			Quantity: number.Draw(t, "quantity"), CarrierID: text.Draw(t, "id"), Operator: text.Draw(t, "operator"), SignedBy: text.Draw(t, "signed by"),
			Longitude: float64(number.Draw(t, "longitude")), Provisional: rapid.Bool().Draw(t, "provisional"), Hint: text.Draw(t, "hint"),
			Leg:       LegTo{Waybill{text.Draw(t, "leg"), text.Draw(t, "leg's carrier")}, rapid.SampledFrom([]Role{Main, Return}).Draw(t, "role")},
			TextEdits: rapid.Bool().Draw(t, "edits"), Text: aText.Draw(t, "shown"), Heard: HLC(number.Draw(t, "heard")),
		}
		e.Text.Heard = 0
		if e.TextEdits {
			e.Revisions = rapid.SliceOfN(aText, 0, 3).Draw(t, "texts")
		}
		for range rapid.IntRange(0, 3).Draw(t, "references") {
			e.References = append(e.References, Reference{text.Draw(t, "account"), text.Draw(t, "reference")})
		}
		want := protobufOf(&e)
		if got := e.Append([]byte("before")); string(got) != "before"+string(want) {
			t.Fatalf("written\n%x, want\n%x", got[len("before"):], want)
		}
	})
}

// protobufOf encodes an event with easyproto.
func protobufOf(e *Event) []byte {
	m := marshalers.Get()
	defer marshalers.Put(m)
	mm := m.MessageMarshaler()
	text := func(mm *easyproto.MessageMarshaler, field uint32, s string) {
		if s != "" {
			mm.AppendString(field, s)
		}
	}
	number := func(mm *easyproto.MessageMarshaler, field, n uint32) {
		if n != 0 {
			mm.AppendUint32(field, n)
		}
	}
	texts := func(t *Text, heard HLC) {
		tm := mm.AppendMessage(fieldText)
		text(tm, textText, t.Text)
		text(tm, textReason, t.Reason)
		text(tm, textEN, t.EN)
		text(tm, textZH, t.ZH)
		text(tm, textLang, t.Lang)
		if heard != 0 {
			tm.AppendFixed64(textHeard, uint64(heard))
		}
	}
	text(mm, fieldSource, e.Source)
	text(mm, fieldCode, e.Code)
	text(mm, fieldReasonCode, e.ReasonCode)
	if e.At.Raw != e.At.canonical() {
		mm.AppendString(fieldRawTime, e.At.Raw)
	}
	if e.At.Offset != 0 {
		mm.AppendSint32(fieldOffset, int32(e.At.Offset))
	}
	number(mm, fieldZone, uint32(e.At.Zone))
	number(mm, fieldPrecision, uint32(e.At.Precision))
	text(mm, fieldAddress, e.Place.Address)
	text(mm, fieldCity, e.Place.City)
	text(mm, fieldState, e.Place.State)
	text(mm, fieldCountry, e.Place.Country)
	text(mm, fieldPostal, e.Place.Postal)
	number(mm, fieldStatus, uint32(e.Pair.Status))
	text(mm, fieldSub, e.Pair.Sub)
	number(mm, fieldTable, e.Table)
	text(mm, fieldCarrierID, e.CarrierID)
	text(mm, fieldOperator, e.Operator)
	number(mm, fieldQuantity, e.Quantity)
	text(mm, fieldSignedBy, e.SignedBy)
	if e.Latitude != 0 || e.Longitude != 0 {
		mm.AppendDouble(fieldLatitude, e.Latitude)
		mm.AppendDouble(fieldLongitude, e.Longitude)
	}
	if e.TextEdits {
		mm.AppendBool(fieldTextEdits, true)
	}
	if e.Provisional {
		mm.AppendBool(fieldProvisional, true)
	}
	text(mm, fieldHint, e.Hint)
	if e.Leg != (LegTo{}) {
		lm := mm.AppendMessage(fieldLeg)
		text(lm, legNumber, e.Leg.Number)
		text(lm, legCarrier, e.Leg.Carrier)
		number(lm, legRole, uint32(e.Leg.Role))
	}
	if len(e.Revisions) > 0 {
		for i := range e.Revisions {
			texts(&e.Revisions[i], e.Revisions[i].Heard)
		}
	} else if e.TextEdits || e.Text != (Text{}) {
		texts(&e.Text, 0)
	}
	mm.AppendFixed64(fieldHeard, uint64(e.Heard))
	for _, r := range e.References {
		rm := mm.AppendMessage(fieldReference)
		rm.AppendString(referenceAccount, r.Account)
		rm.AppendString(referenceText, r.Text)
	}
	return m.Marshal(nil)
}

// A copy that differs in one field only is another value with another hash, but
// for what the mark leaves out.
func TestMark(t *testing.T) {
	base := sealed(full(t))
	for _, c := range []struct {
		name   string
		change func(*Event)
		same   bool
	}{
		{"nothing", func(*Event) {}, true},
		{"hearing", func(e *Event) { e.Heard++ }, true},
		{"references", func(e *Event) { e.References = nil }, true},
		{"item", func(e *Event) { e.Item = 7 }, true},
		{"English text", func(e *Event) { e.Text.EN = "Signed" }, false},
		{"Chinese text", func(e *Event) { e.Text.ZH = "" }, false},
		{"language", func(e *Event) { e.Text.Lang = "zh-Hant" }, false},
		{"reason", func(e *Event) { e.Text.Reason = "x" }, false},
		{"status", func(e *Event) { e.Pair.Status = Returned }, false},
		{"sub", func(e *Event) { e.Pair.Sub = "cod" }, false},
		{"table", func(e *Event) { e.Table++ }, false},
		{"zone", func(e *Event) { e.At.Zone = ZoneDefault }, false},
		{"offset", func(e *Event) { e.At.Offset++ }, false},
		{"precision", func(e *Event) { e.At.Precision = Minute }, false},
		{"hint", func(e *Event) { e.Hint = "" }, false},
		{"provisional", func(e *Event) { e.Provisional = false }, false},
		{"quantity", func(e *Event) { e.Quantity++ }, false},
		{"latitude", func(e *Event) { e.Latitude++ }, false},
		{"longitude", func(e *Event) { e.Longitude++ }, false},
		{"carrier's id", func(e *Event) { e.CarrierID = "" }, false},
		{"signature", func(e *Event) { e.SignedBy = "" }, false},
		{"operator", func(e *Event) { e.Operator = "" }, false},
		{"text edits", func(e *Event) { e.TextEdits = true }, false},
	} {
		e := full(t)
		c.change(&e)
		s := sealed(e)
		if (s.Mark == base.Mark) != c.same {
			t.Errorf("%s: mark %+v, was %+v; the same: %t, want %t", c.name, s.Mark, base.Mark, !c.same, c.same)
		}
		if s.Mark.Fields != uint8(naiveFields(s)) {
			t.Errorf("%s: %d fields were given, want %d", c.name, s.Mark.Fields, naiveFields(s))
		}
	}
	a, b := told(t, "A", 1), told(t, "B", 1)
	if x, y := sealed(a).Mark, sealed(b).Mark; x.Hash != y.Hash || x.Text == y.Text || x.entryHash() == y.entryHash() {
		t.Errorf("two texts of one event have the marks %+v and %+v; want one hash and two texts", x, y)
	}
}

// bad makes values that no Append wrote.
func bad(write func(mm *easyproto.MessageMarshaler)) []byte {
	var m easyproto.Marshaler
	mm := m.MessageMarshaler()
	mm.AppendString(fieldSource, "sf")
	write(mm)
	return m.Marshal(nil)
}

func TestDecodeEventRefuses(t *testing.T) {
	for _, c := range []struct {
		name  string
		value []byte
	}{
		{"an unknown field", bad(func(mm *easyproto.MessageMarshaler) { mm.AppendString(27, "x") })},
		{"field 0", []byte{0x02, 0x01, 'x'}},
		{"an unknown field of a text", bad(func(mm *easyproto.MessageMarshaler) { mm.AppendMessage(fieldText).AppendString(7, "x") })},
		{"an unknown field of a reference", bad(func(mm *easyproto.MessageMarshaler) { mm.AppendMessage(fieldReference).AppendString(3, "x") })},
		{"a number in place of a text", bad(func(mm *easyproto.MessageMarshaler) { mm.AppendUint32(fieldCode, 1) })},
		{"a text in place of a number", bad(func(mm *easyproto.MessageMarshaler) { mm.AppendString(fieldTable, "1") })},
		{"a text in place of a message", bad(func(mm *easyproto.MessageMarshaler) { mm.AppendString(fieldText, "x") })},
		{"a number in place of a message", bad(func(mm *easyproto.MessageMarshaler) { mm.AppendUint32(fieldReference, 1) })},
		{"a status beyond the last", bad(func(mm *easyproto.MessageMarshaler) { mm.AppendUint32(fieldStatus, uint32(statuses)) })},
		{"a zone beyond the last", bad(func(mm *easyproto.MessageMarshaler) { mm.AppendUint32(fieldZone, uint32(zones)) })},
		{"a precision beyond the last", bad(func(mm *easyproto.MessageMarshaler) { mm.AppendUint32(fieldPrecision, uint32(precisions)) })},
		{"a status of 256", bad(func(mm *easyproto.MessageMarshaler) { mm.AppendUint32(fieldStatus, 256) })},
		{"an offset of days", bad(func(mm *easyproto.MessageMarshaler) { mm.AppendSint32(fieldOffset, 1<<16) })},
		{"an offset of -32768", bad(func(mm *easyproto.MessageMarshaler) { mm.AppendSint32(fieldOffset, math.MinInt16) })},
		{"a latitude that is no number", bad(func(mm *easyproto.MessageMarshaler) { mm.AppendDouble(fieldLatitude, math.NaN()) })},
		{"a longitude without end", bad(func(mm *easyproto.MessageMarshaler) { mm.AppendDouble(fieldLongitude, math.Inf(-1)) })},
		{"a table beyond 32 bits", bad(func(mm *easyproto.MessageMarshaler) { mm.AppendUint64(fieldTable, 1<<32) })},
		{"several texts where none is edited", bad(func(mm *easyproto.MessageMarshaler) {
			mm.AppendMessage(fieldText).AppendString(textText, "a")
			mm.AppendMessage(fieldText).AppendString(textText, "b")
		})},
		{"one text with a hearing of its own", bad(func(mm *easyproto.MessageMarshaler) {
			mm.AppendMessage(fieldText).AppendFixed64(textHeard, 7)
		})},
		{"cut off", sealed(full(t)).Value[:100]},
		{"text", []byte("not a value")},
	} {
		var e Event
		if err := DecodeEvent(&e, Waybill{"SF7444400031887", "sf"}, 0, 1, c.value); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", c.name, err)
		} else if !strings.Contains(err.Error(), "SF7444400031887") || !strings.Contains(err.Error(), "0000000000000001") {
			t.Errorf("%s: %q does not say which event", c.name, err)
		}
	}
}

func TestDecodeHeadRefuses(t *testing.T) {
	good := fold(t, "2026-03-01 10:00:00 picked_up", "2026-03-01 11:00:00 delivered").value
	change := func(at int, b byte) []byte {
		v := slices.Clone(good)
		v[at] = b
		return v
	}
	one := func(x Entry) []byte {
		h := Head{Sources: []string{"sf"}, Entries: []Entry{x}}
		h.Fold(Waybill{"SF7444400031887", "sf"}, nil)
		return h.Append(nil)
	}
	far := func(local int64) []byte { return one(Entry{At: Time{Local: local}}) }
	for _, local := range []int64{firstLocal, lastLocal} {
		if err := DecodeHead(new(Head), far(local)); err != nil {
			t.Errorf("local time %d: %v", local, err)
		}
	}
	for _, c := range []struct {
		name  string
		value []byte
	}{
		{"nothing", nil},
		{"a newer form", change(0, headForm+1)},
		{"an unknown flag", change(1, 0x80)},
		{"a status beyond the last", change(2, byte(statuses))},
		{"a sub-status beyond the last", slices.Replace(slices.Clone(good), 3, 4, 0xfe, 0x7f)},
		{"since an entry that is not there", change(4, 4)},
		{"a first delivery that is not there", change(5, 4)},
		{"a milestone beyond the last", change(7, 0x24)},
		{"an entry of a source that is not there", one(Entry{Source: 1})},
		{"an offset of sixteen hours", one(Entry{At: Time{Offset: 16 * 60}})},
		{"an offset of sixteen hours west", one(Entry{At: Time{Offset: -16 * 60}})},
		{"a time beyond the year 9999", far(lastLocal + 1)},
		{"a time before the year 0", far(firstLocal - 1)},
		{"something behind the end", append(slices.Clone(good), 0)},
	} {
		var h Head
		if err := DecodeHead(&h, c.value); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v, want ErrInvalid", c.name, err)
		}
	}
	for n := range good {
		var h Head
		if err := DecodeHead(&h, good[:n]); !errors.Is(err, ErrInvalid) {
			t.Errorf("cut off after %d of %d bytes: %v, want ErrInvalid", n, len(good), err)
		}
	}
}

// A head is read back as it was, also into a head that was used before.
func TestHeadRoundTrip(t *testing.T) {
	var used Head
	for _, lines := range [][]string{
		{"2026-03-01 10:00:00 unknown"},
		{"2020-05-11 16:56:54 picked_up.collected", "2020-05-11 16:56:54 delivered.signed", "2026-03-01 10:00:00 in_transit.not_in_the_table"},
		{"2026-03-01 10:00:00 delivered", "2026-03-02 10:00:00 out_for_delivery"},
		{"2026-03-01 pre_transit", "2026-03-01 10:00 picked_up", "2026-03-01 10:00:00.123 in_transit"},
	} {
		var s shelf
		events := journey(t, lines...)
		events[0].TextEdits, events[0].Text = true, Text{Text: "A"}
		events[0].References = []Reference{{"main", "order 1"}, {"other", "order 2"}}
		events[len(events)-1].Source = "kuaidi100"
		events[len(events)-1].At.Offset, events[len(events)-1].Table = -90, 9
		s.take(t, events...)
		again := events[0]
		again.Text.Text = "B"
		s.take(t, again)
		if err := DecodeHead(&used, s.head); err != nil {
			t.Fatal(err)
		}
		if got := used.Append(nil); !bytes.Equal(got, s.head) {
			t.Errorf("%q: encoded again\n%x, want\n%x", lines, got, s.head)
		}
		used.Fold(Waybill{"SF7444400031887", "sf"}, nil)
		if got := used.Append(nil); !bytes.Equal(got, s.head) {
			t.Errorf("%q: folded again\n%x, want\n%x", lines, got, s.head)
		}
		last := &used.Entries[len(used.Entries)-1]
		if got, want := used.Newest(), last.At.pinned(last.Pair.Status); got != want {
			t.Errorf("%q: newest %d, want %d", lines, got, want)
		}
	}
	if got := new(Head).Newest(); got != 0 {
		t.Errorf("the newest of nothing is %d", got)
	}
}

// Known sub-statuses take a byte or two in a head, others their text.
func TestSubsInAHead(t *testing.T) {
	for _, sub := range append(slices.Clone(subTable[:]), "x", "by_drone", strings.Repeat("z", MaxSub)) {
		b := appendSub(nil, sub)
		r := headReader{b: b}
		if got := r.sub(); got != sub || r.bad || r.left() != 0 {
			t.Errorf("sub-status %q comes back as %q from %x", sub, got, b)
		}
		if _, known := subNumbers[sub]; known && len(b) > 2 {
			t.Errorf("the known sub-status %q takes %d bytes", sub, len(b))
		}
	}
}

func FuzzDecodeEvent(f *testing.F) {
	for _, e := range []Event{full(f), revised(f), sample(f), told(f, "", 1), {Waybill: full(f).Waybill, At: full(f).At}} {
		s := sealed(e)
		f.Add(s.At.Local, s.Value)
	}
	f.Add(int64(math.MinInt64), bad(func(mm *easyproto.MessageMarshaler) { mm.AppendString(27, "x") }))
	f.Fuzz(func(t *testing.T, local int64, value []byte) {
		w := Waybill{"SF7444400031887", "sf"}
		borrowed := slices.Clone(value)
		var e, again Event
		if err := DecodeEvent(&e, w, local, 1, borrowed); err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		first := e.Append(nil)
		for i := range borrowed {
			borrowed[i] = 'x'
		}
		if !bytes.Equal(e.Append(nil), first) {
			t.Fatalf("the event that was read from %x refers into it", value)
		}
		if err := DecodeEvent(&again, w, local, 1, first); err != nil {
			t.Fatalf("%x is written as %x, which is refused: %v", value, first, err)
		}
		if second := again.Append(nil); !bytes.Equal(first, second) {
			t.Fatalf("%x is written as %x, then as %x", value, first, second)
		}
		if !cmp.Equal(e, again) {
			t.Fatalf("%x is another event when it was written again:\n%s", value, cmp.Diff(e, again))
		}
		if b := e.AppendJSON(nil, EN); !validJSON(b) {
			t.Fatalf("not JSON: %s", b)
		}
		// What is sealed comes back as it was, references in their order.
		s := sealed(e)
		if err := DecodeEvent(&again, w, local, s.ID, s.Value); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.Append(nil), s.Value) {
			t.Fatalf("sealed as %x, which does not come back", s.Value)
		}
		if again.Merge(s); !bytes.Equal(again.Append(nil), s.Value) {
			t.Fatalf("united with itself %x becomes %x", s.Value, again.Append(nil))
		}
	})
}

func FuzzDecodeHead(f *testing.F) {
	for _, lines := range [][]string{
		{"2026-03-01 10:00:00 unknown"},
		{"2026-03-01 10:00:00 delivered", "2026-03-02 10:00:00 out_for_delivery", "2026-03-02 11:00 in_transit.customs_cleared"},
		{"2026-03-01 pre_transit", "2026-03-01 10:00 picked_up", "2026-03-01 10:00:00.123 in_transit.not_in_the_table"},
	} {
		var s shelf
		events := journey(f, lines...)
		events[0].References = []Reference{{"main", "order 1"}}
		events[0].TextEdits, events[0].Text = true, Text{Text: "A"}
		again := events[0]
		again.Text.Text = "B"
		s.take(f, events...)
		f.Add(s.head)
		s.take(f, again)
		f.Add(s.head)
	}
	for _, c := range caseFiles(f) {
		for _, head := range play(f, c).heads() {
			f.Add(head)
		}
	}
	f.Fuzz(func(t *testing.T, value []byte) {
		var h, again Head
		if err := DecodeHead(&h, value); err != nil {
			if !errors.Is(err, ErrInvalid) {
				t.Fatal(err)
			}
			return
		}
		first := h.Append(nil)
		if err := DecodeHead(&again, first); err != nil {
			t.Fatalf("%x is written as %x, which is refused: %v", value, first, err)
		}
		if second := again.Append(nil); !bytes.Equal(first, second) {
			t.Fatalf("%x is written as %x, then as %x", value, first, second)
		}
		tr := Trace{Waybill: Waybill{"SF7444400031887", "sf"}, Head: h}
		if b := tr.AppendJSON(nil, Variant{}); !validJSON(b) {
			t.Fatalf("not JSON: %s", b)
		}
		if tag := tr.AppendTag(nil, Variant{}); len(tag) != len(`W/"0123456789abcdef"`) {
			t.Fatalf("tag %s", tag)
		}
		h.Newest()
		h.Fold(Waybill{"SF7444400031887", "sf"}, nil)
		folded := h.Append(nil)
		if err := DecodeHead(&again, folded); err != nil {
			t.Fatalf("folded it is %x, which is refused: %v", folded, err)
		}
		again.Fold(Waybill{"SF7444400031887", "sf"}, nil)
		if b := again.Append(nil); !bytes.Equal(b, folded) {
			t.Fatalf("folded once %x, twice %x", folded, b)
		}
	})
}
