package ingest

import (
	"cmp"
	"fmt"
	"slices"

	"waytrace/carriers"
	"waytrace/trace"
)

// crowdedOut leaves a fault of each event that the store did not take because
// its waybill is full.
func crowdedOut(facts *trace.Facts, names carriers.Names) {
	known := len(facts.Faults)
	for i := range facts.Events {
		if e := &facts.Events[i]; e.Taken == trace.TooMany {
			facts.Fault(e.Item, "too_many_events", names.Of("number"),
				fmt.Sprintf("waybill %s at %s has as many events (up to %d) or sources, or this event as many texts (%d) or references (%d), as it may",
					e.Number, e.Carrier, trace.MaxEvents, trace.MaxTexts, trace.MaxReferences))
		}
	}
	if len(facts.Faults) > known {
		slices.SortStableFunc(facts.Faults, func(a, b trace.Fault) int { return cmp.Compare(a.Index, b.Index) })
	}
}
