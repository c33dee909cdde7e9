package store

import (
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"waytrace/store/keys"
	"waytrace/trace"
)

// rest reads what is about no waybill: the feed, whose numbers must go on without a hole,
// and whatever else lies there, so that all of the directory has been read once.
func (v *verification) rest() error {
	if err := v.feed(); err != nil {
		return err
	}
	for kind, read := range map[byte]func(key keys.Key, value []byte) error{
		keys.KindBookmark: func(_ keys.Key, value []byte) error {
			_, err := decodeBookmark(value)
			return err
		},
		keys.KindProgress: func(key keys.Key, value []byte) error {
			if key.Origin == 0 {
				return decodePosition(new(trace.Position), value)
			}
			return decodeKnown(new(trace.Known), value)
		},
		keys.KindParked:     func(_ keys.Key, value []byte) error { return decodeParked(new(trace.ParkedItem), value) },
		keys.KindQuarantine: func(_ keys.Key, value []byte) error { return trace.DecodeQuarantined(new(trace.Quarantined), value) },
		keys.KindUnmapped:   func(_ keys.Key, value []byte) error { return trace.DecodeUnmapped(new(trace.Unmapped), value) },
		keys.KindJudgement:  func(_ keys.Key, value []byte) error { return trace.DecodeJudgement(new(trace.Judgement), value) },
		keys.KindMeta:       func(keys.Key, []byte) error { return nil }, // read when it is opened
	} {
		err := scanOf(v.r, []byte{kind}, func(key, value []byte) (bool, error) {
			k, err := keys.Parse(key)
			if err == nil {
				err = read(k, value)
			}
			if err != nil {
				v.find(k.Waybill, "what lies under %q cannot be read: %v", key, err)
			}
			return true, nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// feed reads what is left of it. A partition's numbers begin anew where the directory was
// given another id.
func (v *verification) feed() error {
	var own, seq [trace.Partitions]uint64
	return scanOf(v.r, []byte{keys.KindFeed}, func(key, value []byte) (bool, error) {
		k, err := keys.Parse(key)
		if err != nil || k.Partition >= trace.Partitions {
			v.find(trace.Waybill{}, "%q is no feed entry's key", key)
			return true, nil
		}
		var e trace.FeedEntry
		if err := trace.DecodeFeedEntry(&e, value); err != nil {
			v.find(trace.Waybill{}, "feed entry %d of partition %d cannot be read: %v", k.Seq, k.Partition, err)
			return true, nil
		}
		p := k.Partition
		if k.Seq <= seq[p] {
			v.find(trace.Waybill{}, "feed entry %d of partition %d begins within the one before", k.Seq, p)
		}
		seq[p] = k.Seq + uint64(e.Changes()) - 1
		for i := range e.Groups {
			g := &e.Groups[i]
			if trace.PartitionOf(g.Number) != p {
				v.find(g.Waybill, "partition %d of the feed tells of it, which is not its own", p)
			}
			if g.Own == 0 {
				continue
			}
			if own[p] > 0 && g.Own != own[p]+1 && g.Own != 1 {
				v.find(g.Waybill, "partition %d of the feed has number %d behind %d", p, g.Own, own[p])
			}
			own[p] = g.Own
		}
		return true, nil
	})
}

// unreadable says what a disk that lost something means.
func unreadable(err error) error {
	if pebble.IsCorruptionError(err) {
		return fmt.Errorf("the disk has lost some of what was written: clone this node from another one, or restore a backup: %w", err)
	}
	return err
}
