package facttest

import (
	"bytes"
	"fmt"

	"waytrace/store/keys"
	"waytrace/trace"
)

// A Scanner calls take for every pair of a directory whose key has the prefix, in order
// and borrowed until take returns; false ends it.
type Scanner func(prefix []byte, take func(key, value []byte) (bool, error)) error

// Told is all that a feed tells of.
type Told struct {
	Seq    uint64                    // of the last change
	Own    [trace.Partitions]uint64  // of the last group that was heard here first
	Events map[trace.ID]bool         // those that it names
	Facts  trace.Facts               // all other facts, as a sister takes them
	own    [trace.Partitions]started // while it is read
}

// started is under which mark groups are counted.
type started struct{ mark, own uint64 }

// ReadFeed reads a whole feed, of which nothing was trimmed. Its numbers must have no
// hole; after a rebirth they begin anew.
func ReadFeed(scan Scanner) (*Told, error) {
	told := &Told{Events: map[trace.ID]bool{}}
	told.Facts.Judged = true
	var last [trace.Partitions]uint64
	err := scan([]byte{keys.KindFeed}, func(key, value []byte) (bool, error) {
		k, err := keys.Parse(key)
		if err != nil {
			return false, err
		}
		var e trace.FeedEntry
		if err := trace.DecodeFeedEntry(&e, bytes.Clone(value)); err != nil {
			return false, err
		}
		if k.Seq <= last[k.Partition] {
			return false, fmt.Errorf("partition %d: seq %d comes after %d", k.Partition, k.Seq, last[k.Partition])
		}
		last[k.Partition] = k.Seq + uint64(e.Changes()) - 1
		told.Seq = max(told.Seq, last[k.Partition])
		for i := range e.Groups {
			if err := told.take(k.Partition, e.Mark, &e.Groups[i]); err != nil {
				return false, err
			}
		}
		return true, nil
	})
	for p := range told.own {
		told.Own[p] = told.own[p].own
	}
	return told, err
}

// take adds what a group tells of.
func (told *Told) take(p uint16, mark uint64, g *trace.Group) error {
	if g.Own > 0 {
		counted := &told.own[p]
		if g.Own == 1 && mark != counted.mark {
			counted.own = 0 // under another id
		}
		counted.own, counted.mark = counted.own+1, mark
		if g.Own != counted.own {
			return fmt.Errorf("partition %d: group %d of %s comes in place of %d", p, g.Own, g.Number, counted.own)
		}
	}
	if trace.PartitionOf(g.Number) != p {
		return fmt.Errorf("partition %d: %s is not of it", p, g.Number)
	}
	f := &told.Facts
	for _, c := range g.Changes {
		switch c.Kind {
		case trace.EventAdded, trace.EventRevised:
			told.Events[c.ID] = true
		case trace.Listed:
			c.List.Waybill = g.Waybill
			f.Lists = append(f.Lists, *c.List)
		case trace.LegTold:
			c.Leg.Waybill = g.Waybill
			f.Legs = append(f.Legs, *c.Leg)
		case trace.RecordKept:
			c.Record.Waybill = g.Waybill
			f.Records = append(f.Records, *c.Record)
		case trace.Overrode:
			c.Override.Waybill = g.Waybill
			f.Overrides = append(f.Overrides, *c.Override)
		}
	}
	return nil
}
