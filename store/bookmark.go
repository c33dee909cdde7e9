package store

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"waytrace/store/keys"
	"waytrace/trace"
)

// The followers that have bookmarks.
const (
	followerKafka = "kafka"
	followerTrim  = "trim" // everything up to it is gone from the feed
)

// bookmark reads a follower's bookmark in a partition.
func (s *Store) bookmark(follower string, partition uint16) (b trace.Bookmark, found bool, err error) {
	value, closer, err := s.db.Get(keys.Bookmark(nil, follower, partition))
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return b, false, nil
	case err != nil:
		return b, false, fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	defer closer.Close()
	b, err = decodeBookmark(value)
	if err != nil {
		err = fmt.Errorf("%s in partition %d: %w", follower, partition, err)
	}
	return b, true, err
}

func decodeBookmark(value []byte) (trace.Bookmark, error) {
	r := reader{rest: value}
	b := trace.Bookmark{Seq: r.uvarint(), Own: r.uvarint(), Bytes: r.uvarint()}
	return b, r.end("bookmark")
}

func putBookmark(batch *pebble.Batch, follower string, partition uint16, b trace.Bookmark) {
	value := binary.AppendUvarint(nil, b.Seq)
	value = binary.AppendUvarint(value, b.Own)
	value = binary.AppendUvarint(value, b.Bytes)
	put(batch, keys.Bookmark(nil, follower, partition), value)
}

// commit writes a batch that is not the writer's: bookmarks and the like, never facts.
func (s *Store) commit(b *pebble.Batch, sync *pebble.WriteOptions) error {
	// After a failed write of the log, the database must not be given another.
	if failed := s.failed.Load(); failed != nil {
		return *failed
	}
	if err := b.Commit(sync); err != nil {
		return fmt.Errorf("%w (%w)", trace.ErrUnavailable, err)
	}
	return nil
}
