package store

import (
	"bytes"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"waytrace/store/keys"
	"waytrace/trace"
)

// Trace reads what is known of a number into t, which it empties first: the head
// of one carrier, and what is wanted beside it: all of its events in the fold's
// order, with those of its legs, and its records. number is canonical. carrier "" takes the one with the newest event, and names the
// others in t.Also. A number or carrier that is not known is ErrNotFound.
//
// Head and events are of one moment. They may show what is not yet synced.
func (s *Store) Trace(t *trace.Trace, number, carrier string, want trace.Want) error {
	t.Reset()
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	prefix := keys.Waybill(make([]byte, 0, 64), number)
	it, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound: prefix, UpperBound: keys.End(make([]byte, 0, 64), prefix),
		KeyTypes: pebble.IterKeyTypePointsOnly,
		// An unknown number is the common case of guessing, and of asking too early.
		UseL6Filters: true,
	})
	if err != nil {
		return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	defer it.Close()
	if err := readHeads(it, t, number, carrier); err != nil {
		return err
	}
	if want.Events {
		if t.Events, err = readEvents(it, t.Waybill, len(t.Also) > 0, t.Events); err != nil {
			return err
		}
	}
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

// readLegs reads the heads of the numbers that a parcel went on under, and their
// events where they are wanted. They may be a moment younger than the parcel's own
// head.
func (s *Store) readLegs(t *trace.Trace, legs []trace.Waybill, events bool) error {
	for _, leg := range legs {
		prefix := keys.Waybill(make([]byte, 0, 64), leg.Number)
		it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keys.End(nil, prefix), UseL6Filters: true})
		if err != nil {
			return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
		}
		var of trace.Trace
		err = readHeads(it, &of, leg.Number, leg.Carrier)
		part := trace.Part{Waybill: of.Waybill, Head: of.Head}
		if err == nil && events {
			part.Events, err = readEvents(it, of.Waybill, true, nil)
		}
		it.Close()
		switch {
		case errors.Is(err, trace.ErrNotFound):
			continue
		case err != nil:
			return err
		}
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
func readHeads(it *pebble.Iterator, t *trace.Trace, number, carrier string) error {
	found := false
	var other trace.Trace
	for ok := it.SeekPrefixGE(keys.Heads(make([]byte, 0, 64), number)); ok; ok = it.Next() {
		k, err := keys.Parse(it.Key())
		if err != nil {
			return err
		}
		if k.IsEvent {
			break
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
		}
		switch {
		case carrier != "" && k.Waybill.Carrier != carrier:
			if err := other.SetHead(k.Waybill, value); err != nil {
				return err
			}
			if !other.Head.Silent() {
				t.Also = append(t.Also, k.Waybill.Carrier)
			}
		case !found:
			if err := t.SetHead(k.Waybill, value); err != nil {
				return err
			}
			// Of one that lists spoke of and nothing more, nothing is known yet.
			found = !t.Head.Silent()
		default:
			if err := other.SetHead(k.Waybill, value); err != nil {
				return err
			}
			if other.Head.Silent() {
				continue
			}
			if other.Head.Newest() > t.Head.Newest() {
				t.Also = append(t.Also, t.Carrier)
				if err := t.SetHead(k.Waybill, value); err != nil {
					return err
				}
			} else {
				t.Also = append(t.Also, k.Waybill.Carrier)
			}
		}
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	slices.Sort(t.Also)
	if !found {
		return fmt.Errorf("number %s: %w", number, trace.ErrNotFound)
	}
	return nil
}

// readEvents goes on to the events of a waybill whose head was read, and appends
// them to events; seek where the iterator may stand elsewhere.
func readEvents(it *pebble.Iterator, of trace.Waybill, seek bool, events []trace.Event) ([]trace.Event, error) {
	prefix := keys.Events(make([]byte, 0, 96), of)
	ok := it.Valid()
	if seek {
		ok = it.SeekPrefixGE(prefix)
	}
	for ; ok; ok = it.Next() {
		rest, ours := bytes.CutPrefix(it.Key(), prefix)
		if !ours {
			break
		}
		local, id, sound := keys.EventOf(rest)
		if !sound {
			return events, fmt.Errorf("key %q is no event's: %w", it.Key(), trace.ErrInvalid)
		}
		value, err := it.ValueAndErr()
		if err != nil {
			return events, fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
		}
		events = append(events, trace.Event{})
		if err := trace.DecodeEvent(&events[len(events)-1], of, local, id, value); err != nil {
			return events, err
		}
	}
	if err := it.Error(); err != nil {
		return events, fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	trace.SortEvents(events)
	return events, nil
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
