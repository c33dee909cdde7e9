package trace

import (
	"fmt"

	"github.com/VictoriaMetrics/easyproto"
)

// The stored forms of the facts beside events, on disk and in Kafka alike: the
// messages of docs/trace.proto. The waybill is not in them: it is in the key, or in
// the record around it.
const (
	listSource   = 1
	listHeard    = 2
	listOrigin   = 3
	listShows    = 4 // repeated fixed64, packed
	listHides    = 5
	listDoubtful = 6
	listRestores = 7

	toldTo    = 1
	toldSince = 2
	toldHeard = 3

	recordKind   = 1
	recordSource = 2
	recordHeard  = 3
	recordOrigin = 4
	recordBatch  = 5
	recordCharge = 6
	recordEvent  = 7
	recordAt     = 8
	recordStatus = 9
	recordReason = 10
	recordExt    = 11

	chargeCode     = 1
	chargeName     = 2
	chargeQuantity = 3

	momentLocal     = 1
	momentOffset    = 2
	momentZone      = 3
	momentPrecision = 4
	momentRaw       = 5

	overrideStatus = 1
	overrideSub    = 2
	overrideAuthor = 3
	overrideReason = 4
	overrideHeard  = 5
	overrideOrigin = 6
)

func (l *List) marshal(mm *easyproto.MessageMarshaler) {
	mm.AppendString(listSource, l.Source)
	mm.AppendFixed64(listHeard, uint64(l.Heard))
	mm.AppendFixed64(listOrigin, uint64(l.Origin))
	appendIDs(mm, listShows, l.Shows)
	appendIDs(mm, listHides, l.Hides)
	if l.Doubtful {
		mm.AppendBool(listDoubtful, true)
	}
	appendIDs(mm, listRestores, l.Restores)
}

func appendIDs(mm *easyproto.MessageMarshaler, field uint32, ids []ID) {
	if len(ids) == 0 {
		return
	}
	plain := make([]uint64, len(ids))
	for i, id := range ids {
		plain[i] = uint64(id)
	}
	mm.AppendFixed64s(field, plain)
}

// ids reads identities, which ascend.
func ids(fc *easyproto.FieldContext) (all []ID, ok bool) {
	plain, ok := fc.UnpackFixed64s(nil)
	for i, n := range plain {
		ok = ok && (i == 0 || n > plain[i-1])
		all = append(all, ID(n))
	}
	return all, ok
}

func (l *List) decode(in *easyproto.FieldContext) error {
	return eachFieldIn(in, func(fc *easyproto.FieldContext) (ok bool) {
		switch fc.FieldNum {
		case listSource:
			l.Source, ok = fc.String()
		case listHeard:
			ok = l.Stamp.decodeHeard(fc)
		case listOrigin:
			ok = l.Stamp.decodeOrigin(fc)
		case listShows:
			l.Shows, ok = ids(fc)
		case listHides:
			l.Hides, ok = ids(fc)
		case listDoubtful:
			l.Doubtful, ok = fc.Bool()
		case listRestores:
			l.Restores, ok = ids(fc)
		}
		return ok
	})
}

func (s *Stamp) decodeHeard(fc *easyproto.FieldContext) bool {
	n, ok := fc.Fixed64()
	s.Heard = HLC(n)
	return ok
}

func (s *Stamp) decodeOrigin(fc *easyproto.FieldContext) bool {
	n, ok := fc.Fixed64()
	s.Origin = Origin(n)
	return ok
}

func (l *LegFact) marshal(mm *easyproto.MessageMarshaler) {
	l.To.marshal(mm.AppendMessage(toldTo))
	mm.AppendSint64(toldSince, l.Since)
	mm.AppendFixed64(toldHeard, uint64(l.Heard))
}

func (l *LegFact) decode(in *easyproto.FieldContext) error {
	return eachFieldIn(in, func(fc *easyproto.FieldContext) (ok bool) {
		switch fc.FieldNum {
		case toldTo:
			ok = l.To.decode(fc) == nil
		case toldSince:
			l.Since, ok = fc.Sint64()
			ok = ok && l.Since >= firstLocal && l.Since <= lastLocal
		case toldHeard:
			var n uint64
			n, ok = fc.Fixed64()
			l.Heard = HLC(n)
		}
		return ok
	})
}

// Append appends the stored form of a record, the message Record of
// docs/trace.proto.
func (r *Record) Append(dst []byte) []byte {
	m := marshalers.Get()
	defer marshalers.Put(m)
	r.marshal(m.MessageMarshaler())
	return m.Marshal(dst)
}

// DecodeRecord reads the stored form. Its strings refer into value. A value that
// Append did not write is ErrInvalid.
func DecodeRecord(r *Record, w Waybill, value []byte) error {
	*r = Record{Waybill: w}
	err := eachField(value, r.field)
	if err == nil {
		err = r.ofAKind()
	}
	if err != nil {
		return fmt.Errorf("record of waybill %s: %w", w.Number, err)
	}
	return nil
}

func (r *Record) ofAKind() error {
	if r.Kind == 0 {
		return fmt.Errorf("record of no kind: %w", ErrInvalid)
	}
	return nil
}

