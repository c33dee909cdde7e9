package ingest

import (
	"cmp"
	"fmt"
	"slices"

	"waytrace/carriers"
	"waytrace/trace"
)

// crowdedOut leaves a fault of each fact that the store did not take because its
// waybill is full.
func crowdedOut(facts *trace.Facts, names carriers.Names) {
	known := len(facts.Faults)
	for i := range facts.Events {
		if e := &facts.Events[i]; e.Taken == trace.TooMany {
			facts.Fault(e.Item, "too_many_events", names.Of("number"),
				fmt.Sprintf("waybill %s at %s has as many events (up to %d) or sources, or this event as many texts (%d) or references (%d), as it may",
					e.Number, e.Carrier, trace.MaxEvents, trace.MaxTexts, trace.MaxReferences))
		}
	}
	for i := range facts.Legs {
		if l := &facts.Legs[i]; l.Taken == trace.TooMany {
			facts.Fault(l.Item, "too_many_legs", names.Of("leg"),
				fmt.Sprintf("waybill %s at %s has as many legs as it may, or %d parcels go on under %s already", l.Number, l.Carrier, trace.MaxParents, l.To.Number))
		}
	}
	for i := range facts.Records {
		if r := &facts.Records[i]; r.Taken == trace.TooMany {
			facts.Fault(r.Item, "too_many_records", names.Of("number"),
				fmt.Sprintf("waybill %s at %s has %d charges and business events, which is as many as it may", r.Number, r.Carrier, trace.MaxRecords))
		}
	}
	if len(facts.Faults) > known {
		slices.SortStableFunc(facts.Faults, func(a, b trace.Fault) int { return cmp.Compare(a.Index, b.Index) })
	}
}
