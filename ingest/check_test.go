package ingest

import (
	"context"
	"slices"
	"strings"
	"testing"

	"waytrace/carriers"
	"waytrace/trace"
)

// Legs and records for which a parcel has no room lie in quarantine as its events do:
// in the order of the request's items, in the sender's names, and acknowledged.
func TestFactsBeyondAWaybillsRoomAreQuarantined(t *testing.T) {
	of := trace.Waybill{Number: "SF7444400031887", Carrier: "sf"}
	at, err := trace.ParseLocal("2026-11-20 16:56:54", trace.China, trace.ZoneCarrier)
	if err != nil {
		t.Fatal(err)
	}
	c := demo(fresh("crowded"))
	c.Push.Names = carriers.Names{"number": "No", "leg": "NewNo"}
	c.Push.Decode = func(_ *carriers.Request, facts *trace.Facts) error {
		for i := range 2 {
			e := facts.Event()
			e.Waybill, e.Source, e.Code, e.At, e.Item = of, "sf", string(rune('a'+i)), at, 6+i
			facts.Legs = append(facts.Legs, trace.LegFact{Waybill: of, To: trace.LegTo{Waybill: trace.Waybill{Number: "YT000" + string(rune('1'+i))}, Role: trace.LastMile},
				Since: at.Instant(), Item: 4 + i})
			facts.Records = append(facts.Records, trace.Record{Waybill: of, Kind: trace.Charges, Source: "sf", Batch: string(rune('a' + i)), Item: 2 + i})
		}
		facts.Fault(0, "invalid_time", "Time", "?")
		return nil
	}
	store := &fakeStore{onAppend: func(_ context.Context, f *trace.Facts) error {
		f.Legs[0].Taken, f.Legs[1].Taken = trace.Fresh, trace.TooMany
		f.Records[0].Taken, f.Records[1].Taken = trace.TooMany, trace.Fresh
		return nil
	}}
	h := open(t, New(store, nil, Options{}), c)
	if got := h.post(t, "/push", "[]"); got.body != yes {
		t.Errorf("got %+v, want success", got)
	}
	if len(store.quarantined) != 1 {
		t.Fatalf("%d requests in quarantine, want 1", len(store.quarantined))
	}
	q := store.quarantined[0]
	if got, want := faultsOf(q.Faults), []string{"0 invalid_time", "2 too_many_records", "5 too_many_legs"}; !slices.Equal(got, want) {
		t.Fatalf("faults %v, want %v", got, want)
	}
	for i, want := range []struct{ field, detail string }{{"No", of.Number}, {"NewNo", "YT0002"}} {
		if f := q.Faults[1+i]; f.Field != want.field || !strings.Contains(f.Detail, want.detail) {
			t.Errorf("fault %+v, want one of %s that names %s", f, want.field, want.detail)
		}
	}
	if string(q.Raw) != "[]" {
		t.Errorf("quarantine has %q, want the request as it came", q.Raw)
	}
}
