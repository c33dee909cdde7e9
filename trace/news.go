package trace

import (
	"errors"
	"fmt"
	"strings"

	"github.com/VictoriaMetrics/easyproto"
)

// NewsForm is the form of news that this version writes. It reads no other yet.
const NewsForm = 1

// The kinds of record in the topic: each record names its own in the header KindHeader.
const (
	KindHeader  = "kind"
	KindWaybill = "waybill" // what was heard of one waybill
	KindVoid    = "void"    // nothing: it could not be told, and holds the place of its number
)

// ErrNewer is a record that a newer version wrote: this one cannot read it and must not
// pass it by.
var ErrNewer = errors.New("written by a newer version of waytrace")

// News is what one node was the first to hear of one waybill in one batch, as other
// nodes are told it: one record of the topic, under the waybill's number, in the
// partition of that number. Its facts are in a Facts beside it.
type News struct {
	Waybill        // empty of one that is void
	Origin  Origin // the node that heard it
	Mark    uint64 // of the start of the daemon that numbered it
	Own     uint64 // counts the origin's news in its partition, from 1 and without holes
	At      int64  // when it was numbered, by the origin's wall clock, milliseconds since 1970 UTC
}

const (
	newsForm     = 1
	newsOrigin   = 2
	newsMark     = 3
	newsOwn      = 4
	newsAt       = 5
	newsNumber   = 6
	newsCarrier  = 7
	newsEvent    = 8
	newsList     = 9
	newsLeg      = 10
	newsRecord   = 11
	newsOverride = 12

	scanLocal = 1
	scanID    = 2
	scanEvent = 3
)

// Append appends the record's value, the message News of docs/trace.proto. Of the facts
// all must be of n's waybill; an event is written as its Value is, which need not be
// decoded. A nil facts is void.
func (n *News) Append(dst []byte, facts *Facts) []byte {
	m := marshalers.Get()
	defer marshalers.Put(m)
	mm := m.MessageMarshaler()
	mm.AppendUint32(newsForm, NewsForm)
	mm.AppendFixed64(newsOrigin, uint64(n.Origin))
	mm.AppendFixed64(newsMark, n.Mark)
	mm.AppendUint64(newsOwn, n.Own)
	mm.AppendInt64(newsAt, n.At)
	if facts == nil {
		return m.Marshal(dst)
	}
	mm.AppendString(newsNumber, n.Number)
	mm.AppendString(newsCarrier, n.Carrier)
	for i := range facts.Events {
		e := &facts.Events[i]
		em := mm.AppendMessage(newsEvent)
		em.AppendSint64(scanLocal, e.At.Local)
		em.AppendFixed64(scanID, uint64(e.ID))
		em.AppendBytes(scanEvent, e.Value)
	}
	for i := range facts.Lists {
		facts.Lists[i].marshal(mm.AppendMessage(newsList))
	}
	for i := range facts.Legs {
		facts.Legs[i].marshal(mm.AppendMessage(newsLeg))
	}
	for i := range facts.Records {
		facts.Records[i].marshal(mm.AppendMessage(newsRecord))
	}
	for i := range facts.Overrides {
		facts.Overrides[i].marshal(mm.AppendMessage(newsOverride))
	}
	return m.Marshal(dst)
}

// newsShape is what this version knows of a record.
var newsShape = shape{last: newsOverride, in: map[uint32]*shape{
	newsEvent: {last: scanEvent, in: map[uint32]*shape{
		scanEvent: {last: fieldReference, in: map[uint32]*shape{
			fieldLeg:       legShape,
			fieldText:      {last: textHeard},
			fieldReference: {last: referenceText},
		}, below: map[uint32]uint64{fieldZone: uint64(zones), fieldPrecision: uint64(precisions), fieldStatus: uint64(statuses)}},
	}},
	newsList: {last: listRestores},
	newsLeg:  {last: toldHeard, in: map[uint32]*shape{toldTo: legShape}},
	newsRecord: {last: recordExt, in: map[uint32]*shape{
		recordCharge: {last: chargeQuantity},
		recordAt:     {last: momentRaw, below: map[uint32]uint64{momentZone: uint64(zones), momentPrecision: uint64(precisions)}},
	}, below: map[uint32]uint64{recordKind: uint64(Business) + 1}},
	newsOverride: {last: overrideOrigin, below: map[uint32]uint64{overrideStatus: uint64(statuses)}},
}}

var legShape = &shape{last: legRole, below: map[uint32]uint64{legRole: uint64(roles)}}

// A shape is what is known of a message: its highest field, which of its fields are
// messages, and how many values those have that are enumerated.
type shape struct {
	last  uint32
	in    map[uint32]*shape
	below map[uint32]uint64
}

// exceeded reports whether a message has a field or an enumerated value that is not
// known, so that a newer version must have written it.
func (s *shape) exceeded(value []byte) bool {
	var fc easyproto.FieldContext
	for len(value) > 0 {
		rest, err := fc.NextField(value)
		if err != nil {
			return false
		}
		value = rest
		if fc.FieldNum > s.last {
			return true
		}
		if below := s.below[fc.FieldNum]; below > 0 {
			if n, ok := fc.Uint64(); ok && n >= below {
				return true
			}
		}
		if in := s.in[fc.FieldNum]; in != nil {
			if src, ok := fc.MessageData(); ok && in.exceeded(src) {
				return true
			}
		}
	}
	return false
}

// DecodeNewsHead reads whose news a record is, without its facts, which are not looked
// at. Its strings refer into value. Another form, or a field that this one does not
// know, is ErrNewer; what is no news at all is ErrInvalid.
func DecodeNewsHead(n *News, value []byte) error { return n.decode(value, nil) }

