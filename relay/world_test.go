package relay

import (
	"context"
	"strings"

	"github.com/segmentio/kafka-go"

	"waytrace/trace"
)

// client is a way into the world's Kafka beside all relays.
func (w *world) client() *broker {
	w.Helper()
	b, err := newBroker(w.settings(), w.net.DialContext)
	if err != nil {
		w.Fatal(err)
	}
	w.Cleanup(b.Close)
	return b
}

// put writes records of a foreign node into the topic: text i under the number i, so that
// holes and repeats can be made.
func (w *world) put(partition uint16, origin trace.Origin, mark uint64, owns ...uint64) {
	w.Helper()
	number := number(partition, 0)
	var items []trace.LoadItem
	for _, own := range owns {
		news := trace.News{Waybill: trace.Waybill{Number: number, Carrier: "sf"}, Origin: origin, Mark: mark, Own: own}
		value := news.Append(nil, factsOf(number, texts("n", int(own), int(own))[0]))
		items = append(items, trace.LoadItem{Own: own, Key: number, Value: value})
	}
	w.putItem(partition, items...)
}

func (w *world) putItem(partition uint16, items ...trace.LoadItem) {
	w.Helper()
	b := w.client()
	defer b.Close()
	if err := b.Produce(w.Context(), partition, items); err != nil {
		w.Fatal(err)
	}
}

// A line is one record of the log.
type line struct {
	origin trace.Origin
	mark   uint64
	own    uint64
	kind   string
}

// log reads a partition of the topic from its beginning.
func (w *world) log(partition uint16) (lines []line) {
	w.Helper()
	b := w.client()
	defer b.Close()
	from, end, err := b.Bounds(context.Background(), partition)
	if err != nil {
		w.Fatal(err)
	}
	var in fetched
	for from < end {
		if err := b.Fetch(context.Background(), partition, from, fetchBytes, &in); err != nil {
			w.Fatal(err)
		}
		for i := range in.records {
			rec := &in.records[i]
			from = rec.offset + 1
			var news trace.News
			if err := trace.DecodeNewsHead(&news, rec.value); err != nil {
				w.Fatal(err)
			}
			lines = append(lines, line{news.Origin, news.Mark, news.Own, strings.Clone(rec.kind)})
		}
	}
	return lines
}

// stateOf is what a relay says of a partition.
func stateOf(r *Relay, partition uint16) PartitionStatus {
	return r.glance().Partitions[partition]
}

// produceKind writes a record under a kind of its own; none has no header at all.
func produceKind(ctx context.Context, b *broker, partition uint16, kind string, item trace.LoadItem) error {
	record := kafka.Record{Key: kafka.NewBytes([]byte(item.Key)), Value: kafka.NewBytes(item.Value)}
	if kind != "none" {
		record.Headers = []kafka.Header{{Key: trace.KindHeader, Value: []byte(kind)}}
	}
	res, err := b.client.Produce(ctx, &kafka.ProduceRequest{Topic: b.topic, Partition: int(partition),
		RequiredAcks: kafka.RequireAll, Records: kafka.NewRecordReader(record)})
	if err == nil {
		err = res.Error
	}
	return err
}
