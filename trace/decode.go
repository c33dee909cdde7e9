package trace

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"unsafe"

	"github.com/VictoriaMetrics/easyproto"
)

// DecodeEvent reads an event from its stored form. local (see Time) and id are
// from its key. Its strings lie in one copy of value, which is not kept. A value
// that Append did not write is ErrInvalid.
func DecodeEvent(e *Event, w Waybill, local int64, id ID, value []byte) error {
	*e = Event{Waybill: w, ID: id, At: Time{Local: local}}
	if err := e.decode(slices.Clone(value)); err != nil {
		return e.broken(err)
	}
	return nil
}

func (e *Event) broken(err error) error {
	return fmt.Errorf("event %s of waybill %s: %w", e.ID, e.Number, err)
}

// decode reads the stored form; the event's strings refer into src.
func (e *Event) decode(src []byte) error {
	err := e.decodeFields(src)
	if e.At.Raw == "" && err == nil {
		e.At.Raw = e.At.canonical()
	}
	return err
}

// decodeFields is decode but for a raw time that is not stored. Events are what is
// read most: so it knows the wire itself. A field may come more than once, then the
// last stands; of texts and references each is one more.
func (e *Event) decodeFields(src []byte) error {
	texts := 0
	r := wire{rest: src}
	for r.next() {
		ok := true
		switch r.tag {
		case fieldSource<<3 | wireLen:
			e.Source = r.string()
		case fieldCode<<3 | wireLen:
			e.Code = r.string()
		case fieldReasonCode<<3 | wireLen:
			e.ReasonCode = r.string()
		case fieldRawTime<<3 | wireLen:
			e.At.Raw = r.string()
		case fieldOffset<<3 | wireNumber:
			n := int32(uint32(r.n)>>1) ^ -int32(r.n&1)
			e.At.Offset, ok = int16(n), r.n <= math.MaxUint32 && validOffset(int64(n))
		case fieldZone<<3 | wireNumber:
			e.At.Zone, ok = Zone(r.n), r.n < uint64(zones)
		case fieldPrecision<<3 | wireNumber:
			e.At.Precision, ok = Precision(r.n), r.n < uint64(precisions)
		case fieldAddress<<3 | wireLen:
			e.Place.Address = r.string()
		case fieldCity<<3 | wireLen:
			e.Place.City = r.string()
		case fieldState<<3 | wireLen:
			e.Place.State = r.string()
		case fieldCountry<<3 | wireLen:
			e.Place.Country = r.string()
		case fieldPostal<<3 | wireLen:
			e.Place.Postal = r.string()
		case fieldStatus<<3 | wireNumber:
			e.Pair.Status, ok = Status(r.n), r.n < uint64(statuses)
		case fieldSub<<3 | wireLen:
			e.Pair.Sub = r.string()
		case fieldTable<<3 | wireNumber:
			e.Table, ok = uint32(r.n), r.n <= math.MaxUint32
		case fieldCarrierID<<3 | wireLen:
			e.CarrierID = r.string()
		case fieldOperator<<3 | wireLen:
			e.Operator = r.string()
		case fieldQuantity<<3 | wireNumber:
			e.Quantity, ok = uint32(r.n), r.n <= math.MaxUint32
		case fieldSignedBy<<3 | wireLen:
			e.SignedBy = r.string()
		case fieldLatitude<<3 | wireFixed64:
			e.Latitude = math.Float64frombits(r.n)
			ok = within(e.Latitude, 90)
		case fieldLongitude<<3 | wireFixed64:
			e.Longitude = math.Float64frombits(r.n)
			ok = within(e.Longitude, 180)
		case fieldTextEdits<<3 | wireNumber:
			e.TextEdits, ok = r.n == 1, r.n <= 1
		case fieldHint<<3 | wireLen:
			e.Hint = r.string()
		case fieldProvisional<<3 | wireNumber:
			e.Provisional, ok = r.n == 1, r.n <= 1
		case fieldLeg<<3 | wireLen:
			ok = e.Leg.decodeFields(r.data)
		case fieldText<<3 | wireLen:
			// One is the text, several are revisions, of which the last is shown.
			if texts++; texts == 2 {
				e.Revisions = append(e.Revisions, e.Text)
			}
			e.Text = Text{}
			ok = e.Text.decodeFields(r.data)
			if texts > 1 {
				e.Revisions = append(e.Revisions, e.Text)
			}
		case fieldHeard<<3 | wireFixed64:
			e.Heard = HLC(r.n)
		case fieldReference<<3 | wireLen:
			e.References = append(e.References, Reference{})
			ok = e.References[len(e.References)-1].decodeFields(r.data)
		default: // unknown, so written by a newer form, or of another type
			ok = false
		}
		if !ok {
			return fmt.Errorf("field %d is not of this form: %w", r.tag>>3, ErrInvalid)
		}
	}
	switch {
	case r.bad:
		return fmt.Errorf("behind field %d: %w", r.tag>>3, ErrInvalid)
	case texts > 1 && !e.TextEdits:
		return fmt.Errorf("several texts: %w", ErrInvalid)
	case texts == 1 && e.Text.Heard != 0:
		return fmt.Errorf("one text with a hearing of its own: %w", ErrInvalid)
	}
	return nil
}

