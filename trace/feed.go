package trace

import (
	"fmt"

	"github.com/VictoriaMetrics/easyproto"
)

// A FeedEntry is what one batch learned in one partition, in the order in which
// it was numbered. Its first change has the seq of its key; the others count on.
type FeedEntry struct {
	Mark   uint64 // of the start of the daemon that numbered it
	At     int64  // when it did, by its wall clock, milliseconds since 1970 UTC
	Groups []Group
}

// A Group is what one batch learned of one waybill.
type Group struct {
	Waybill
	Own           uint64 // counts the groups of a partition that this node heard first, from 1; 0 came from elsewhere
	Before, After Pair   // the waybill's status
	Changes       []Change
}

// A ChangeKind says what a change was.
type ChangeKind uint8

// The kinds of change. Their numbers are the stored form.
const (
	EventAdded     ChangeKind = 1 // an event that was not known
	EventRevised   ChangeKind = 2 // a known event gained a text, a fuller copy, a reference or an earlier hearing
	EventRetracted ChangeKind = 3 // a list took it back; follows from Listed
	EventRestored  ChangeKind = 4 // a list has it again; follows from Listed
	Listed         ChangeKind = 5 // a list was heard; the change carries it
	LegTold        ChangeKind = 6 // a leg was told; the change carries it
	RecordKept     ChangeKind = 7 // a record was heard; the change carries it
	Overrode       ChangeKind = 8 // an operator's word; the change carries it
	Refolded       ChangeKind = 9 // nothing was heard of this waybill: it follows from a leg's, or from a new code table
	changeKinds    ChangeKind = 10
)

// A Change names one thing that is news. An event's texts lie under its own key;
// any other fact is carried whole.
type Change struct {
	Kind  ChangeKind
	Local int64  // the event's place in time, see Time
	ID    ID     // of the event
	Text  uint64 // hash of the text that it came with; 0 where the identity has it
	Heard HLC

	List     *List     // of Listed; its waybill is the group's, as in the next three
	Leg      *LegFact  // of LegTold
	Record   *Record   // of RecordKept
	Override *Override // of Overrode
}

const (
	entryMark  = 1
	entryAt    = 2
	entryGroup = 3

	groupNumber  = 1
	groupCarrier = 2
	groupOwn     = 3
	groupBefore  = 4
	groupAfter   = 5
	groupChange  = 6

	pairStatus = 1
	pairSub    = 2

	changeKind     = 1
	changeLocal    = 2
	changeID       = 3
	changeText     = 4
	changeHeard    = 5
	changeList     = 6
	changeLeg      = 7
	changeRecord   = 8
	changeOverride = 9
)

// Append appends the stored form, the message FeedEntry of docs/trace.proto.
func (f *FeedEntry) Append(dst []byte) []byte {
	m := marshalers.Get()
	defer marshalers.Put(m)
	mm := m.MessageMarshaler()
	mm.AppendFixed64(entryMark, f.Mark)
	mm.AppendInt64(entryAt, f.At)
	for i := range f.Groups {
		g := &f.Groups[i]
		gm := mm.AppendMessage(entryGroup)
		gm.AppendString(groupNumber, g.Number)
		gm.AppendString(groupCarrier, g.Carrier)
		gm.AppendUint64(groupOwn, g.Own)
		g.Before.marshal(gm.AppendMessage(groupBefore))
		g.After.marshal(gm.AppendMessage(groupAfter))
		for _, c := range g.Changes {
			cm := gm.AppendMessage(groupChange)
			cm.AppendUint32(changeKind, uint32(c.Kind))
			if c.ID != 0 {
				cm.AppendSint64(changeLocal, c.Local)
				cm.AppendFixed64(changeID, uint64(c.ID))
			}
			if c.Text != 0 {
				cm.AppendFixed64(changeText, c.Text)
			}
			cm.AppendFixed64(changeHeard, uint64(c.Heard))
			switch {
			case c.List != nil:
				c.List.marshal(cm.AppendMessage(changeList))
			case c.Leg != nil:
				c.Leg.marshal(cm.AppendMessage(changeLeg))
			case c.Record != nil:
				c.Record.marshal(cm.AppendMessage(changeRecord))
			case c.Override != nil:
				c.Override.marshal(cm.AppendMessage(changeOverride))
			}
		}
	}
	return m.Marshal(dst)
}

