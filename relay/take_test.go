package relay

import (
	"log/slog"
	"testing"

	"waytrace/trace"
)

// Whatever stands in the topic, a record is taken whole or not at all, and the place
// moves behind exactly what was taken.
func FuzzTake(f *testing.F) {
	facts := factsOf(number(3, 0), "fuzz")
	w := facts.Events[0].Waybill
	facts.Lists = []trace.List{{Waybill: w, Source: "sf", Stamp: trace.Stamp{Heard: 5, Origin: 1}, Shows: []trace.ID{facts.Events[0].ID}}}
	facts.Legs = []trace.LegFact{{Waybill: w, To: trace.LegTo{Waybill: trace.Waybill{Number: "YT1234567890123", Carrier: "yto"}, Role: trace.LastMile}, Since: 1_600_000_000_000}}
	whole := (&trace.News{Waybill: w, Origin: stranger, Mark: 70, Own: 2}).Append(nil, facts)
	f.Add(trace.KindWaybill, whole)
	f.Add(trace.KindVoid, whole)
	f.Add(trace.KindWaybill, whole[:len(whole)-3])
	f.Add(trace.KindWaybill, append(whole[:len(whole):len(whole)], whole...))
	f.Add(trace.KindVoid, (&trace.News{Origin: stranger, Mark: 70, Own: 2}).Append(nil, nil))
	f.Add(trace.KindWaybill, (&trace.News{Waybill: w, Origin: 2, Mark: newNode(2).mark, Own: 1}).Append(nil, facts))
	f.Add("", []byte{})
	first := (&trace.News{Waybill: w, Origin: stranger, Mark: 70, Own: 1}).Append(nil, facts)

	f.Fuzz(func(t *testing.T, kind string, value []byte) {
		n := newNode(2)
		rd, err := newReader(&Relay{store: n, log: slog.New(slog.DiscardHandler)}, 3)
		if err != nil {
			t.Fatal(err)
		}
		b := batch{reader: rd, facts: rd.facts, changed: map[trace.Origin]trace.Known{}, next: rd.at}
		if h := b.take(&record{offset: 7, kind: trace.KindWaybill, value: first}); h != nil {
			t.Fatalf("a sound record: %s", h.why)
		}
		before := len(b.facts.Events) + len(b.facts.Lists) + len(b.facts.Legs) + len(b.facts.Records) + len(b.facts.Overrides)
		known := b.of(stranger)
		h := b.take(&record{offset: 8, kind: kind, value: value})
		after := len(b.facts.Events) + len(b.facts.Lists) + len(b.facts.Legs) + len(b.facts.Records) + len(b.facts.Overrides)
		switch {
		case h == nil && b.next.Offset != 9:
			t.Errorf("it was taken, and the place is %d", b.next.Offset)
		case h == nil && b.next.Last == 0:
			t.Error("it was taken, and cannot be told from others")
		case h == nil:
		case b.next.Offset != 8 || after != before || b.of(stranger).Own != known.Own:
			t.Errorf("it was not taken (%s), and left %d facts and the place %d", h.why, after-before, b.next.Offset)
		case h.fatal == nil && (h.why == "" || h.help == "" || h.reason == ""):
			t.Errorf("it stops for no reason: %+v", h)
		}
		for i := range b.facts.Events {
			if e := &b.facts.Events[i]; trace.PartitionOf(e.Number) != 3 {
				t.Errorf("an event of %s came through partition 3", e.Number)
			}
		}
	})
}

// What tells records apart follows from whose they are, and never changes: it is stored.
func TestStamp(t *testing.T) {
	news := trace.News{Origin: 0x8072403511e7cf5e, Mark: 0xfedcba9876543210, Own: 300}
	if got := stamp(&news); got != 0x720342274f39364e {
		t.Errorf("%#x", got)
	}
	for _, other := range []trace.News{{Origin: news.Origin + 1, Mark: news.Mark, Own: 300}, {Origin: news.Origin, Mark: news.Mark + 1, Own: 300},
		{Origin: news.Origin, Mark: news.Mark, Own: 301}} {
		if stamp(&other) == stamp(&news) {
			t.Errorf("%+v is not told from %+v", other, news)
		}
	}
}
