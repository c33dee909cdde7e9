package store

import (
	"bytes"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"

	"waytrace/store/keys"
	"waytrace/trace"
)

// Trace reads what is known of a number into t, which it empties first: the head
// of one carrier, and with events all of its events in the fold's order. number
// is canonical. carrier "" takes the one with the newest event, and names the
// others in t.Also. A number or carrier that is not known is ErrNotFound.
//
// Head and events are of one moment. They may show what is not yet synced.
func (s *Store) Trace(t *trace.Trace, number, carrier string, events bool) error {
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
	if events {
		return readEvents(it, t)
	}
	return nil
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
			t.Also = append(t.Also, k.Waybill.Carrier)
		case !found:
			if err := t.SetHead(k.Waybill, value); err != nil {
				return err
			}
			found = true
		default:
			if err := other.SetHead(k.Waybill, value); err != nil {
				return err
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

// readEvents goes on to the events of the waybill whose head was read.
func readEvents(it *pebble.Iterator, t *trace.Trace) error {
	prefix := keys.Events(make([]byte, 0, 96), t.Waybill)
	ok := it.Valid()
	if len(t.Also) > 0 {
		ok = it.SeekPrefixGE(prefix)
	}
	for ; ok; ok = it.Next() {
		rest, ours := bytes.CutPrefix(it.Key(), prefix)
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
		t.Events = append(t.Events, trace.Event{})
		if err := trace.DecodeEvent(&t.Events[len(t.Events)-1], t.Waybill, local, id, value); err != nil {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	t.SortEvents()
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

// EachFeedEntry calls yield for the feed entries of one partition, in order,
// from the first that begins after seq up to the safe mark, until it returns
// false. The entry is borrowed until yield returns.
func (s *Store) EachFeedEntry(partition uint16, seq uint64, yield func(first uint64, e *trace.FeedEntry) bool) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	safe := s.SafeMark()
	it, err := s.db.NewIter(&pebble.IterOptions{
		LowerBound: keys.Feed(nil, partition, seq+1), UpperBound: keys.Feed(nil, partition, safe+1),
	})
	if err != nil {
		return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	defer it.Close()
	return each(it, func(key, value []byte) (bool, error) {
		k, err := keys.Parse(key)
		if err != nil {
			return false, err
		}
		var e trace.FeedEntry
		if err := trace.DecodeFeedEntry(&e, value); err != nil {
			return false, err
		}
		return yield(k.Seq, &e), nil
	})
}

// scan calls take for every pair whose key has the prefix, borrowed until take
// returns; false ends it.
func (s *Store) scan(prefix []byte, take func(key, value []byte) (bool, error)) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
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
