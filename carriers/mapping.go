package carriers

import "waytrace/trace"

// Map gives an event its meaning from what is stored of it: by its code; where the
// table does not have that, by its hint; and else by its text, which is
// provisional. known is false where it has a code that the table does not have. It
// can be Codes.Map of a source with one table.
func (t *Table) Map(e *trace.Event) (known bool) {
	e.Provisional = false
	if e.Pair, known = t.Find(e.Code, ""); known {
		return true
	}
	if p, ok := t.Find(e.Hint, ""); ok {
		e.Pair = p
	} else {
		e.Pair, e.Provisional = FromText(e.Text.Text)
	}
	return e.Code == ""
}

// Confirm gives the newest event of a parcel the first of the parcel's states that
// means something, unless its own code does, or it has a hint already.
//
// A state that ends the journey becomes the event's code, where it has none: so it is
// in the identity, and what a later list makes of it is a list's to say. Another state
// for the same event is another event, and the end that it leaves out is taken back
// as any other is, when a second list agrees.
//
// Any other state is a hint, outside the identity: it stays with the event when a
// later list has a newer one, and then says nothing of this. The copy with the hint
// has more fields than one without, for a hint comes with a status and a sub-status,
// and so it stands. That a parcel is on its way says less than most texts; so that it
// is not said of one event now and something else then, it is a hint for a text that
// is not understood alone.
func (t *Table) Confirm(e *trace.Event, states ...string) {
	if _, known := t.Find(e.Code, ""); known || e.Hint != "" {
		return
	}
	for _, state := range states {
		p, known := t.Find(state, "")
		if !known || p.Status == trace.Unknown || p.Status == trace.InTransit && e.Pair.Status != trace.Unknown {
			continue
		}
		if p.Status.Terminal() && e.Code == "" {
			e.Code = state
		} else {
			e.Hint = state
		}
		t.Map(e)
		return
	}
}
