package ingest

import (
	"errors"
	"fmt"

	"waytrace/carriers"
	"waytrace/trace"
)

// MaxLine is the length of one event in our own form, in bytes.
const MaxLine = maxItem

// Line reads one event in our own form, as an item of POST /v1/events has it, and adds it
// to facts, or the fault of it. item is its number among others. The event is to be judged
// yet.
func Line(line []byte, item int, who trace.Asker, facts *trace.Facts) {
	if len(line) > maxItem {
		facts.Fault(item, "too_long", "", fmt.Sprintf("the event is longer than %d bytes", maxItem))
		return
	}
	var given map[string]any
	err := carriers.ReadJSON(line, &given)
	switch {
	case errors.Is(err, carriers.ErrMismatch) || err == nil && given == nil:
		facts.Fault(item, "invalid_type", "", "the event is not an object, or has a number that is too large")
		return
	case err != nil:
		why := err.Error()
		if p := (*trace.Problem)(nil); errors.As(err, &p) {
			why = p.Detail
		}
		facts.Fault(item, "invalid_json", "", why)
		return
	}
	e := facts.Event()
	e.Item, e.Source = item, "api:"+who.Account
	if fault := readEvent(e, given, who); fault != nil {
		facts.Drop()
		facts.Fault(item, fault.Code, fault.Field, fault.Detail)
	}
}
