package ingest

import (
	"cmp"
	"fmt"
	"slices"

	"waytrace/carriers"
	"waytrace/trace"
)

// mostReferences is how many references one event may bring: as many as are
// ever shown of a waybill. Uniting them costs the square of their number.
const mostReferences = 32

// check judges every event the same way for all carriers. Those that pass are
// sealed; of each of the others a fault is left, in their order.
// names are the sender's names of our fields; nil where they are ours.
func check(facts *trace.Facts, names carriers.Names, heard trace.HLC) {
	kept := 0
	for i := range facts.Events {
		e := &facts.Events[i]
		if fault, ok := judge(e, heard); !ok {
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

func judge(e *trace.Event, heard trace.HLC) (fault trace.Fault, ok bool) {
	if n := len(e.References); n > mostReferences {
		return trace.Fault{Code: "too_many_references", Field: "references",
			Detail: fmt.Sprintf("an event has at most %d, this one has %d", mostReferences, n)}, false
	}
	return e.Check(heard.Milli())
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