func (r *Record) marshal(mm *easyproto.MessageMarshaler) {
	text := func(field uint32, s string) {
		if s != "" {
			mm.AppendString(field, s)
		}
	}
	mm.AppendUint32(recordKind, uint32(r.Kind))
	text(recordSource, r.Source)
	mm.AppendFixed64(recordHeard, uint64(r.Heard))
	mm.AppendFixed64(recordOrigin, uint64(r.Origin))
	text(recordBatch, r.Batch)
	for _, c := range r.Items {
		cm := mm.AppendMessage(recordCharge)
		cm.AppendString(chargeCode, c.Code)
		cm.AppendString(chargeName, c.Name)
		cm.AppendInt64(chargeQuantity, c.Quantity)
	}
	text(recordEvent, r.Event)
	if r.At != (Time{}) {
		r.At.marshal(mm.AppendMessage(recordAt))
	}
	text(recordStatus, r.Status)
	text(recordReason, r.Reason)
	text(recordExt, r.Ext)
}

func (r *Record) decode(in *easyproto.FieldContext) error {
	if err := eachFieldIn(in, r.field); err != nil {
		return err
	}
	return r.ofAKind()
}

func (r *Record) field(fc *easyproto.FieldContext) (ok bool) {
	switch fc.FieldNum {
	case recordKind:
		var n uint32
		n, ok = fc.Uint32()
		r.Kind, ok = RecordKind(n), ok && (n == uint32(Charges) || n == uint32(Business))
	case recordSource:
		r.Source, ok = fc.String()
	case recordHeard:
		ok = r.Stamp.decodeHeard(fc)
	case recordOrigin:
		ok = r.Stamp.decodeOrigin(fc)
	case recordBatch:
		r.Batch, ok = fc.String()
	case recordCharge:
		var c Charge
		ok = c.decode(fc) == nil
		r.Items = append(r.Items, c)
	case recordEvent:
		r.Event, ok = fc.String()
	case recordAt:
		ok = r.At.decode(fc) == nil
	case recordStatus:
		r.Status, ok = fc.String()
	case recordReason:
		r.Reason, ok = fc.String()
	case recordExt:
		r.Ext, ok = fc.String()
	}
	return ok
}

func (c *Charge) decode(in *easyproto.FieldContext) error {
	return eachFieldIn(in, func(fc *easyproto.FieldContext) (ok bool) {
		switch fc.FieldNum {
		case chargeCode:
			c.Code, ok = fc.String()
		case chargeName:
			c.Name, ok = fc.String()
		case chargeQuantity:
			c.Quantity, ok = fc.Int64()
		}
		return ok
	})
}

func (t *Time) marshal(mm *easyproto.MessageMarshaler) {
	mm.AppendSint64(momentLocal, t.Local)
	mm.AppendSint32(momentOffset, int32(t.Offset))
	mm.AppendUint32(momentZone, uint32(t.Zone))
	mm.AppendUint32(momentPrecision, uint32(t.Precision))
	mm.AppendString(momentRaw, t.Raw)
}

func (t *Time) decode(in *easyproto.FieldContext) error {
	return eachFieldIn(in, func(fc *easyproto.FieldContext) (ok bool) {
		var n uint32
		switch fc.FieldNum {
		case momentLocal:
			t.Local, ok = fc.Sint64()
			ok = ok && t.Local >= firstLocal && t.Local <= lastLocal
		case momentOffset:
			var offset int32
			offset, ok = fc.Sint32()
			t.Offset, ok = int16(offset), ok && validOffset(int64(offset))
		case momentZone:
			n, ok = fc.Uint32()
			t.Zone, ok = Zone(n), ok && n < uint32(zones)
		case momentPrecision:
			n, ok = fc.Uint32()
			t.Precision, ok = Precision(n), ok && n < uint32(precisions)
		case momentRaw:
			t.Raw, ok = fc.String()
		}
		return ok
	})
}

func (o *Override) marshal(mm *easyproto.MessageMarshaler) {
	mm.AppendUint32(overrideStatus, uint32(o.Pair.Status))
	mm.AppendString(overrideSub, o.Pair.Sub)
	mm.AppendString(overrideAuthor, o.Author)
	mm.AppendString(overrideReason, o.Reason)
	mm.AppendFixed64(overrideHeard, uint64(o.Heard))
	mm.AppendFixed64(overrideOrigin, uint64(o.Origin))
}

func (o *Override) decode(in *easyproto.FieldContext) error {
	return eachFieldIn(in, func(fc *easyproto.FieldContext) (ok bool) {
		switch fc.FieldNum {
		case overrideStatus:
			var n uint32
			n, ok = fc.Uint32()
			o.Pair.Status, ok = Status(n), ok && n < uint32(statuses)
		case overrideSub:
			o.Pair.Sub, ok = fc.String()
		case overrideAuthor:
			o.Author, ok = fc.String()
		case overrideReason:
			o.Reason, ok = fc.String()
		case overrideHeard:
			ok = o.Stamp.decodeHeard(fc)
		case overrideOrigin:
			ok = o.Stamp.decodeOrigin(fc)
		}
		return ok
	})
}
