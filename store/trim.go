package store

import (
	"fmt"
	"math"
	"time"

	"github.com/cockroachdb/pebble/v2"

	"waytrace/store/keys"
	"waytrace/trace"
)

// How much of the feed goes in one step, which holds an iterator open.
const (
	trimEntries = 4096
	trimBytes   = 16 << 20
)

// TrimFeed lets go of what is older than the feed's age, and of the oldest of what is
// beyond its size, but not of what was not shipped to Kafka yet, where anything ever was
// to be. It is to be called now and then.
func (s *Store) TrimFeed(now time.Time) error {
	s.trimming.Lock()
	defer s.trimming.Unlock()
	cutoff := now.Add(-s.limits.age).UnixMilli()
	for p := range uint16(trace.Partitions) {
		for more := true; more; {
			var err error
			more, err = s.trim(p, func(e *feedEntry) bool { return e.At < cutoff })
			if err != nil {
				return fmt.Errorf("trim partition %d of the feed: %w", p, err)
			}
		}
	}
	return s.trimToSize(now)
}

// trimToSize cuts the oldest entries until the feed is within its size, a step at a time
// from the partition that has them.
func (s *Store) trimToSize(now time.Time) error {
	for s.feedBytes() > s.limits.size {
		oldest, from := int64(math.MaxInt64), -1
		for p := range uint16(trace.Partitions) {
			at, ok, err := s.oldestToTrim(p)
			if err != nil {
				return err
			}
			if ok && at < oldest {
				oldest, from = at, int(p)
			}
		}
		if from < 0 {
			s.complainOfHeld(now)
			return nil // the rest is still to be shipped
		}
		// A second of it at once, so that the partitions stay level.
		upto, excess := oldest+1000, s.feedBytes()-s.limits.size
		cut := uint64(0)
		_, err := s.trim(uint16(from), func(e *feedEntry) bool {
			cut += e.bytes
			return cut == e.bytes || e.At < upto && cut-e.bytes < excess
		})
		if err != nil {
			return fmt.Errorf("trim partition %d of the feed: %w", from, err)
		}
	}
	return nil
}

// trimLimit is the last seq of a partition that may be trimmed: what Kafka has not yet is
// kept, also while nobody ships, as between two starts.
func (s *Store) trimLimit(p uint16) (uint64, error) {
	limit := s.partitions[p].landed.Load()
	if o := s.outbox.Load(); o != nil {
		return min(limit, o.Bookmark(p).Seq), nil
	}
	b, found, err := s.bookmark(followerKafka, p)
	if found {
		limit = min(limit, b.Seq)
	}
	return limit, err
}

// complainOfHeld says once a day in the log that the feed cannot be cut to its size while
// nobody ships what Kafka has not. With an outbox there are limits to what waits.
func (s *Store) complainOfHeld(now time.Time) {
	if s.outbox.Load() != nil || now.Sub(s.complainedOfHeld) < 24*time.Hour {
		return
	}
	s.complainedOfHeld = now
	s.log.Warn("store: the feed is larger than its limit, for it holds what was not shipped to Kafka, and nobody ships it",
		"feed_mib", s.feedBytes()>>20, "limit_mib", s.limits.size>>20)
}

// ForgetOutbox lets a node leave Kafka for good: nothing of its feed is kept any more for
// what is to be shipped. Should it ship again, it begins with what is left. The outbox must
// not be open. It returns when that is synced.
func (s *Store) ForgetOutbox() error {
	s.trimming.Lock()
	defer s.trimming.Unlock()
	if s.outbox.Load() != nil {
		return errOutboxOpen
	}
	if err := s.enter(); err != nil {
		return err
	}
	defer s.leave()
	b := s.db.NewBatch()
	defer b.Close()
	for p := range uint16(trace.Partitions) {
		drop(b, keys.Bookmark(nil, followerKafka, p))
	}
	return s.commit(b, pebble.Sync)
}

// oldestToTrim is when the first entry of a partition that may be trimmed was numbered.
func (s *Store) oldestToTrim(p uint16) (at int64, ok bool, err error) {
	if err := s.enter(); err != nil {
		return 0, false, err
	}
	defer s.leave()
	trimmed := s.partitions[p].trimmed.Load().Seq
	limit, err := s.trimLimit(p)
	if err != nil || trimmed >= limit {
		return 0, false, err
	}
	it, err := s.feed(p, trimmed+1, limit)
	if err != nil {
		return 0, false, err
	}
	defer it.Close()
	err = eachEntry(it, func(e *feedEntry) (bool, error) {
		at, ok = e.At, e.last() <= limit
		return false, nil
	})
	return at, ok, err
}

// trim cuts entries from the front of a partition as long as goes says so, one step of
// them; more reports that there may be others. The entries go with the bookmarks that
// say so, in one batch.
func (s *Store) trim(p uint16, goes func(*feedEntry) bool) (more bool, err error) {
	if err := s.enter(); err != nil {
		return false, err
	}
	defer s.leave()
	was := *s.partitions[p].trimmed.Load()
	limit, err := s.trimLimit(p)
	if err != nil || was.Seq >= limit {
		return false, err
	}
	it, err := s.feed(p, was.Seq+1, limit)
	if err != nil {
		return false, err
	}
	upto, entries := was, 0
	err = eachEntry(it, func(e *feedEntry) (bool, error) {
		if more = entries >= trimEntries || upto.Bytes-was.Bytes >= trimBytes; more {
			return false, nil
		}
		if e.last() > limit || !goes(e) {
			return false, nil
		}
		entries++
		upto.Seq, upto.Bytes = e.last(), upto.Bytes+e.bytes
		if s.marked(e.Mark) { // else it was told under a former id
			for i := range e.Groups {
				upto.Own = max(upto.Own, e.Groups[i].Own)
			}
		}
		return true, nil
	})
	it.Close()
	if err != nil || entries == 0 {
		return false, err
	}
	b := s.db.NewBatch()
	defer b.Close()
	if err := b.DeleteRange(keys.Feed(nil, p, was.Seq+1), keys.Feed(nil, p, upto.Seq+1), nil); err != nil {
		panic("BUG: " + err.Error())
	}
	putBookmark(b, followerTrim, p, upto)
	if o := s.outbox.Load(); o != nil {
		// What says that the outbox is beyond the entries must not be lost when they are.
		o.flushing.Lock()
		defer o.flushing.Unlock()
		o.putBookmarks(b)
	}
	if err := s.commit(b, pebble.NoSync); err != nil {
		return false, err
	}
	s.partitions[p].trimmed.Store(&upto)
	return more, nil
}
