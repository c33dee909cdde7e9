package store

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"waytrace/store/keys"
	"waytrace/trace"
)

// A partition is what is known of one partition of the feed without reading it.
type partition struct {
	counted atomic.Uint64 // the highest own given out
	tip     atomic.Uint64 // the highest seq given out
	landed  atomic.Uint64 // the highest that is synced
	written atomic.Uint64 // bytes of entries ever
	trimmed atomic.Pointer[trace.Bookmark]
}

// limits are those of the feed.
type limits struct {
	age    time.Duration
	size   uint64 // bytes
	outbox uint64 // bytes
}

// An entered is a feed entry on its way to the disk.
type entered struct {
	partition uint16
	ours      bool   // some of it was heard here first
	behind    uint64 // the last seq of the entry before it in its partition
	last      uint64 // the last seq in it
	bytes     uint64 // of key and value
}

// A landing counts the batches that are handed to the disk and those that the disk has
// answered for, in order: so whoever has read what may not be synced yet can wait until
// it is.
type landing struct {
	mu     sync.Mutex
	moved  sync.Cond
	handed uint64
	landed uint64
}

// hand counts a batch that is about to be seen by readers, and gives its number.
func (l *landing) hand() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.handed++
	return l.handed
}

func (l *landing) land(ordinal uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.landed = ordinal
	l.moved.Broadcast()
}

// settle waits until the disk has answered for all that a reader may have seen by now.
func (l *landing) settle() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for until := l.handed; l.landed < until; {
		l.moved.Wait()
	}
}

// recallFeed reads where the feed begins and ends.
func (s *Store) recallFeed() error {
	for n := range uint16(trace.Partitions) {
		p := &s.partitions[n]
		p.counted.Store(s.next.own[n] - 1)
		p.written.Store(s.next.bytes[n])
		trimmed, _, err := s.bookmark(followerTrim, n)
		if err != nil {
			return err
		}
		p.trimmed.Store(&trimmed)
		tip := trimmed.Seq
		it, err := s.feed(n, trimmed.Seq+1, s.SafeMark())
		if err != nil {
			return err
		}
		if it.Last() {
			var e feedEntry
			if err = e.read(it); err == nil {
				tip = e.last()
			}
		}
		if err = errors.Join(err, it.Error(), it.Close()); err != nil {
			return fmt.Errorf("%s: %w", s.dir, err)
		}
		p.tip.Store(tip)
		p.landed.Store(tip)
	}
	return nil
}

// feed opens an iterator over the entries of a partition whose first change is one of
// from to upto. What was trimmed is never looked at.
func (s *Store) feed(p uint16, from, upto uint64) (*pebble.Iterator, error) {
	if trimmed := s.partitions[p].trimmed.Load(); trimmed != nil {
		from = max(from, trimmed.Seq+1)
	}
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: keys.Feed(nil, p, from), UpperBound: keys.Feed(nil, p, max(from, upto+1))})
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	return it, nil
}

// A feedEntry is an entry with its place: borrowed until the iterator moves.
type feedEntry struct {
	trace.FeedEntry
	first uint64
	bytes uint64 // of key and value
}

// last is the seq of the last change in it.
func (e *feedEntry) last() uint64 { return e.first + uint64(e.Changes()) - 1 }

// read reads the entry that the iterator stands at.
func (e *feedEntry) read(it *pebble.Iterator) error {
	key := it.Key()
	k, err := keys.Parse(key)
	if err != nil {
		return err
	}
	value, err := it.ValueAndErr()
	if err != nil {
		return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	e.first, e.bytes = k.Seq, uint64(len(key)+len(value))
	return trace.DecodeFeedEntry(&e.FeedEntry, value)
}

// eachEntry calls take for the entries that an iterator has, until it returns false.
func eachEntry(it *pebble.Iterator, take func(*feedEntry) (bool, error)) error {
	var e feedEntry
	for ok := it.First(); ok; ok = it.Next() {
		if err := e.read(it); err != nil {
			return err
		}
		if more, err := take(&e); err != nil || !more {
			return err
		}
	}
	if err := it.Error(); err != nil {
		return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	return nil
}

// EachFeedEntry calls yield for the feed entries of one partition, in order,
// from the first that begins after seq up to the safe mark, until it returns
// false. The entry is borrowed until yield returns.
func (s *Store) EachFeedEntry(partition uint16, seq uint64, yield func(first uint64, e *trace.FeedEntry) bool) error {
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	it, err := s.feed(partition, seq+1, s.SafeMark())
	if err != nil {
		return err
	}
	defer it.Close()
	return eachEntry(it, func(e *feedEntry) (bool, error) { return yield(e.first, &e.FeedEntry), nil })
}

// Counted is the highest own given out so far in a partition, whether it is synced or
// not.
func (s *Store) Counted(partition uint16) uint64 { return s.partitions[partition].counted.Load() }

// feedBytes is how many bytes of feed there are.
func (s *Store) feedBytes() (n uint64) {
	for i := range s.partitions {
		n += s.partitions[i].written.Load() - s.partitions[i].trimmed.Load().Bytes
	}
	return n
}

// oldest is when the first entry of a partition behind a seq was numbered, in
// milliseconds since 1970; ok is false where there is none.
func (s *Store) oldest(p uint16, seq uint64) (at int64, ok bool, err error) {
	if s.partitions[p].landed.Load() <= seq {
		return 0, false, nil
	}
	it, err := s.feed(p, seq+1, s.SafeMark())
	if err != nil {
		return 0, false, err
	}
	defer it.Close()
	err = eachEntry(it, func(e *feedEntry) (bool, error) {
		at, ok = e.At, true
		return false, nil
	})
	return at, ok, err
}

// ring tells the outbox that entries are synced.
func (s *Store) ring(entries []entered) {
	o := s.outbox.Load()
	for i := range entries {
		e := &entries[i]
		s.partitions[e.partition].landed.Store(e.last)
		if o != nil {
			o.ring(e)
		}
	}
}
