package store

import (
	"context"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"waytrace/store/keys"
	"waytrace/trace"
)

// A status is read by one seek, whatever is known of the parcel: legs, lists and an
// operator's word stand in the head.
func TestAStatusIsOneSeek(t *testing.T) {
	s := open(t, vfs.NewMem())
	facts := sealed(t, s, scan("SF0000000000001", "50", trace.PickedUp, 0), scan("SF0000000000001", "36", trace.InTransit, 40),
		scan("SF0000000000002", "80", trace.Delivered, 90))
	w := facts.Events[0].Waybill
	facts.Legs = []trace.LegFact{{Waybill: w, To: trace.LegTo{Waybill: trace.Waybill{Number: "SF0000000000002"}, Role: trace.LastMile}, Since: facts.Events[0].At.Instant()}}
	facts.Lists = []trace.List{{Waybill: w, Source: "sf", Stamp: trace.Stamp{Heard: s.Now()}, Has: []trace.ID{min(facts.Events[0].ID, facts.Events[1].ID), max(facts.Events[0].ID, facts.Events[1].ID)}}}
	facts.Records = []trace.Record{{Waybill: w, Kind: trace.Charges, Source: "sf", Batch: "1", Stamp: trace.Stamp{Heard: s.Now()}, Items: []trace.Charge{{Code: "basic", Quantity: 1}}}}
	if _, err := s.Append(context.Background(), facts); err != nil {
		t.Fatal(err)
	}
	var tr trace.Trace
	if err := s.Trace(&tr, w.Number, "", trace.Want{}); err != nil || tr.Head.Pair.Status != trace.Delivered || len(tr.Head.Legs) != 1 {
		t.Fatalf("status %v, legs %+v, %v; want delivered by its leg", tr.Head.Pair, tr.Head.Legs, err)
	}

	prefix := keys.Waybill(nil, w.Number)
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: keys.End(nil, prefix)})
	if err != nil {
		t.Fatal(err)
	}
	defer it.Close()
	tr.Reset()
	if err := readHeads(it, new(lookup), &tr, w.Number, ""); err != nil {
		t.Fatal(err)
	}
	if lacks := tr.Children(trace.Want{}); len(lacks) > 0 {
		t.Errorf("a status reads %v too", lacks)
	}
	if n := it.Stats().ForwardSeekCount[pebble.InterfaceCall]; n != 1 {
		t.Errorf("%d seeks, want 1", n)
	}
}
