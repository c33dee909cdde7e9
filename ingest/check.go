package ingest

import (
	"cmp"
	"fmt"
	"slices"

	"waytrace/carriers"
	"waytrace/trace"
)

// check judges every event the same way for all carriers. Those that pass are
// sealed; of each of the others a fault is left, in their order.
// names are the sender's names of our fields; nil where they are ours.
func check(facts *trace.Facts, names carriers.Names, heard trace.HLC) {
	kept := 0
	for i := range facts.Events {
		e := &facts.Events[i]
		if fault, ok := e.Check(heard.Milli()); !ok {
			fault.Index, fault.Field = e.Item, names.Of(fault.Field)
			facts.Faults = append(facts.Faults, fault)
			continue
		}
		if kept < i {
			facts.Events[kept] = *e
		}
		facts.Seal(&facts.Events[kept], heard)
		kept++
	}
	clear(facts.Events[kept:])
	facts.Events = facts.Events[:kept]
}

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
