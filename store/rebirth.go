package store

import (
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"waytrace/store/keys"
	"waytrace/trace"
)

// A Reborn says what a Rebirth did.
type Reborn struct {
	Was, Is trace.Origin
	Records uint64 // that had not been shipped: they will be under the new id
}

// rebirthBytes is how much of the feed is rewritten in one batch.
const rebirthBytes = 16 << 10

// Rebirth gives a directory that was copied or restored a new node id. What had not been
// shipped is numbered anew under it: whoever has the old id may ship the same, and
// merging it twice changes nothing. Nobody may have the directory open. When Rebirth is
// cut off, the directory cannot be opened before another one has ended it.
func Rebirth(dir string, o Options) (r Reborn, err error) {
	s, err := openExisting(dir, o, false)
	if err != nil {
		return r, err
	}
	defer func() {
		if shut := s.shut(); err == nil && shut != nil {
			err = fmt.Errorf("%s: %w", dir, shut)
		}
	}()
	b := &rebirth{store: s}
	if err := b.begin(); err != nil {
		return r, err
	}
	r.Was, r.Is = s.node, b.node
	end := s.db.NewBatch()
	defer end.Close()
	for p := range uint16(trace.Partitions) {
		n, err := b.renumber(p, end)
		if err != nil {
			return r, fmt.Errorf("%s: partition %d: %w", dir, p, err)
		}
		r.Records += n
	}
	b.end(end)
	if err := end.Commit(pebble.Sync); err != nil {
		return r, fmt.Errorf("%s: %w", dir, err)
	}
	return r, nil
}

// A rebirth is one under way.
type rebirth struct {
	store *Store
	node  trace.Origin // to be
	mark  uint64
}

// begin settles the new id, or reads the one that was settled when a rebirth was cut off.
func (b *rebirth) begin() error {
	s := b.store
	was, err := s.metaGet(metaReborn)
	if err != nil {
		return err
	}
	if was != nil {
		r := reader{rest: was}
		b.node, b.mark = trace.Origin(r.fixed64()), r.fixed64()
		return r.end(s.dir + ": reborn")
	}
	b.node, b.mark = trace.Origin(random64()), random64()
	value := binary.BigEndian.AppendUint64(nil, uint64(b.node))
	value = binary.BigEndian.AppendUint64(value, b.mark)
	if err := s.db.Set(keys.Meta(nil, metaReborn), value, pebble.Sync); err != nil {
		return fmt.Errorf("%s: %w", s.dir, err)
	}
	return nil
}

// renumber numbers what was not shipped of a partition from 1 on. Begun again, it does
// the same. What must change together at the end goes into end.
func (b *rebirth) renumber(p uint16, end *pebble.Batch) (records uint64, err error) {
	s := b.store
	trimmed, _, err := s.bookmark(followerTrim, p)
	if err != nil {
		return 0, err
	}
	s.partitions[p].trimmed.Store(&trimmed)
	from, ships, err := s.bookmark(followerKafka, p)
	if err != nil {
		return 0, err
	}
	if from.Seq < trimmed.Seq {
		from = trimmed
	}
	at, err := s.placeOf(p, from)
	if err != nil {
		return 0, err
	}
	if at.inside > 0 {
		if from, err = b.split(p, at); err != nil {
			return 0, err
		}
	}
	bytes := from.Bytes
	it, err := s.feed(p, from.Seq+1, s.next.seq-1)
	if err != nil {
		return 0, err
	}
	defer it.Close()
	chunk := s.db.NewBatch()
	defer func() { chunk.Close() }()
	err = eachEntry(it, func(e *feedEntry) (bool, error) {
		e.Mark = b.mark
		for i := range e.Groups {
			if g := &e.Groups[i]; g.Own > 0 {
				records++
				g.Own = records
			}
		}
		bytes += putEntry(chunk, p, e.first, &e.FeedEntry)
		if chunk.Len() < rebirthBytes {
			return true, nil
		}
		err := chunk.Commit(pebble.NoSync)
		chunk.Close()
		chunk = s.db.NewBatch()
		return true, err
	})
	if err == nil {
		err = chunk.Commit(pebble.NoSync)
	}
	if err != nil {
		return 0, err
	}
	if err := b.remember(p, trimmed.Own, end); err != nil {
		return 0, err
	}
	from.Own, trimmed.Own = 0, 0
	if ships {
		putBookmark(end, followerKafka, p, from)
	}
	if trimmed.Seq > 0 {
		putBookmark(end, followerTrim, p, trimmed)
	}
	s.next.own[p], s.next.bytes[p] = records+1, bytes
	return records, nil
}

// split cuts an entry in two behind a bookmark in its middle: what was shipped keeps its
// numbers.
func (b *rebirth) split(p uint16, at place) (trace.Bookmark, error) {
	s := b.store
	it, err := s.feed(p, at.inside, at.inside)
	if err != nil {
		return at.Bookmark, err
	}
	batch := s.db.NewBatch()
	defer batch.Close()
	err = eachEntry(it, func(e *feedEntry) (bool, error) {
		told, seq := 0, e.first
		for ; told < len(e.Groups) && seq <= at.Seq; told++ {
			seq += uint64(len(e.Groups[told].Changes))
		}
		front, rest := e.FeedEntry, e.FeedEntry
		front.Groups, rest.Groups = e.Groups[:told], e.Groups[told:]
		at.Bytes += putEntry(batch, p, e.first, &front)
		putEntry(batch, p, at.Seq+1, &rest)
		return false, nil
	})
	it.Close()
	if err != nil {
		return at.Bookmark, err
	}
	putBookmark(batch, followerKafka, p, at.Bookmark)
	return at.Bookmark, batch.Commit(pebble.NoSync)
}

// remember notes what is known of the news that this directory gave out under the id that
// it had: what was seen of it in the log, which was noted only where it was what this
// directory had numbered so itself, or else what is gone from the feed. The rest is in the
// feed, and is applied like anybody's where it was shipped after all.
func (b *rebirth) remember(p uint16, trimmed uint64, end *pebble.Batch) error {
	s := b.store
	key := keys.Known(nil, p, s.node)
	found := false
	err := s.scanEntered(key, func(_, _ []byte) (bool, error) {
		found = true
		return false, nil
	})
	if err == nil && !found && trimmed > 0 {
		put(end, key, appendKnown(nil, &trace.Known{Own: trimmed}))
	}
	return err
}

// end switches the id, and with it all that counts under it.
func (b *rebirth) end(end *pebble.Batch) {
	s := b.store
	meta := func(name string) []byte { return keys.Meta(nil, name) }
	put(end, meta(metaNode), binary.BigEndian.AppendUint64(nil, uint64(b.node)))
	put(end, meta(metaNext), s.next.append(nil))
	for i := range s.starts {
		drop(end, meta(metaMark+trace.Origin(s.starts[i].mark).String()))
	}
	first := start{mark: b.mark, count: 1, at: s.reserved}
	for p := range first.own {
		first.own[p] = 1
	}
	put(end, meta(metaMark+trace.Origin(b.mark).String()), first.append(nil))
	drop(end, meta(metaReborn))
}

// putEntry puts a feed entry into a batch, and gives how many bytes it takes.
func putEntry(batch *pebble.Batch, p uint16, first uint64, e *trace.FeedEntry) uint64 {
	key, value := keys.Feed(nil, p, first), e.Append(nil)
	put(batch, key, value)
	return uint64(len(key) + len(value))
}

// drop takes a key away in a batch.
func drop(b *pebble.Batch, key []byte) {
	if err := b.Delete(key, nil); err != nil {
		panic("BUG: " + err.Error())
	}
}