// DecodeNews reads a record, and appends its facts to those that are there, ready for
// the store: their strings refer into value, which must stay as it is. Errors are as
// DecodeNewsHead's, of the facts too; facts is then to be thrown away. A fact that does
// not fit the rest, such as an event whose identity is another's, is ErrInvalid.
func DecodeNews(n *News, value []byte, facts *Facts) error { return n.decode(value, facts) }

func (n *News) decode(value []byte, facts *Facts) error {
	*n = News{}
	form, last := uint32(0), uint32(0)
	var wrong error // with a fact
	err := eachField(value, func(fc *easyproto.FieldContext) (ok bool) {
		// A record is written in the order of its fields: once facts begin, it is known
		// whose they are.
		if fc.FieldNum < last || fc.FieldNum == last && last < newsEvent {
			return false
		}
		last = fc.FieldNum
		var x uint64
		switch fc.FieldNum {
		case newsForm:
			form, ok = fc.Uint32()
			ok = ok && form <= NewsForm
		case newsOrigin:
			x, ok = fc.Fixed64()
			n.Origin = Origin(x)
		case newsMark:
			n.Mark, ok = fc.Fixed64()
		case newsOwn:
			n.Own, ok = fc.Uint64()
		case newsAt:
			n.At, ok = fc.Int64()
		case newsNumber:
			n.Number, ok = fc.String()
		case newsCarrier:
			n.Carrier, ok = fc.String()
		case newsEvent, newsList, newsLeg, newsRecord, newsOverride:
			if facts != nil {
				wrong = n.fact(fc, facts)
			}
			ok = wrong == nil
		}
		return ok
	})
	switch {
	case form > NewsForm:
		return fmt.Errorf("news of form %d: %w", form, ErrNewer)
	case err != nil && form != 0 && newsShape.exceeded(value):
		return fmt.Errorf("news %d of %s says what is not known here: %w", n.Own, n.Origin, ErrNewer)
	case wrong != nil:
		return fmt.Errorf("news %d of %s: %w", n.Own, n.Origin, wrong)
	case form == 0 || n.Origin == 0 || n.Own == 0:
		return fmt.Errorf("this is no news: %w", ErrInvalid)
	case err != nil:
		return fmt.Errorf("news %d of %s: %w", n.Own, n.Origin, err)
	}
	if n.Number != "" || n.Carrier != "" {
		if !canonicalNumber(n.Number) || !ValidCarrier(n.Carrier) {
			return fmt.Errorf("news %d of %s is of no waybill: %w", n.Own, n.Origin, ErrInvalid)
		}
	}
	return nil
}

// fact reads one fact into facts.
func (n *News) fact(fc *easyproto.FieldContext, facts *Facts) (err error) {
	if n.Number == "" || n.Carrier == "" {
		return fmt.Errorf("a fact of no waybill: %w", ErrInvalid)
	}
	fits := true
	switch fc.FieldNum {
	case newsEvent:
		return n.scan(fc, facts)
	case newsList:
		l := List{Waybill: n.Waybill}
		err = l.decode(fc)
		fits = keyable(l.Source)
		facts.Lists = append(facts.Lists, l)
	case newsLeg:
		l := LegFact{Waybill: n.Waybill}
		err = l.decode(fc)
		fits = l.To.canonical() && l.To.Waybill != (Waybill{})
		facts.Legs = append(facts.Legs, l)
	case newsRecord:
		r := Record{Waybill: n.Waybill}
		err = r.decode(fc)
		facts.Records = append(facts.Records, r)
	case newsOverride:
		o := Override{Waybill: n.Waybill}
		err = o.decode(fc)
		facts.Overrides = append(facts.Overrides, o)
	}
	if err == nil && !fits {
		err = fmt.Errorf("field %d cannot be stored: %w", fc.FieldNum, ErrInvalid)
	}
	return err
}

// scan reads an event, and takes its identity anew: one that was damaged on its way must
// not be stored under another's.
func (n *News) scan(in *easyproto.FieldContext, facts *Facts) error {
	e := facts.Event()
	*e = Event{Waybill: n.Waybill}
	id, value, seen := uint64(0), []byte(nil), false
	err := eachFieldIn(in, func(fc *easyproto.FieldContext) (ok bool) {
		switch fc.FieldNum {
		case scanLocal:
			e.At.Local, ok = fc.Sint64()
			ok = ok && e.At.Local >= firstLocal && e.At.Local <= lastLocal
		case scanID:
			id, ok = fc.Fixed64()
		case scanEvent:
			value, ok = fc.Bytes()
			seen = true
		}
		return ok
	})
	switch {
	case err != nil:
		return err
	case !seen:
		return fmt.Errorf("a scan without an event: %w", ErrInvalid)
	}
	if err := e.decode(value); err != nil {
		return err
	}
	facts.Seal(e, e.Heard)
	if uint64(e.ID) != id {
		return fmt.Errorf("event %s is told as %s: %w", e.ID, ID(id), ErrInvalid)
	}
	fits := keyable(e.Source) && e.Leg.canonical()
	for _, r := range e.References {
		fits = fits && keyable(r.Account)
	}
	if !fits {
		return fmt.Errorf("event %s cannot be stored: %w", e.ID, ErrInvalid)
	}
	return nil
}

// canonical reports whether a leg is as check would leave it.
func (l LegTo) canonical() bool {
	checked := l
	_, ok := checked.check()
	return ok && checked == l
}

// keyable reports whether a text can stand in a key of the store.
func keyable(s string) bool { return strings.IndexByte(s, 0) < 0 }