func (t *Text) decodeFields(src []byte) (ok bool) {
	r := wire{rest: src}
	for r.next() {
		switch r.tag {
		case textText<<3 | wireLen:
			t.Text = r.string()
		case textReason<<3 | wireLen:
			t.Reason = r.string()
		case textEN<<3 | wireLen:
			t.EN = r.string()
		case textZH<<3 | wireLen:
			t.ZH = r.string()
		case textLang<<3 | wireLen:
			t.Lang = r.string()
		case textHeard<<3 | wireFixed64:
			t.Heard = HLC(r.n)
		default:
			return false
		}
	}
	return !r.bad
}

func (l *LegTo) decodeFields(src []byte) (ok bool) {
	r := wire{rest: src}
	for r.next() {
		switch r.tag {
		case legNumber<<3 | wireLen:
			l.Number = r.string()
		case legCarrier<<3 | wireLen:
			l.Carrier = r.string()
		case legRole<<3 | wireNumber:
			if r.n >= uint64(roles) {
				return false
			}
			l.Role = Role(r.n)
		default:
			return false
		}
	}
	return !r.bad
}

func (r *Reference) decodeFields(src []byte) (ok bool) {
	in := wire{rest: src}
	for in.next() {
		switch in.tag {
		case referenceAccount<<3 | wireLen:
			r.Account = in.string()
		case referenceText<<3 | wireLen:
			r.Text = in.string()
		default:
			return false
		}
	}
	return !in.bad
}

// A wire takes a message apart, field by field.
type wire struct {
	rest []byte
	tag  uint64 // number<<3 | type
	n    uint64 // of a number
	data []byte // of bytes, within the message
	bad  bool   // the message ended within a field
}

// next reads a field; false at the end, or at a fault.
func (r *wire) next() bool {
	b := r.rest
	if len(b) == 0 {
		return false
	}
	r.tag = uint64(b[0])
	if r.tag < 0x80 {
		b = b[1:]
	} else if b = r.uvarint(b, &r.tag); r.bad {
		return false
	}
	switch r.tag & 7 {
	case wireLen:
		var n uint64
		if len(b) > 0 && b[0] < 0x80 {
			n, b = uint64(b[0]), b[1:]
		} else {
			b = r.uvarint(b, &n)
		}
		if r.bad = r.bad || n > uint64(len(b)); !r.bad {
			r.data, r.rest = b[:n], b[n:]
		}
	case wireNumber:
		r.rest = r.uvarint(b, &r.n)
	case wireFixed64:
		if r.bad = len(b) < 8; !r.bad {
			r.n, r.rest = binary.LittleEndian.Uint64(b), b[8:]
		}
	default:
		r.bad = true
	}
	return !r.bad
}

func (r *wire) uvarint(b []byte, n *uint64) (rest []byte) {
	v, size := binary.Uvarint(b)
	if size <= 0 {
		r.bad = true
		return nil
	}
	*n = v
	return b[size:]
}

// string is the field's text, which lies in the message.
func (r *wire) string() string { return alias(r.data) }

// alias is b as a string, without a copy: it changes when b does.
func alias(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// decode reads a leg that is a field of another message.
func (l *LegTo) decode(in *easyproto.FieldContext) error {
	src, ok := in.MessageData()
	if !ok || !l.decodeFields(src) {
		return fmt.Errorf("field %d is no leg: %w", in.FieldNum, ErrInvalid)
	}
	return nil
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
