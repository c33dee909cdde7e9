package store

import (
	"encoding/binary"
	"fmt"

	"github.com/cockroachdb/pebble/v2"

	"waytrace/store/keys"
	"waytrace/trace"
)

// never is when what is parked for Kafka is due: other nodes were told a void in its
// place, and cannot be told otherwise.
const never = 0

// appendParked appends the stored form of what its key does not say.
func appendParked(dst []byte, p *trace.ParkedItem) []byte {
	dst = binary.AppendUvarint(dst, p.Own)
	dst = appendText(dst, p.Number)
	dst = appendText(dst, p.Carrier)
	dst = binary.AppendUvarint(dst, uint64(p.Bytes))
	dst = appendText(dst, p.Reason)
	partly := uint64(0)
	if p.Partly {
		partly = 1
	}
	dst = binary.AppendUvarint(dst, partly)
	return binary.AppendUvarint(dst, uint64(p.At))
}

func decodeParked(p *trace.ParkedItem, value []byte) error {
	r := reader{rest: value}
	p.Own = r.uvarint()
	p.Number = r.text()
	p.Carrier = r.text()
	p.Bytes = int(r.uvarint())
	p.Reason = r.text()
	p.Partly = r.uvarint() == 1
	p.At = int64(r.uvarint())
	return r.end("parked record")
}

// Park keeps account of a record that cannot be shipped, synced: from the next Next on a
// void is shipped in its place.
func (o *Outbox) Park(item trace.ParkedItem) error {
	if err := o.store.enter(); err != nil {
		return err
	}
	defer o.store.leave()
	return o.park(&item)
}

// park is Park for whoever has entered.
func (o *Outbox) park(item *trace.ParkedItem) error {
	b := o.store.db.NewBatch()
	defer b.Close()
	put(b, keys.Parked(nil, followerKafka, never, item.Partition, item.Seq), appendParked(nil, item))
	if err := o.store.commit(b, pebble.Sync); err != nil {
		return fmt.Errorf("park a record of %s: %w", item.Number, err)
	}
	p := &o.parts[item.Partition]
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, known := p.parked[item.Seq]; !known {
		o.parked.Add(1)
	}
	p.parked[item.Seq] = !item.Partly
	return nil
}

// EachParked calls yield for every record that could not be shipped, in the order of
// partition and seq, until it returns false.
func (o *Outbox) EachParked(yield func(trace.ParkedItem) bool) error {
	if err := o.store.enter(); err != nil {
		return err
	}
	defer o.store.leave()
	return o.eachParked(yield)
}

func (o *Outbox) eachParked(yield func(trace.ParkedItem) bool) error {
	return o.store.scanEntered(keys.ParkedOf(nil, followerKafka), func(key, value []byte) (bool, error) {
		k, err := keys.Parse(key)
		if err != nil {
			return false, err
		}
		item := trace.ParkedItem{Partition: k.Partition, Seq: k.Seq}
		if err := decodeParked(&item, value); err != nil {
			return false, err
		}
		return yield(item), nil
	})
}
