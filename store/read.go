package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2"

	"waytrace/store/keys"
	"waytrace/trace"
)

// Trace reads what is known of a number into t, which it empties first: the head
// of one carrier, and what is wanted beside it: all of its events in the fold's
// order, with those of its legs, and its records. number is canonical, and t borrows
// it. carrier "" takes the one with the newest event, and names the others in t.Also.
// A number or carrier that is not known is ErrNotFound.
//
// Head and events are of one moment. They may show what is not yet synced.
func (s *Store) Trace(t *trace.Trace, number, carrier string, want trace.Want) error {
	t.Reset()
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	hash := s.stamps.hash(number)
	if s.known.lacks(hash) {
		return unknown(number)
	}
	l := lookups.Get().(*lookup)
	defer lookups.Put(l)
	if !want.Events {
		// Whoever wants no events hardly ever needs the disk.
		if known, err := s.readTable(l, hash, t, number, carrier); known || err != nil {
			if err == nil {
				err = s.readBeside(t, want)
			}
			return err
		}
	}
	it, err := s.iterate(l)
	if err != nil {
		return err
	}
	defer it.Close()
	if err := readHeads(it, l, t, number, carrier); err != nil {
		return err
	}
	if want.Events {
		if err := readEvents(it, l, t, len(t.Also) > 0); err != nil {
			return err
		}
	}
	return s.readBeside(t, want)
}

// readBeside reads what is wanted beside a waybill's own head and events.
func (s *Store) readBeside(t *trace.Trace, want trace.Want) error {
	if legs := t.Children(want); len(legs) > 0 {
		if err := s.readLegs(t, legs, want.Events); err != nil {
			return err
		}
	}
	if want.Records && t.Head.Records != 0 {
		return s.readRecords(t)
	}
	return nil
}

// A lookup is the memory that a read takes beside its trace.
type lookup struct {
	options pebble.IterOptions
	key     []byte
	list    []byte
}

var lookups = sync.Pool{New: func() any { return new(lookup) }}

// iterate makes an iterator for the keys of one number, which l is used for. It has no
// bounds: it is placed by SeekPrefixGE alone, which ends with the number's keys.
func (s *Store) iterate(l *lookup) (*pebble.Iterator, error) {
	l.options = pebble.IterOptions{
		KeyTypes: pebble.IterKeyTypePointsOnly,
		// While we do not know ourselves which numbers there are: an unknown one is the
		// common case of guessing, and of asking too early.
		UseL6Filters: !s.known.complete.Load(),
	}
	it, err := s.db.NewIter(&l.options)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	return it, nil
}

// readLegs reads the heads of the numbers that a parcel went on under, and their
// events where they are wanted. They may be a moment younger than the parcel's own
// head.
func (s *Store) readLegs(t *trace.Trace, legs []trace.Waybill, events bool) error {
	var l lookup
	for _, leg := range legs {
		it, err := s.iterate(&l)
		if err != nil {
			return err
		}
		var of trace.Trace // each has memory of its own: the parts stay
		err = readHeads(it, &l, &of, leg.Number, leg.Carrier)
		if err == nil && events {
			err = readEvents(it, &l, &of, true)
		}
		it.Close()
		switch {
		case errors.Is(err, trace.ErrNotFound):
			continue
		case err != nil:
			return err
		}
		part := trace.Part{Waybill: of.Waybill, Head: of.Head, Events: of.Events}
		if !slices.ContainsFunc(t.Legs, func(p trace.Part) bool { return p.Waybill == part.Waybill }) {
			t.Legs = append(t.Legs, part)
		}
	}
	return nil
}

func (s *Store) readRecords(t *trace.Trace) error {
	prefix := keys.Records(nil, t.Waybill)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keys.End(nil, prefix)})
	if err != nil {
		return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	defer it.Close()
	return each(it, func(_, value []byte) (bool, error) {
		var r trace.Record
		if err := trace.DecodeRecord(&r, t.Waybill, slices.Clone(value)); err != nil {
			return false, err
		}
		t.Records = append(t.Records, r)
		return true, nil
	})
}

// readHeads reads the heads of a number, which lie before its events, and leaves
// the iterator behind them.
func readHeads(it *pebble.Iterator, l *lookup, t *trace.Trace, number, carrier string) error {
	c := choice{t: t, number: number, carrier: carrier}
	if err := eachHeadOf(it, l, number, c.take); err != nil {
		return err
	}
	return c.end()
}

// eachHeadOf calls take for each head of a number, in byte order of the carriers; both
// are borrowed until it returns. The iterator stands behind the heads then.
func eachHeadOf(it *pebble.Iterator, l *lookup, number string, take func(carrier, head []byte) error) error {
	l.key = keys.Heads(l.key[:0], number)
	for ok := it.SeekPrefixGE(l.key); ok; ok = it.Next() {
		carrier, is := bytes.CutPrefix(it.Key(), l.key)
		if !is {
			break
		}
		head, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
		}
		if err := take(carrier, head); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	return nil
}

// A choice finds the head that is meant among all of a number, and names the others
// in t.Also.
type choice struct {
	t               *trace.Trace
	number, carrier string // carrier "" is the one with the newest event
	found           bool
	other           *trace.Trace // of a number that several carriers have
}

