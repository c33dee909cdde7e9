package trace

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/VictoriaMetrics/easyproto"
)

// The stored form of an event is the message Event of docs/trace.proto, on disk
// and in Kafka alike. Waybill, place in time and identity are not in it: they
// are in the key, or in the record around it.
//
// It is written in three runs: the fields under the copy's hash, then texts with
// their hearings (of a TextEdits event), then hearing and references.
const (
	fieldSource      = 1
	fieldCode        = 2
	fieldReasonCode  = 3
	fieldRawTime     = 4 // absent where it is the local time as yyyy-MM-dd HH:mm:ss
	fieldOffset      = 5
	fieldZone        = 6
	fieldPrecision   = 7
	fieldAddress     = 8
	fieldCity        = 9
	fieldState       = 10
	fieldCountry     = 11
	fieldPostal      = 12
	fieldStatus      = 13
	fieldSub         = 14
	fieldTable       = 15
	fieldCarrierID   = 16
	fieldOperator    = 17
	fieldQuantity    = 18
	fieldSignedBy    = 19
	fieldLatitude    = 20
	fieldLongitude   = 21
	fieldTextEdits   = 22
	fieldProvisional = 23
	fieldHint        = 24
	fieldLeg         = 25
	fieldText        = 26
	fieldHeard       = 27
	fieldReference   = 28

	legNumber  = 1
	legCarrier = 2
	legRole    = 3

	textText   = 1
	textReason = 2
	textEN     = 3
	textZH     = 4
	textLang   = 5
	textHeard  = 6

	referenceAccount = 1
	referenceText    = 2
)

var marshalers easyproto.MarshalerPool

// Seal takes the event's identity and mark and encodes it, into memory of f
// that is the event's until f is reset. heard is the reading of the hearing
// node's clock. The event must have passed Check.
func (f *Facts) Seal(e *Event, heard HLC) {
	e.Heard = heard
	slices.SortFunc(e.References, compareReferences)
	e.References = slices.Compact(e.References)
	e.ID, f.scratch = e.identify(f.scratch)
	start := len(f.buf)
	f.buf = e.Append(f.buf)
	e.Value = f.buf[start:len(f.buf):len(f.buf)]
}

// Append appends the event's stored form and sets its mark.
func (e *Event) Append(dst []byte) []byte {
	m := marshalers.Get()
	defer marshalers.Put(m)
	dst = e.appendCopy(dst, m)

	m.Reset()
	mm := m.MessageMarshaler()
	if e.TextEdits {
		if len(e.Revisions) == 0 {
			e.Text.marshal(mm, 0)
		}
		for i := range e.Revisions {
			e.Revisions[i].marshal(mm, e.Revisions[i].Heard)
		}
	}
	mm.AppendFixed64(fieldHeard, uint64(e.Heard))
	for _, r := range e.References {
		rm := mm.AppendMessage(fieldReference)
		rm.AppendString(referenceAccount, r.Account)
		rm.AppendString(referenceText, r.Text)
	}
	return m.Marshal(dst)
}

// appendCopy appends the fields that tell copies apart and sets the mark, which
// is drawn from them.
func (e *Event) appendCopy(dst []byte, m *easyproto.Marshaler) []byte {
	start := len(dst)
	fields := e.copyFields(m.MessageMarshaler())
	dst = m.Marshal(dst)
	e.Mark = Mark{Table: e.Table, Fields: fields, Hash: hash64(dst[start:])}
	if e.TextEdits && len(e.Revisions) == 0 {
		e.Mark.Text = e.Text.hash()
	}
	return dst
}

// mark sets the mark of an event that was decoded.
func (e *Event) mark() {
	m := marshalers.Get()
	e.appendCopy(nil, m)
	marshalers.Put(m)
}

