package bench

import (
	"cmp"
	"slices"
	"time"

	"waytrace/trace"
)

// A MadeUp gives the events that a measured daemon is loaded with, in the order of the
// parcels' numbers, for a directory that is built without one. Its methods are safe for
// concurrent use.
type MadeUp struct {
	parcels *parcels
	order   []numbered
}

type numbered struct {
	digits uint64
	parcel uint32
}

// NewMadeUp makes up so many parcels. A run finds in them what it would have pushed when
// it has as many, and the same seed and beginning.
func NewMadeUp(waybills int, began time.Time, seed uint64) *MadeUp {
	m := &MadeUp{newParcels(waybills, began, seed), make([]numbered, waybills)}
	for i := range m.order {
		m.order[i] = numbered{m.parcels.digits(i), uint32(i)}
	}
	slices.SortFunc(m.order, func(a, b numbered) int { return cmp.Compare(a.digits, b.digits) })
	return m
}

// EventsEach is how many events each parcel has.
func (m *MadeUp) EventsEach() int { return eventsLoaded }

// Events appends the sealed events of the n-th parcel by number.
func (m *MadeUp) Events(facts *trace.Facts, n int) {
	for k := range eventsLoaded {
		m.parcels.event(facts, int(m.order[n].parcel), k)
	}
}
