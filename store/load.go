package store

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/cockroachdb/pebble/v2"

	"waytrace/store/keys"
	"waytrace/trace"
)

// Next gives what is to be shipped of a partition next: from its bookmark on, in order,
// so many records and bytes of them at most, but one where there is one. Upto is the
// bookmark where nothing is to be shipped and nothing to be passed over.
//
// Events are as they are now, newer than the feed says where they were revised since; so
// Next waits until all of it is synced. A record whose event is missing, or that was
// parked, is void.
func (o *Outbox) Next(partition uint16, records, bytes int) (load trace.Load, err error) {
	s, p := o.store, &o.parts[partition]
	p.mu.Lock()
	at := p.at
	if p.clear > at.Seq {
		at.Seq, at.Bytes = p.clear, p.done.Load()
	}
	p.mu.Unlock()
	if s.partitions[partition].landed.Load() > at.Seq {
		l := loader{outbox: o, partition: partition, records: records, bytes: bytes}
		l.expects = s.partitions[partition].written.Load() - at.Bytes
		if at, err = l.load(at); err != nil {
			return load, err
		}
		load.Items = l.items
	}
	if len(load.Items) > 0 {
		s.landing.settle()
		if failed := s.failed.Load(); failed != nil {
			return trace.Load{}, *failed
		}
	}
	p.mu.Lock()
	p.next = at
	p.mu.Unlock()
	load.Upto = at.Bookmark
	return load, nil
}

// A loader makes one load.
type loader struct {
	outbox         *Outbox
	partition      uint16
	records, bytes int // at most

	expects uint64 // bytes of feed that there are for it

	items []trace.LoadItem
	size  int    // of the items' values
	past  uint64 // bytes of entries that it has read
	buf   []byte
	facts trace.Facts
	seen  map[trace.ID]bool
	held  []io.Closer
	key   []byte
}

// load reads from a place on, and gives the place that it got to.
func (l *loader) load(at place) (place, error) {
	s := l.outbox.store
	if err := s.enter(); err != nil {
		return at, err
	}
	defer s.leave()
	from := at.Seq + 1
	if at.inside > 0 {
		from = at.inside
	}
	it, err := s.feed(l.partition, from, s.SafeMark())
	if err != nil {
		return at, err
	}
	defer it.Close()
	err = eachEntry(it, func(e *feedEntry) (bool, error) {
		seq := e.first
		for i := range e.Groups {
			g := &e.Groups[i]
			first := seq
			seq += uint64(len(g.Changes))
			if first <= at.Seq {
				continue // it was told
			}
			if g.Own > 0 {
				more, err := l.add(first, e, g)
				if err != nil || !more {
					return false, err
				}
				at.Own = g.Own
			}
			at.Seq, at.inside = seq-1, e.first
		}
		at.inside, at.Bytes = 0, at.Bytes+e.bytes
		l.past += e.bytes
		return l.past < mostPassed, nil
	})
	return at, err
}

// mostPassed is how many bytes of feed are read at once: of a long run that came from other
// nodes nothing is to be shipped, and whoever closes the store waits for the reader.
const mostPassed = 16 << 20

// add adds a group's record to the load, unless the load is full.
func (l *loader) add(seq uint64, e *feedEntry, g *trace.Group) (bool, error) {
	if len(l.items) >= max(l.records, 1) {
		return false, nil
	}
	n := trace.News{Waybill: g.Waybill, Origin: l.outbox.store.node, Mark: e.Mark, Own: g.Own, At: e.At}
	if l.buf == nil {
		// Texts are not in the feed, so what is shipped of it is larger.
		l.buf = make([]byte, 0, min(4*l.expects, uint64(l.bytes)/8*9))
	}
	start := len(l.buf)
	void, known := l.outbox.isParked(l.partition, seq)
	if !void {
		missing, err := l.gather(g)
		if err != nil {
			return false, err
		}
		void = missing != nil && l.facts.Empty()
		if missing != nil && !known {
			if err := l.lacks(seq, g, missing, !void); err != nil {
				return false, err
			}
		}
		if !void {
			l.buf = n.Append(l.buf, &l.facts)
		}
		l.release()
	}
	if void {
		n.Waybill = trace.Waybill{}
		l.buf = n.Append(l.buf, nil)
	}
	value := l.buf[start:len(l.buf):len(l.buf)]
	if len(l.items) > 0 && l.size+len(value) > l.bytes {
		return false, nil
	}
	l.size += len(value)
	l.items = append(l.items, trace.LoadItem{Seq: seq, Own: g.Own, Key: strings.Clone(g.Number), Value: value, Void: void, At: e.At})
	return true, nil
}

// lacks notes that a record cannot say all that it should: other nodes will lack that.
func (l *loader) lacks(seq uint64, g *trace.Group, missing error, partly bool) error {
	s := l.outbox.store
	s.log.Error("store: an event is missing, other nodes are not told of it",
		"waybill", g.Number, "carrier", g.Carrier, "partition", l.partition, "err", missing)
	return l.outbox.park(&trace.ParkedItem{Partition: l.partition, Seq: seq, Own: g.Own, Partly: partly,
		Waybill: trace.Waybill{Number: strings.Clone(g.Number), Carrier: strings.Clone(g.Carrier)},
		Reason:  missing.Error(), At: s.wall()})
}

// gather fills facts with those of a group, which borrow from it and from the database
// until release. What was only derived is left out. missing says which event is not
// there, the first of them; the others are gathered all the same.
func (l *loader) gather(g *trace.Group) (missing, err error) {
	l.facts.Reset()
	if l.seen == nil {
		l.seen = make(map[trace.ID]bool)
	}
	clear(l.seen)
	for i := range g.Changes {
		c := &g.Changes[i]
		switch c.Kind {
		case trace.EventAdded, trace.EventRevised:
			if l.seen[c.ID] {
				continue
			}
			l.seen[c.ID] = true
			l.key = keys.Event(l.key[:0], g.Waybill, c.Local, c.ID)
			value, closer, err := l.outbox.store.db.Get(l.key)
			if errors.Is(err, pebble.ErrNotFound) {
				if missing == nil {
					missing = fmt.Errorf("event %s of waybill %s: %w", c.ID, g.Number, trace.ErrNotFound)
				}
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
			}
			l.held = append(l.held, closer)
			e := l.facts.Event()
			e.ID, e.At.Local, e.Value = c.ID, c.Local, value
		case trace.Listed:
			l.facts.Lists = append(l.facts.Lists, *c.List)
		case trace.LegTold:
			l.facts.Legs = append(l.facts.Legs, *c.Leg)
		case trace.RecordKept:
			l.facts.Records = append(l.facts.Records, *c.Record)
		case trace.Overrode:
			l.facts.Overrides = append(l.facts.Overrides, *c.Override)
		}
	}
	return missing, nil
}

func (l *loader) release() {
	for _, c := range l.held {
		c.Close()
	}
	l.held = l.held[:0]
}

// isParked reports whether a record ships void, and whether it is known that it is not
// whole.
func (o *Outbox) isParked(partition uint16, seq uint64) (void, known bool) {
	p := &o.parts[partition]
	p.mu.Lock()
	defer p.mu.Unlock()
	void, known = p.parked[seq]
	return void, known
}