// copyFields encodes what tells copies apart, and counts what was given.
func (e *Event) copyFields(mm *easyproto.MessageMarshaler) (given uint8) {
	text := func(field uint32, s string) {
		if s != "" {
			mm.AppendString(field, s)
			given++
		}
	}
	number := func(field uint32, n uint32) {
		if n != 0 {
			mm.AppendUint32(field, n)
			given++
		}
	}
	text(fieldSource, e.Source)
	text(fieldCode, e.Code)
	text(fieldReasonCode, e.ReasonCode)
	if e.At.Raw != e.At.canonical() {
		mm.AppendString(fieldRawTime, e.At.Raw)
	}
	if e.At.Offset != 0 {
		mm.AppendSint32(fieldOffset, int32(e.At.Offset))
	}
	if e.At.Zone != 0 {
		mm.AppendUint32(fieldZone, uint32(e.At.Zone))
	}
	if e.At.Precision != 0 {
		mm.AppendUint32(fieldPrecision, uint32(e.At.Precision))
	}
	text(fieldAddress, e.Place.Address)
	text(fieldCity, e.Place.City)
	text(fieldState, e.Place.State)
	text(fieldCountry, e.Place.Country)
	text(fieldPostal, e.Place.Postal)
	number(fieldStatus, uint32(e.Pair.Status))
	text(fieldSub, e.Pair.Sub)
	if e.Table != 0 {
		mm.AppendUint32(fieldTable, e.Table)
	}
	text(fieldCarrierID, e.CarrierID)
	text(fieldOperator, e.Operator)
	number(fieldQuantity, e.Quantity)
	text(fieldSignedBy, e.SignedBy)
	if e.Latitude != 0 || e.Longitude != 0 {
		mm.AppendDouble(fieldLatitude, e.Latitude)
		mm.AppendDouble(fieldLongitude, e.Longitude)
		given++
	}
	if e.TextEdits {
		mm.AppendBool(fieldTextEdits, true)
	}
	if e.Provisional {
		mm.AppendBool(fieldProvisional, true)
	}
	text(fieldHint, e.Hint)
	if e.Leg != (LegTo{}) {
		e.Leg.marshal(mm.AppendMessage(fieldLeg))
		given++
	}
	if !e.TextEdits {
		if given += e.Text.given(); e.Text != (Text{}) {
			e.Text.marshal(mm, 0)
		}
	}
	return given
}

func (t *Text) given() (n uint8) {
	for _, s := range [...]string{t.Text, t.Reason, t.EN, t.ZH} {
		if s != "" {
			n++
		}
	}
	return n
}

func (t *Text) marshal(mm *easyproto.MessageMarshaler, heard HLC) {
	tm := mm.AppendMessage(fieldText)
	for i, s := range [...]string{textText - 1: t.Text, textReason - 1: t.Reason, textEN - 1: t.EN, textZH - 1: t.ZH, textLang - 1: t.Lang} {
		if s != "" {
			tm.AppendString(uint32(i+1), s)
		}
	}
	if heard != 0 {
		tm.AppendFixed64(textHeard, uint64(heard))
	}
}

// hash tells texts apart, whenever they were heard.
func (t *Text) hash() uint64 {
	var buf [256]byte
	b := buf[:0]
	for _, s := range [...]string{t.Text, t.Reason, t.EN, t.ZH, t.Lang} {
		b = appendPart(b, s)
	}
	return hash64(b)
}

func hash64(b []byte) uint64 {
	sum := sha256.Sum256(b)
	return binary.BigEndian.Uint64(sum[:8])
}

// canonical is how Raw reads when it need not be stored.
func (t Time) canonical() string {
	var buf [32]byte
	return string(appendLocal(buf[:0], t.Local, ' '))
}

// DecodeEvent reads an event from its stored form. local (see Time) and id are
// from its key. Its strings lie in one copy of value, which is not kept. A value
// that Append did not write is ErrInvalid.
func DecodeEvent(e *Event, w Waybill, local int64, id ID, value []byte) error {
	*e = Event{Waybill: w, ID: id, At: Time{Local: local}}
	if err := e.decode(slices.Clone(value)); err != nil {
		return fmt.Errorf("event %s of waybill %s: %w", id, w.Number, err)
	}
	return nil
}

