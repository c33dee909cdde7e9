package trace

import (
	"slices"
	"strings"
	"unsafe"
)

// A Fault says why an item could not be understood. It is kept with the raw
// request, and the sender is told it where its dialect has words for that.
type Fault struct {
	Index  int    // which item of the request, counted from 0; -1 is the request itself
	Code   string // stable, such as "time_suspect"
	Field  string // the sender's name of the field; may be empty
	Detail string // for people
}

// Facts is what a push or a poll brought: what was understood, and the faults of
// what was not. A dialect fills it in; Reset makes it ready for the next.
//
//	facts.OpenList(waybill, source, item) // only a source that sends the whole journey
//	e := facts.Event()
//	…
//	facts.CloseList()
type Facts struct {
	Events    []Event
	Lists     []List
	Legs      []LegFact
	Records   []Record
	Overrides []Override
	Faults    []Fault

	// Refusal is the answer where a request that was kept, in whole or in part, must
	// be answered with failure in the sender's words all the same: its document
	// wants violations answered so. nil is success.
	Refusal error

	// Judged: the facts come from another node, which has judged them.
	Judged bool

	open       bool   // the last list is being filled in
	buf        []byte // of the events' values
	scratch    []byte
	kept       []byte      // of Keep
	references []Reference // of Refer
	ids        []ID        // of the lists
}

// mostKept is how much memory of each kind Reset keeps at most, in bytes: a push of
// a hundred events needs less.
const mostKept = 128 << 10

// Reset empties f and keeps its memory, unless a push of an unusual size had made it
// large. All that was borrowed from f is given back: strings in what Keep gave too.
func (f *Facts) Reset() {
	clear(f.Events)
	clear(f.Lists)
	clear(f.Legs)
	clear(f.Records)
	clear(f.Overrides)
	clear(f.Faults)
	clear(f.references)
	*f = Facts{Events: reusable(f.Events), Lists: reusable(f.Lists), Legs: reusable(f.Legs), Records: reusable(f.Records),
		Overrides: reusable(f.Overrides), Faults: reusable(f.Faults), buf: reusable(f.buf), scratch: reusable(f.scratch),
		kept: reusable(f.kept), references: reusable(f.references), ids: reusable(f.ids)}
}

// reusable empties s, and lets go of it where it is large.
func reusable[T any](s []T) []T {
	var one T
	if uintptr(cap(s))*unsafe.Sizeof(one) > mostKept {
		return nil
	}
	return s[:0]
}

// Keep copies what came into memory of f, and gives the copy: the caller's to write
// to, and the facts' until they are reset. A dialect whose strings refer into it need
// not copy each of them.
func (f *Facts) Keep(b []byte) []byte {
	start := len(f.kept)
	if cap(f.kept)-start < len(b) {
		// What was given stays where it is.
		f.kept, start = make([]byte, 0, max(len(b), 2*cap(f.kept))), 0
	}
	f.kept = append(f.kept, b...)
	return f.kept[start:len(f.kept):len(f.kept)]
}

// Refer gives an event's one reference, in memory of f.
func (f *Facts) Refer(r Reference) []Reference {
	f.references = append(f.references, r)
	n := len(f.references)
	return f.references[n-1 : n : n]
}

// Empty reports whether there is nothing in f but faults.
func (f *Facts) Empty() bool {
	return len(f.Events)+len(f.Lists)+len(f.Legs)+len(f.Records)+len(f.Overrides) == 0
}

// Event appends an empty event and returns it for filling in: borrowed until
// the next call. While a list is open, the event is one of its items.
func (f *Facts) Event() *Event {
	f.Events = append(f.Events, Event{})
	e := &f.Events[len(f.Events)-1]
	if f.open {
		e.List = len(f.Lists)
	}
	return e
}

// Drop takes back the event that Event appended last.
func (f *Facts) Drop() { f.Events = f.Events[:len(f.Events)-1] }

// OpenList begins a full list: the events up to CloseList are, with those that
// are faulted meanwhile, all that the source knows of the waybill. Each event
// must be of that waybill and source. item is the item of the request that the
// list is, or -1.
func (f *Facts) OpenList(of Waybill, source string, item int) {
	f.Lists = append(f.Lists, List{Waybill: of, Source: source, Item: item})
	f.open = true
}

