package trace

import (
	"bytes"
	"cmp"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"unicode/utf8"

	"github.com/VictoriaMetrics/easyproto"
	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// Strangers' bytes are understood as easyproto understands them, or refused as it would.
func FuzzDecodeAsEasyproto(f *testing.F) {
	for i := range 50 {
		e := wild{rand.New(rand.NewPCG(uint64(i), 7))}.event()
		f.Add(sealed(e).Value)
	}
	f.Add([]byte{fieldQuantity << 3 & 0x7F, 1})
	f.Add([]byte{fieldSource<<3 | wireLen, 0x81, 0x00, 'x'})
	f.Fuzz(func(t *testing.T, value []byte) {
		var got, want Event
		failed, refused := got.decodeFields(value), want.decodeWithEasyproto(value)
		if (failed == nil) != (refused == nil) {
			t.Fatalf("%x is read with %v, by easyproto with %v", value, failed, refused)
		}
		if failed == nil && !gocmp.Equal(got, want, cmpopts.EquateEmpty()) {
			t.Fatalf("%x: -easyproto +got\n%s", value, gocmp.Diff(want, got, cmpopts.EquateEmpty()))
		}
	})
}

// decodeWithEasyproto is decodeFields, told to easyproto.
func (e *Event) decodeWithEasyproto(src []byte) error {
	text := func(to *string) func(*easyproto.FieldContext) bool {
		return func(fc *easyproto.FieldContext) (ok bool) { *to, ok = fc.String(); return ok }
	}
	number := func(most uint32, take func(uint32)) func(*easyproto.FieldContext) bool {
		return func(fc *easyproto.FieldContext) bool {
			n, ok := fc.Uint32()
			take(n)
			return ok && n <= most
		}
	}
	truth := func(to *bool) func(*easyproto.FieldContext) bool {
		return func(fc *easyproto.FieldContext) (ok bool) { *to, ok = fc.Bool(); return ok }
	}
	degrees := func(to *float64, most float64) func(*easyproto.FieldContext) bool {
		return func(fc *easyproto.FieldContext) (ok bool) { *to, ok = fc.Double(); return ok && within(*to, most) }
	}
	heard := func(to *HLC) func(*easyproto.FieldContext) bool {
		return func(fc *easyproto.FieldContext) bool {
			n, ok := fc.Fixed64()
			*to = HLC(n)
			return ok
		}
	}
	type fields map[uint32]func(*easyproto.FieldContext) bool
	message := func(of fields) func(*easyproto.FieldContext) bool {
		return func(fc *easyproto.FieldContext) bool {
			return eachFieldIn(fc, func(fc *easyproto.FieldContext) bool { return of[fc.FieldNum] != nil && of[fc.FieldNum](fc) }) == nil
		}
	}
	const any32 = 1<<32 - 1
	var texts []Text
	of := fields{
		fieldSource: text(&e.Source), fieldCode: text(&e.Code), fieldReasonCode: text(&e.ReasonCode), fieldRawTime: text(&e.At.Raw),
		fieldOffset: func(fc *easyproto.FieldContext) bool {
			n, ok := fc.Sint32()
			e.At.Offset = int16(n)
			return ok && validOffset(int64(n))
		},
		fieldZone:      number(uint32(zones)-1, func(n uint32) { e.At.Zone = Zone(n) }),
		fieldPrecision: number(uint32(precisions)-1, func(n uint32) { e.At.Precision = Precision(n) }),
		fieldAddress:   text(&e.Place.Address), fieldCity: text(&e.Place.City), fieldState: text(&e.Place.State),
		fieldCountry: text(&e.Place.Country), fieldPostal: text(&e.Place.Postal),
		fieldStatus: number(uint32(statuses)-1, func(n uint32) { e.Pair.Status = Status(n) }),
		fieldSub:    text(&e.Pair.Sub), fieldTable: number(any32, func(n uint32) { e.Table = n }),
		fieldCarrierID: text(&e.CarrierID), fieldOperator: text(&e.Operator), fieldSignedBy: text(&e.SignedBy), fieldHint: text(&e.Hint),
		fieldQuantity: number(any32, func(n uint32) { e.Quantity = n }),
		fieldLatitude: degrees(&e.Latitude, 90), fieldLongitude: degrees(&e.Longitude, 180),
		fieldTextEdits: truth(&e.TextEdits), fieldProvisional: truth(&e.Provisional), fieldHeard: heard(&e.Heard),
		fieldLeg: message(fields{legNumber: text(&e.Leg.Number), legCarrier: text(&e.Leg.Carrier),
			legRole: number(uint32(roles)-1, func(n uint32) { e.Leg.Role = Role(n) })}),
		fieldText: func(fc *easyproto.FieldContext) bool {
			var t Text
			ok := message(fields{textText: text(&t.Text), textReason: text(&t.Reason), textEN: text(&t.EN), textZH: text(&t.ZH),
				textLang: text(&t.Lang), textHeard: heard(&t.Heard)})(fc)
			texts = append(texts, t)
			return ok
		},
		fieldReference: func(fc *easyproto.FieldContext) bool {
			var r Reference
			ok := message(fields{referenceAccount: text(&r.Account), referenceText: text(&r.Text)})(fc)
			e.References = append(e.References, r)
			return ok
		},
	}
	err := eachField(src, func(fc *easyproto.FieldContext) bool { return of[fc.FieldNum] != nil && of[fc.FieldNum](fc) })
	if len(texts) > 0 {
		e.Text = texts[len(texts)-1]
	}
	switch {
	case err != nil:
		return err
	case len(texts) > 1 && !e.TextEdits || len(texts) == 1 && e.Text.Heard != 0:
		return fmt.Errorf("texts: %w", ErrInvalid)
	case len(texts) > 1:
		e.Revisions = texts
	}
	return nil
}

// ids are those of a shelf's events in the order of their keys.
func (s *shelf) ids() []ID {
	return slices.SortedFunc(maps.Keys(s.events), func(a, b ID) int {
		return cmp.Or(cmp.Compare(s.events[a].local, s.events[b].local), cmp.Compare(a, b))
	})
}

// load reads a shelf into a trace that was used before.
func (s *shelf) load(t tb, tr *Trace, ids []ID) {
	t.Helper()
	tr.Reset()
	if err := tr.SetHead(Waybill{"SF7444400031887", "sf"}, s.head); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		if err := tr.AddEvent(s.events[id].local, id, s.events[id].value); err != nil {
			t.Fatal(err)
		}
	}
	SortEvents(tr.Events)
}