// decode reads the stored form; the event's strings refer into src.
func (e *Event) decode(src []byte) error {
	var texts []Text
	err := eachField(src, func(fc *easyproto.FieldContext) (ok bool) {
		switch fc.FieldNum {
		case fieldSource:
			e.Source, ok = fc.String()
		case fieldCode:
			e.Code, ok = fc.String()
		case fieldReasonCode:
			e.ReasonCode, ok = fc.String()
		case fieldRawTime:
			e.At.Raw, ok = fc.String()
		case fieldOffset:
			var n int32
			n, ok = fc.Sint32()
			e.At.Offset, ok = int16(n), ok && validOffset(int64(n))
		case fieldZone:
			var n uint32
			n, ok = fc.Uint32()
			e.At.Zone, ok = Zone(n), ok && n < uint32(zones)
		case fieldPrecision:
			var n uint32
			n, ok = fc.Uint32()
			e.At.Precision, ok = Precision(n), ok && n < uint32(precisions)
		case fieldAddress:
			e.Place.Address, ok = fc.String()
		case fieldCity:
			e.Place.City, ok = fc.String()
		case fieldState:
			e.Place.State, ok = fc.String()
		case fieldCountry:
			e.Place.Country, ok = fc.String()
		case fieldPostal:
			e.Place.Postal, ok = fc.String()
		case fieldStatus:
			var n uint32
			n, ok = fc.Uint32()
			e.Pair.Status, ok = Status(n), ok && n < uint32(statuses)
		case fieldSub:
			e.Pair.Sub, ok = fc.String()
		case fieldTable:
			e.Table, ok = fc.Uint32()
		case fieldCarrierID:
			e.CarrierID, ok = fc.String()
		case fieldOperator:
			e.Operator, ok = fc.String()
		case fieldQuantity:
			e.Quantity, ok = fc.Uint32()
		case fieldSignedBy:
			e.SignedBy, ok = fc.String()
		case fieldLatitude:
			e.Latitude, ok = fc.Double()
			ok = ok && within(e.Latitude, 90)
		case fieldLongitude:
			e.Longitude, ok = fc.Double()
			ok = ok && within(e.Longitude, 180)
		case fieldTextEdits:
			e.TextEdits, ok = fc.Bool()
		case fieldHint:
			e.Hint, ok = fc.String()
		case fieldProvisional:
			e.Provisional, ok = fc.Bool()
		case fieldLeg:
			ok = e.Leg.decode(fc) == nil
		case fieldText:
			var t Text
			ok = t.decode(fc) == nil
			texts = append(texts, t)
		case fieldHeard:
			var n uint64
			n, ok = fc.Fixed64()
			e.Heard = HLC(n)
		case fieldReference:
			var r Reference
			ok = r.decode(fc) == nil
			e.References = append(e.References, r)
		}
		return ok
	})
	if err != nil {
		return err
	}
	if len(texts) > 0 {
		e.Text = texts[len(texts)-1]
	}
	switch {
	case len(texts) > 1 && !e.TextEdits:
		return fmt.Errorf("several texts: %w", ErrInvalid)
	case len(texts) > 1:
		e.Revisions = texts
	case e.Text.Heard != 0:
		return fmt.Errorf("one text with a hearing of its own: %w", ErrInvalid)
	}
	if e.At.Raw == "" {
		e.At.Raw = e.At.canonical()
	}
	return nil
}

func (t *Text) decode(in *easyproto.FieldContext) error {
	return eachFieldIn(in, func(fc *easyproto.FieldContext) (ok bool) {
		switch fc.FieldNum {
		case textText:
			t.Text, ok = fc.String()
		case textReason:
			t.Reason, ok = fc.String()
		case textEN:
			t.EN, ok = fc.String()
		case textZH:
			t.ZH, ok = fc.String()
		case textLang:
			t.Lang, ok = fc.String()
		case textHeard:
			var n uint64
			n, ok = fc.Fixed64()
			t.Heard = HLC(n)
		}
		return ok
	})
}

func (l *LegTo) marshal(mm *easyproto.MessageMarshaler) {
	if l.Number != "" {
		mm.AppendString(legNumber, l.Number)
	}
	if l.Carrier != "" {
		mm.AppendString(legCarrier, l.Carrier)
	}
	if l.Role != Main {
		mm.AppendUint32(legRole, uint32(l.Role))
	}
}

func (l *LegTo) decode(in *easyproto.FieldContext) error {
	return eachFieldIn(in, func(fc *easyproto.FieldContext) (ok bool) {
		switch fc.FieldNum {
		case legNumber:
			l.Number, ok = fc.String()
		case legCarrier:
			l.Carrier, ok = fc.String()
		case legRole:
			var n uint32
			n, ok = fc.Uint32()
			l.Role, ok = Role(n), ok && n < uint32(roles)
		}
		return ok
	})
}

func (r *Reference) decode(in *easyproto.FieldContext) error {
	return eachFieldIn(in, func(fc *easyproto.FieldContext) (ok bool) {
		switch fc.FieldNum {
		case referenceAccount:
			r.Account, ok = fc.String()
		case referenceText:
			r.Text, ok = fc.String()
		}
		return ok
	})
}

// eachField calls take for every field of a message; false stops it: a field
// that is unknown, so written by a newer form, or of another type.
func eachField(src []byte, take func(*easyproto.FieldContext) bool) error {
	var fc easyproto.FieldContext
	for len(src) > 0 {
		rest, err := fc.NextField(src)
		if err != nil {
			return fmt.Errorf("%w: %w", ErrInvalid, err)
		}
		if !take(&fc) {
			return fmt.Errorf("field %d is not of this form: %w", fc.FieldNum, ErrInvalid)
		}
		src = rest
	}
	return nil
}

// eachFieldIn does the same for a message within another.
func eachFieldIn(in *easyproto.FieldContext, take func(*easyproto.FieldContext) bool) error {
	src, ok := in.MessageData()
	if !ok {
		return fmt.Errorf("field %d is no message: %w", in.FieldNum, ErrInvalid)
	}
	return eachField(src, take)
}