// CloseList ends the list that OpenList began. A list without any item is none:
// it is taken back, and empty reports so; then a fault is due, for a source that
// sends nothing where it had something is not believed.
func (f *Facts) CloseList() (empty bool) {
	f.open = false
	n := len(f.Lists)
	if f.Lists[n-1].Partial || len(f.Events) > 0 && f.Events[len(f.Events)-1].List == n {
		return false
	}
	f.Lists = f.Lists[:n-1]
	return true
}

// Fault notes why an item was not understood. A list that is open lacks it then,
// and so says nothing of what it leaves out.
func (f *Facts) Fault(index int, code, field, detail string) {
	f.Faults = append(f.Faults, Fault{Index: index, Code: code, Field: field, Detail: clipDetail(detail)})
	if f.open {
		f.Lists[len(f.Lists)-1].Partial = true
	}
}

// clipDetail keeps what a fault quotes of a stranger's text short: the request itself
// is kept whole.
func clipDetail(s string) string {
	const most = 400
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most], "") + "…"
}

// Judge checks every fact the same way for all carriers, and seals those that
// pass with readings of the node's clock: heard for what came together, next for
// each list. Of those that do not pass a fault is left; name gives the sender's
// name of our field.
func (f *Facts) Judge(heard HLC, next func() HLC, name func(field string) string) {
	faulted := func(item int, fault Fault) {
		fault.Index, fault.Field, fault.Detail = item, name(fault.Field), clipDetail(fault.Detail)
		f.Faults = append(f.Faults, fault)
	}
	now := heard.Milli()
	kept := 0
	for i := range f.Events {
		e := &f.Events[i]
		if fault, ok := e.Check(now); !ok {
			faulted(e.Item, fault)
			if e.List > 0 {
				f.Lists[e.List-1].Partial = true
			}
			continue
		}
		if kept < i {
			f.Events[kept] = *e
		}
		e = &f.Events[kept]
		f.Seal(e, heard)
		if e.List > 0 {
			l := &f.Lists[e.List-1]
			l.Waybill = e.Waybill // the canonical number
			if l.Has == nil {
				l.Has = f.idsFor(i)
			}
			l.Has = append(l.Has, e.ID)
		}
		kept++
	}
	clear(f.Events[kept:])
	f.Events = f.Events[:kept]
	for i := range f.Lists {
		l := &f.Lists[i]
		if slices.ContainsFunc(f.Lists[i+1:], func(later List) bool { return later.Waybill == l.Waybill && later.Source == l.Source }) {
			l.Has = nil // what was sent last in one push is the list
			continue
		}
		slices.Sort(l.Has)
		l.Has = slices.Compact(l.Has)
		l.Heard = next()
	}
	f.Legs = judged(f.Legs, faulted, func(l *LegFact) (int, Fault, bool) {
		l.Heard = heard
		fault, ok := l.check(now)
		return l.Item, fault, ok
	})
	f.Records = judged(f.Records, faulted, func(r *Record) (int, Fault, bool) {
		r.Heard = heard
		fault, ok := r.check(now)
		return r.Item, fault, ok
	})
	f.Overrides = judged(f.Overrides, faulted, func(o *Override) (int, Fault, bool) {
		o.Heard = heard
		fault, ok := o.check()
		return -1, fault, ok
	})
}

// idsFor gives room for the identities of a list whose first event is event i, in memory
// of f.
func (f *Facts) idsFor(i int) []ID {
	n := 1
	for i+n < len(f.Events) && f.Events[i+n].List == f.Events[i].List {
		n++
	}
	start := len(f.ids)
	f.ids = slices.Grow(f.ids, n)[:start+n]
	return f.ids[start : start : start+n]
}

// judged keeps those that pass, in place, and leaves a fault of each other one.
func judged[T any](all []T, faulted func(int, Fault), check func(*T) (int, Fault, bool)) []T {
	kept := all[:0]
	for i := range all {
		if item, fault, ok := check(&all[i]); !ok {
			faulted(item, fault)
			continue
		}
		kept = append(kept, all[i])
	}
	clear(all[len(kept):])
	return kept
}
