package trace

import (
	"fmt"
	"slices"
	"sort"
)

// A Trace is the whole of a waybill as it was read: its head and, where they were
// asked for, its events in the fold's order, oldest first, those of its legs, and
// its records.
//
// A Trace that is read into again uses its memory again: its strings and slices,
// those of its head and events too, are good until then.
type Trace struct {
	Waybill
	Head        Head
	Events      []Event
	Legs        []Part   // of the legs about which something is known
	Records     []Record // in the order of kind and key
	Also        []string // other carriers that have this number, in byte order
	AlsoNumbers []string // other numbers that the reference leads to

	value []byte // the head's stored form
	texts []byte // the events' stored forms, and what else their strings lie in
}

// A Part is a number that the parcel went on under: its head and events, where
// they were asked for.
type Part struct {
	Waybill
	Head   Head
	Events []Event
}

// A Want says what is to be read of a waybill beside its head.
type Want struct {
	Events  bool
	Legs    bool // the heads of the legs
	Records bool
	Epoch   int // whose legs, as in Variant
}

// Wants says what a variant shows.
func (v *Variant) Wants() Want {
	return Want{Events: v.Events && v.Fields.has("events"), Legs: v.deep(), Epoch: v.Epoch,
		Records: v.Fields.has("charges") || v.Business && v.Fields.has("business")}
}

// deep reports whether a variant shows what the head's hashes do not cover: then
// its tag covers the whole head, and those of the legs.
func (v *Variant) deep() bool { return v.Retracted || v.Override || v.Epoch > 0 }

// Children are the numbers whose heads are to be read for what is wanted: those of
// the legs of one epoch.
func (t *Trace) Children(want Want) (all []Waybill) {
	if !want.Legs && !want.Events {
		return nil
	}
	v := Variant{Epoch: want.Epoch}
	legs := t.Head.Legs
	if epoch := t.epoch(v); epoch != t.Head.Earlier {
		own := t.Head.view(t.Carrier)
		legs = t.Head.drawLegs(t.Waybill, &own, epoch)
	}
	for i := range legs {
		all = append(all, legs[i].Waybill)
	}
	return all
}

// Lacks reports whether there is more to be read of what is wanted than heads.
func (t *Trace) Lacks(want Want) bool {
	return want.Events || want.Records && t.Head.Records != 0
}

// mostTexts is how much memory for texts a Trace keeps for the next: one giant must not
// hold it for ever.
const mostTexts = 64 << 10

// Reset empties t and keeps its memory.
func (t *Trace) Reset() {
	clear(t.Legs)
	clear(t.Records)
	t.Waybill, t.Also, t.AlsoNumbers = Waybill{}, t.Also[:0], t.AlsoNumbers[:0]
	t.Events, t.Legs, t.Records = t.Events[:0], t.Legs[:0], t.Records[:0]
	if t.texts = t.texts[:0]; cap(t.texts) > mostTexts {
		t.texts = nil
		clear(t.Events[:cap(t.Events)])
	}
}

// SetHead reads the head of w from a copy of its stored form, see DecodeHead.
func (t *Trace) SetHead(w Waybill, value []byte) error {
	t.Waybill = w
	t.value = append(t.value[:0], value...)
	return t.Head.decode(headReader{b: t.value, borrow: true})
}

// Keep copies a text into the trace's memory.
func (t *Trace) Keep(text []byte) string { return alias(t.keep(text)) }

func (t *Trace) keep(b []byte) []byte {
	start := len(t.texts)
	t.texts = append(t.texts, b...)
	return t.texts[start:len(t.texts):len(t.texts)]
}

// AddEvent adds an event of the trace's waybill from a copy of its stored form, see
// DecodeEvent. When all are there, SortEvents brings them into order.
func (t *Trace) AddEvent(local int64, id ID, value []byte) error {
	n := len(t.Events)
	if n == cap(t.Events) {
		t.Events = slices.Grow(t.Events, max(len(t.Head.Entries)-n, 1))
	}
	t.Events = t.Events[:n+1]
	e := &t.Events[n]
	references, revisions := e.References[:0], e.Revisions[:0]
	*e = Event{} // large: made in its place
	e.Waybill, e.ID, e.At.Local, e.References, e.Revisions = t.Waybill, id, local, references, revisions
	if err := e.decodeFields(t.keep(value)); err != nil {
		return e.broken(err)
	}
	if e.At.Raw == "" {
		start := len(t.texts)
		t.texts = appendLocal(t.texts, local, ' ')
		e.At.Raw = alias(t.texts[start:])
	}
	return nil
}