func (p Pair) marshal(mm *easyproto.MessageMarshaler) {
	mm.AppendUint32(pairStatus, uint32(p.Status))
	if p.Sub != "" {
		mm.AppendString(pairSub, p.Sub)
	}
}

// Changes is how many changes the entry holds, and so how many seqs it spans.
func (f *FeedEntry) Changes() (n int) {
	for i := range f.Groups {
		n += len(f.Groups[i].Changes)
	}
	return n
}

// DecodeFeedEntry reads the stored form. Its strings refer into value. A value
// that Append did not write, or of a newer form, is ErrInvalid.
func DecodeFeedEntry(f *FeedEntry, value []byte) error {
	*f = FeedEntry{}
	err := eachField(value, func(fc *easyproto.FieldContext) (ok bool) {
		switch fc.FieldNum {
		case entryMark:
			f.Mark, ok = fc.Fixed64()
		case entryAt:
			f.At, ok = fc.Int64()
		case entryGroup:
			var g Group
			ok = g.decode(fc) == nil
			f.Groups = append(f.Groups, g)
		}
		return ok
	})
	if err != nil {
		return fmt.Errorf("feed entry: %w", err)
	}
	return nil
}

func (g *Group) decode(in *easyproto.FieldContext) error {
	return eachFieldIn(in, func(fc *easyproto.FieldContext) (ok bool) {
		switch fc.FieldNum {
		case groupNumber:
			g.Number, ok = fc.String()
		case groupCarrier:
			g.Carrier, ok = fc.String()
		case groupOwn:
			g.Own, ok = fc.Uint64()
		case groupBefore:
			ok = g.Before.decode(fc) == nil
		case groupAfter:
			ok = g.After.decode(fc) == nil
		case groupChange:
			var c Change
			ok = c.decode(fc) == nil
			g.Changes = append(g.Changes, c)
		}
		return ok
	})
}

func (p *Pair) decode(in *easyproto.FieldContext) error {
	return eachFieldIn(in, func(fc *easyproto.FieldContext) (ok bool) {
		switch fc.FieldNum {
		case pairStatus:
			var n uint32
			n, ok = fc.Uint32()
			p.Status, ok = Status(n), ok && n < uint32(statuses)
		case pairSub:
			p.Sub, ok = fc.String()
		}
		return ok
	})
}

func (c *Change) decode(in *easyproto.FieldContext) error {
	err := eachFieldIn(in, func(fc *easyproto.FieldContext) (ok bool) {
		var n uint64
		switch fc.FieldNum {
		case changeKind:
			var kind uint32
			kind, ok = fc.Uint32()
			c.Kind, ok = ChangeKind(kind), ok && kind >= uint32(EventAdded) && kind < uint32(changeKinds)
		case changeLocal:
			c.Local, ok = fc.Sint64()
		case changeID:
			n, ok = fc.Fixed64()
			c.ID = ID(n)
		case changeText:
			c.Text, ok = fc.Fixed64()
		case changeHeard:
			n, ok = fc.Fixed64()
			c.Heard = HLC(n)
		case changeList:
			c.List = new(List)
			ok = c.List.decode(fc) == nil
		case changeLeg:
			c.Leg = new(LegFact)
			ok = c.Leg.decode(fc) == nil
		case changeRecord:
			c.Record = new(Record)
			ok = c.Record.decode(fc) == nil
		case changeOverride:
			c.Override = new(Override)
			ok = c.Override.decode(fc) == nil
		}
		return ok
	})
	switch {
	case err != nil:
		return err
	case c.Kind == 0:
		return fmt.Errorf("change of no kind: %w", ErrInvalid)
	case (c.Kind <= EventRestored) != (c.ID != 0), c.ID == 0 && c.Local != 0:
		return fmt.Errorf("change of kind %d: %w", c.Kind, ErrInvalid)
	case (c.Kind == Listed) != (c.List != nil), (c.Kind == LegTold) != (c.Leg != nil),
		(c.Kind == RecordKept) != (c.Record != nil), (c.Kind == Overrode) != (c.Override != nil):
		return fmt.Errorf("change of kind %d does not carry what it says: %w", c.Kind, ErrInvalid)
	}
	return nil
}