// Whatever a trace held before, it holds what was read last, and nothing of it refers to
// what it was read from.
func TestTraceUsedAgain(t *testing.T) {
	var again Trace
	for i := range bodyParcels {
		s := wild{rand.New(rand.NewPCG(uint64(i), 8))}.parcel(t)
		fresh := s.trace(t)
		s.load(t, &again, s.ids())
		clear(s.head)
		for _, x := range s.events {
			clear(x.value)
		}
		if diff := gocmp.Diff(fresh.Events, again.Events, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("parcel %d: -read alone +read into a trace that was used\n%s", i, diff)
		}
		fresh.value, fresh.Head.raw = again.value, again.Head.raw
		if got, want := appendAnswers(nil, &again), appendAnswers(nil, fresh); !bytes.Equal(got, want) {
			t.Fatalf("parcel %d: answers of a trace that was used\n%s\nwant\n%s", i, got, want)
		}
	}
}

// One giant does not hold its memory for ever.
func TestTraceGivesMemoryBack(t *testing.T) {
	var tr Trace
	tr.Keep(make([]byte, 2*mostTexts))
	if tr.Reset(); cap(tr.texts) != 0 {
		t.Errorf("%d bytes are kept", cap(tr.texts))
	}
	tr.Keep(make([]byte, mostTexts/2))
	if tr.Reset(); cap(tr.texts) == 0 {
		t.Error("nothing is kept")
	}
}

// To read and to show a parcel as most are takes no memory but the trace's own.
func TestReadingAllocatesNothing(t *testing.T) {
	var s shelf
	s.take(t, eight(t)...)
	ids := s.ids()
	var tr Trace
	var b []byte
	v := Variant{Events: true, Account: "main"}
	if n := testing.AllocsPerRun(100, func() {
		s.load(t, &tr, ids)
		b = tr.AppendJSON(tr.AppendTag(b[:0], v), v)
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzAppendString(f *testing.F) {
	for i := range 20 {
		f.Add(wild{rand.New(rand.NewPCG(uint64(i), 9))}.text())
	}
	f.Fuzz(func(t *testing.T, s string) {
		want := []byte{'"'}
		for _, r := range s {
			switch {
			case r == '"' || r == '\\':
				want = append(want, '\\', byte(r))
			case r == '\n':
				want = append(want, `\n`...)
			case r == '\r':
				want = append(want, `\r`...)
			case r == '\t':
				want = append(want, `\t`...)
			case r < ' ':
				want = fmt.Appendf(want, `\u%04x`, r)
			default:
				want = utf8.AppendRune(want, r)
			}
		}
		want = append(want, '"')
		if got := AppendString(nil, s); !bytes.Equal(got, want) {
			t.Errorf("%q is written as %s, want %s", s, got, want)
		}
	})
}