// SortEvents puts events into the fold's order, oldest first.
func SortEvents(events []Event) {
	// Events are large, and lie in this order already unless a clock was set back
	// or a time was not known to the second: so they are not moved to be compared.
	earlier := func(i, j int) bool {
		a, b := &events[i], &events[j]
		return compareOrder(&a.At, &b.At, a.Pair.Status, b.Pair.Status, a.ID, b.ID) < 0
	}
	for i := 1; i < len(events); i++ {
		if earlier(i, i-1) {
			sort.Slice(events, earlier)
			return
		}
	}
}

// Check says whether the trace has what a variant asks for: an epoch that is not
// there is ErrNotFound.
func (t *Trace) Check(v Variant) error {
	if n := t.Head.Epochs(); v.Epoch > n {
		return fmt.Errorf("epoch %d of %d: %w", v.Epoch, n, ErrNotFound)
	}
	return nil
}

// epoch is the epoch that a variant shows, counted from 0.
func (t *Trace) epoch(v Variant) int {
	if v.Epoch > 0 {
		return min(v.Epoch-1, t.Head.Earlier)
	}
	return t.Head.Earlier
}

// kin finds the heads of the legs that were read.
func (t *Trace) kin(child Waybill) (carrier string, h *Head) {
	best := (*Part)(nil)
	for i := range t.Legs {
		p := &t.Legs[i]
		if p.Number == child.Number && (p.Carrier == child.Carrier || child.Carrier == "") &&
			(best == nil || p.Head.Newest() > best.Head.Newest()) {
			best = p
		}
	}
	if best == nil {
		return child.Carrier, nil
	}
	return best.Carrier, &best.Head
}

// meaning is what a variant's epoch means.
func (t *Trace) meaning(v Variant) (*Meaning, []Leg) {
	if t.epoch(v) == t.Head.Earlier {
		return &t.Head.Meaning, t.Head.Legs
	}
	m, legs := t.Head.MeaningOf(t.Waybill, t.epoch(v), t.kin)
	return &m, legs
}

// plain reports whether all events are shown as they are: the common case.
func (t *Trace) plain() bool {
	h := &t.Head
	return len(h.Legs) == 0 && h.Earlier == 0 && len(h.Sources) <= 1 && len(t.Events) == len(h.Entries) && h.plain()
}

// A line is an event as a trace shows it.
type line struct {
	event     *Event
	sources   []string // all that tell of it, where it is more than one
	retracted bool
	leg       bool // it came under another number
}

// lines are the events that a variant shows, in the fold's order.
func (t *Trace) lines(v Variant) []line {
	epoch := t.epoch(v)
	_, legs := t.meaning(v)
	seen := t.Head.view(t.Carrier)
	all := linesOf(&seen, epoch, t.Events, v.Retracted, false)
	own := len(all)
	for i := range legs {
		for j := range t.Legs {
			p := &t.Legs[j]
			if p.Waybill == legs[i].Waybill {
				kin := p.Head.view(p.Carrier)
				all = append(all, linesOf(&kin, kin.underWay(legs[i].Since), p.Events, v.Retracted, true)...)
				break
			}
		}
	}
	if len(all) > own {
		sort.SliceStable(all, func(i, j int) bool {
			a, b := all[i].event, all[j].event
			return compareOrder(&a.At, &b.At, a.Pair.Status, b.Pair.Status, a.ID, b.ID) < 0
		})
	}
	return all
}

// linesOf are the lines of one number's events, which lie in the fold's order as
// its entries do.
func linesOf(v *view, epoch int, events []Event, retracted, leg bool) (lines []line) {
	at := 0
	for i := range v.h.Entries {
		x := &v.h.Entries[i]
		for at < len(events) && events[at].ID != x.ID {
			at++ // an event that the head does not know: it was stored since
		}
		if at == len(events) {
			break
		}
		hidden := !v.plain && v.marks[i].hidden
		if v.epoch(i) == epoch && (v.shown(i) || retracted && hidden) {
			lines = append(lines, line{&events[at], v.sources(i), hidden, leg})
		}
	}
	return lines
}