// take looks at one more head: a carrier and the stored form, both of which it copies.
func (c *choice) take(carrier, value []byte) error {
	t := c.t
	if !c.found && (c.carrier == "" || c.carrier == string(carrier)) {
		err := t.SetHead(trace.Waybill{Number: c.number, Carrier: t.Keep(carrier)}, value)
		// Of one that lists spoke of and nothing more, nothing is known yet.
		c.found = !t.Head.Silent()
		return err
	}
	if c.other == nil {
		c.other = new(trace.Trace)
	}
	w := trace.Waybill{Number: c.number, Carrier: t.Keep(carrier)}
	switch err := c.other.SetHead(w, value); {
	case err != nil:
		return err
	case c.other.Head.Silent():
	case c.carrier == "" && c.other.Head.Newest() > t.Head.Newest():
		t.Also = append(t.Also, t.Carrier)
		return t.SetHead(w, value)
	default:
		t.Also = append(t.Also, w.Carrier)
	}
	return nil
}

// unknown is the error of a number that nothing is known of: ErrNotFound.
type unknown string

func (number unknown) Error() string {
	return "number " + string(number) + ": " + trace.ErrNotFound.Error()
}

func (unknown) Unwrap() error { return trace.ErrNotFound }

// end says what came of it: ErrNotFound where there is no such head.
func (c *choice) end() error {
	slices.Sort(c.t.Also)
	if !c.found {
		return unknown(c.number)
	}
	return nil
}

// readEvents goes on to the events of the trace, whose head was read; seek where the
// iterator may stand elsewhere.
func readEvents(it *pebble.Iterator, l *lookup, t *trace.Trace, seek bool) error {
	l.key = keys.Events(l.key[:0], t.Waybill)
	ok := it.Valid()
	if seek {
		ok = it.SeekPrefixGE(l.key)
	}
	for ; ok; ok = it.Next() {
		rest, ours := bytes.CutPrefix(it.Key(), l.key)
		if !ours {
			break
		}
		local, id, sound := keys.EventOf(rest)
		if !sound {
			return fmt.Errorf("key %q is no event's: %w", it.Key(), trace.ErrInvalid)
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
		}
		if err := t.AddEvent(local, id, value); err != nil {
			return err
		}
		if len(t.Events) == len(t.Head.Entries) {
			break // they are of one moment, so there is none that the head does not know
		}
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	trace.SortEvents(t.Events)
	return nil
}

// maxWaybills bounds what is read of one reference.
const maxWaybills = 10_000

// Waybills are those that an account's reference leads to, in the order of
// number and carrier, the first 10,000 of them; none is no error.
func (s *Store) Waybills(account, reference string) (found []trace.Waybill, err error) {
	prefix := keys.References(nil, trace.Reference{Account: account, Text: reference})
	err = s.scan(prefix, func(key, _ []byte) (bool, error) {
		k, err := keys.Parse(key)
		if err != nil {
			return false, err
		}
		found = append(found, k.Waybill)
		return len(found) < maxWaybills, nil
	})
	return found, err
}

// EachQuarantined calls yield for every quarantined request, in the order of
// their hashes, until it returns false.
func (s *Store) EachQuarantined(yield func(hash [16]byte, q *trace.Quarantined) bool) error {
	return s.scan([]byte{keys.KindQuarantine}, func(key, value []byte) (bool, error) {
		k, err := keys.Parse(key)
		if err != nil {
			return false, err
		}
		var q trace.Quarantined
		if err := trace.DecodeQuarantined(&q, value); err != nil {
			return false, err
		}
		return yield(k.Hash, &q), nil
	})
}

// EachUnmapped calls yield for every code that its source's table did not know, in
// the order of source and code, until it returns false.
func (s *Store) EachUnmapped(yield func(source, code string, u *trace.Unmapped) bool) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return s.eachUnmapped(yield)
}

func (s *Store) eachUnmapped(yield func(source, code string, u *trace.Unmapped) bool) error {
	return s.scanEntered([]byte{keys.KindUnmapped}, func(key, value []byte) (bool, error) {
		k, err := keys.Parse(key)
		if err != nil {
			return false, err
		}
		var u trace.Unmapped
		if err := trace.DecodeUnmapped(&u, value); err != nil {
			return false, err
		}
		return yield(k.Source, k.Code, &u), nil
	})
}

// EachDoubted calls yield for every list that was doubted, in the order of number,
// carrier, source and time, until it returns false.
func (s *Store) EachDoubted(yield func(w trace.Waybill, source string, d *trace.DoubtedBy) bool) error {
	return s.scan([]byte{keys.KindJudgement}, func(key, value []byte) (bool, error) {
		k, err := keys.Parse(key)
		if err != nil {
			return false, err
		}
		var j trace.Judgement
		if err := trace.DecodeJudgement(&j, value); err != nil {
			return false, err
		}
		for i := range j.Doubted {
			if !yield(k.Waybill, k.Source, &j.Doubted[i]) {
				return false, nil
			}
		}
		return true, nil
	})
}

// scan calls take for every pair whose key has the prefix, borrowed until take
// returns; false ends it.
func (s *Store) scan(prefix []byte, take func(key, value []byte) (bool, error)) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	return s.scanEntered(prefix, take)
}

// scanEntered is scan for whoever has entered.
func (s *Store) scanEntered(prefix []byte, take func(key, value []byte) (bool, error)) error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keys.End(nil, prefix)})
	if err != nil {
		return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	defer it.Close()
	return each(it, take)
}

func each(it *pebble.Iterator, take func(key, value []byte) (bool, error)) error {
	for ok := it.First(); ok; ok = it.Next() {
		value, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
		}
		if more, err := take(it.Key(), value); err != nil || !more {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	return nil
}
