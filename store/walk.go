package store

import (
	"bytes"
	"cmp"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"waytrace/store/keys"
	"waytrace/trace"
)

// held is all that is stored of one waybill, as bytes.
type held struct {
	trace.Waybill
	head    []byte // nil: there is none
	events  []heldEvent
	records []heldRecord
}

type heldEvent struct {
	local int64
	id    trace.ID
	value []byte
}

type heldRecord struct {
	kind  trace.RecordKind
	id    trace.ID
	value []byte
}

// walk calls take for each number behind after and up to upto, in order, with its
// waybills in the order of their carriers; "" is no bound. False ends it.
func walk(r pebble.Reader, after, upto string, take func([]held) (bool, error)) error {
	// Behind a number stands 00, so 01 is behind all of its keys.
	from, to := "", "\xff"
	if after != "" {
		from = after + "\x01"
	}
	if upto != "" {
		to = upto + "\x01"
	}
	return walkKeys(r, from, to, take)
}

// walkNumber is walk of one number.
func walkNumber(r pebble.Reader, number string, take func([]held) (bool, error)) error {
	return walkKeys(r, number+"\x00", number+"\x01", take)
}

// walkKeys is walk between what may stand behind the kind in a key.
func walkKeys(r pebble.Reader, from, to string, take func([]held) (bool, error)) error {
	waybills, err := newCursor(r, keys.KindWaybill, from, to)
	if err != nil {
		return err
	}
	defer waybills.it.Close()
	records, err := newCursor(r, keys.KindRecord, from, to)
	if err != nil {
		return err
	}
	defer records.it.Close()
	for waybills.ok || records.ok {
		number := waybills.key.Waybill.Number
		if !waybills.ok || records.ok && records.key.Waybill.Number < number {
			number = records.key.Waybill.Number // of no waybill
		}
		var all []held
		of := func(w trace.Waybill) *held {
			i, known := slices.BinarySearchFunc(all, w.Carrier, func(h held, carrier string) int { return cmp.Compare(h.Carrier, carrier) })
			if !known {
				all = slices.Insert(all, i, held{Waybill: w})
			}
			return &all[i]
		}
		for ; waybills.ok && waybills.key.Waybill.Number == number; waybills.next() {
			k, h := &waybills.key, of(waybills.key.Waybill)
			if k.IsEvent {
				h.events = append(h.events, heldEvent{k.Local, k.ID, bytes.Clone(waybills.value)})
			} else {
				h.head = bytes.Clone(waybills.value)
			}
		}
		for ; records.ok && records.key.Waybill.Number == number; records.next() {
			k, h := &records.key, of(records.key.Waybill)
			h.records = append(h.records, heldRecord{k.Record, k.ID, bytes.Clone(records.value)})
		}
		if err := cmp.Or(waybills.err, records.err); err != nil {
			return err
		}
		if more, err := take(all); err != nil || !more {
			return err
		}
	}
	return cmp.Or(waybills.err, records.err)
}

// A cursor goes over the keys of a kind.
type cursor struct {
	it    *pebble.Iterator
	ok    bool
	key   keys.Key
	value []byte // borrowed until next
	err   error
}

func newCursor(r pebble.Reader, kind byte, from, to string) (*cursor, error) {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: append([]byte{kind}, from...), UpperBound: append([]byte{kind}, to...)})
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	c := &cursor{it: it}
	c.read(it.First())
	return c, nil
}

func (c *cursor) next() { c.read(c.it.Next()) }

func (c *cursor) read(ok bool) {
	if c.ok = ok; !ok {
		if err := c.it.Error(); err != nil {
			c.err = fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
		}
		return
	}
	if c.key, c.err = keys.Parse(c.it.Key()); c.err == nil {
		if c.value, c.err = c.it.ValueAndErr(); c.err != nil {
			c.err = fmt.Errorf("%w (%w)", trace.ErrUnavailable, c.err)
		}
	}
	c.ok = c.err == nil
}

// scanOf calls take for every pair whose key has the prefix, borrowed until take
// returns; false ends it.
func scanOf(r pebble.Reader, prefix []byte, take func(key, value []byte) (bool, error)) error {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keys.End(nil, prefix)})
	if err != nil {
		return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	defer it.Close()
	return each(it, take)
}
