package trace

import (
	"crypto/sha256"
	"encoding/binary"
	"math"
	"math/bits"
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
	dst = e.appendCopy(dst)
	if e.TextEdits {
		if len(e.Revisions) == 0 {
			dst = e.Text.append(dst, 0)
		}
		for i := range e.Revisions {
			dst = e.Revisions[i].append(dst, e.Revisions[i].Heard)
		}
	}
	dst = appendFixed64(dst, fieldHeard, uint64(e.Heard))
	for _, r := range e.References {
		dst = appendLen(dst, fieldReference, 2+lenOf(len(r.Account))+lenOf(len(r.Text)))
		dst = appendText(dst, referenceAccount, r.Account)
		dst = appendText(dst, referenceText, r.Text)
	}
	return dst
}

// appendCopy appends the fields that tell copies apart and sets the mark, which
// is drawn from them.
func (e *Event) appendCopy(dst []byte) []byte {
	start := len(dst)
	dst, fields := e.appendFields(dst)
	e.Mark = Mark{Table: e.Table, Fields: fields, Hash: hash64(dst[start:])}
	if e.TextEdits && len(e.Revisions) == 0 {
		e.Mark.Text = e.Text.hash()
	}
	return dst
}

// mark sets the mark of an event that was decoded.
func (e *Event) mark() {
	var buf [512]byte
	e.appendCopy(buf[:0])
}

// appendFields encodes what tells copies apart, and counts what was given.
func (e *Event) appendFields(dst []byte) (_ []byte, given uint8) {
	text := func(field uint32, s string) {
		if s != "" {
			dst = appendText(dst, field, s)
			given++
		}
	}
	number := func(field uint32, n uint32) {
		if n != 0 {
			dst = appendNumber(dst, field, uint64(n))
			given++
		}
	}
	text(fieldSource, e.Source)
	text(fieldCode, e.Code)
	text(fieldReasonCode, e.ReasonCode)
	if !e.At.isCanonical() {
		dst = appendText(dst, fieldRawTime, e.At.Raw)
	}
	if offset := int32(e.At.Offset); offset != 0 {
		dst = appendNumber(dst, fieldOffset, uint64(uint32(offset<<1^offset>>31))) // sint32
	}
	if e.At.Zone != 0 {
		dst = appendNumber(dst, fieldZone, uint64(e.At.Zone))
	}
	if e.At.Precision != 0 {
		dst = appendNumber(dst, fieldPrecision, uint64(e.At.Precision))
	}
	text(fieldAddress, e.Place.Address)
	text(fieldCity, e.Place.City)
	text(fieldState, e.Place.State)
	text(fieldCountry, e.Place.Country)
	text(fieldPostal, e.Place.Postal)
	number(fieldStatus, uint32(e.Pair.Status))
	text(fieldSub, e.Pair.Sub)
	if e.Table != 0 {
		dst = appendNumber(dst, fieldTable, uint64(e.Table))
	}
	text(fieldCarrierID, e.CarrierID)
	text(fieldOperator, e.Operator)
	number(fieldQuantity, e.Quantity)
	text(fieldSignedBy, e.SignedBy)
	if e.Latitude != 0 || e.Longitude != 0 {
		dst = appendFixed64(dst, fieldLatitude, math.Float64bits(e.Latitude))
		dst = appendFixed64(dst, fieldLongitude, math.Float64bits(e.Longitude))
		given++
	}
	if e.TextEdits {
		dst = appendNumber(dst, fieldTextEdits, 1)
	}
	if e.Provisional {
		dst = appendNumber(dst, fieldProvisional, 1)
	}
	text(fieldHint, e.Hint)
	if e.Leg != (LegTo{}) {
		m := marshalers.Get()
		e.Leg.marshal(m.MessageMarshaler().AppendMessage(fieldLeg))
		dst = m.Marshal(dst)
		marshalers.Put(m)
		given++
	}
	if !e.TextEdits {
		if given += e.Text.given(); e.Text != (Text{}) {
			dst = e.Text.append(dst, 0)
		}
	}
	return dst, given
}

func (t *Text) given() (n uint8) {
	for _, s := range [...]string{t.Text, t.Reason, t.EN, t.ZH} {
		if s != "" {
			n++
		}
	}
	return n
}

// append appends the text as a field of an event, with a hearing unless that is 0.
func (t *Text) append(dst []byte, heard HLC) []byte {
	all := [...]string{textText - 1: t.Text, textReason - 1: t.Reason, textEN - 1: t.EN, textZH - 1: t.ZH, textLang - 1: t.Lang}
	size := 0
	for _, s := range all {
		if s != "" {
			size += 1 + lenOf(len(s))
		}
	}
	if heard != 0 {
		size += 1 + 8
	}
	dst = appendLen(dst, fieldText, size)
	for i, s := range all {
		if s != "" {
			dst = appendText(dst, uint32(i+1), s)
		}
	}
	if heard != 0 {
		dst = appendFixed64(dst, textHeard, uint64(heard))
	}
	return dst
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

// isCanonical reports whether Raw need not be stored: it reads as canonical does.
func (t *Time) isCanonical() bool {
	raw := t.Raw
	if len(raw) != len("2006-01-02 15:04:05") {
		return raw == t.canonical()
	}
	if raw[4] != '-' || raw[7] != '-' || raw[10] != ' ' || raw[13] != ':' || raw[16] != ':' {
		return false
	}
	again := Time{}
	rest, ok := again.parse(raw)
	// A leap second is read as the second before it.
	return ok && rest == "" && again.Local == t.Local && raw[17] < '6'
}

// canonical is how Raw reads when it need not be stored.
func (t Time) canonical() string {
	var buf [32]byte
	return string(appendLocal(buf[:0], t.Local, ' '))
}

// The wire form of protobuf, field by field: an event is written for each hearing, and
// easyproto keeps account of each of its fields before it writes any.
const (
	wireNumber  = 0
	wireFixed64 = 1
	wireLen     = 2
)

func appendNumber(dst []byte, field uint32, n uint64) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(dst, uint64(field)<<3|wireNumber), n)
}

func appendFixed64(dst []byte, field uint32, n uint64) []byte {
	return binary.LittleEndian.AppendUint64(binary.AppendUvarint(dst, uint64(field)<<3|wireFixed64), n)
}

// appendLen begins a field of so many bytes, which are to follow.
func appendLen(dst []byte, field uint32, size int) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(dst, uint64(field)<<3|wireLen), uint64(size))
}

func appendText(dst []byte, field uint32, s string) []byte {
	return append(appendLen(dst, field, len(s)), s...)
}

// lenOf is how many bytes a length and what it counts take.
func lenOf(n int) int { return (bits.Len(uint(n)|1)+6)/7 + n }

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
