package trace

import (
	"slices"
	"sort"
	"time"
)

// A milestone is the first time that a waybill got so far.
const (
	orderCreated = iota
	pickedUp
	departedOrigin
	arrivedCountry
	customsCleared
	lastMileReceived
	outForDelivery
	firstAttempt
	availableForPickup
	delivered
	returning
	returned
	milestones
)

// milestoneTable names the milestones, as answers do, and says which events
// reach them; an empty list of subs stands for all of the status.
var milestoneTable = [milestones]struct {
	name   string
	status Status
	subs   []string
}{
	orderCreated:       {"order_created", PreTransit, nil},
	pickedUp:           {"picked_up", PickedUp, nil},
	departedOrigin:     {"departed_origin", InTransit, []string{"departed", "linehaul"}},
	arrivedCountry:     {"arrived_country", InTransit, []string{"arrived_country"}},
	customsCleared:     {"customs_cleared", InTransit, []string{"customs_cleared"}},
	lastMileReceived:   {"last_mile_received", OutForDelivery, []string{"last_mile_received"}},
	outForDelivery:     {"out_for_delivery", OutForDelivery, nil},
	firstAttempt:       {"first_attempt", AttemptFailed, nil},
	availableForPickup: {"available_for_pickup", AvailableForPickup, nil},
	delivered:          {"delivered", Delivered, nil},
	returning:          {"returning", Returning, nil},
	returned:           {"returned", Returned, nil},
}

// What may take a delivery back: a second try, or a parcel waiting at a
// counter, is believed some hours later; ordinary scans are late uploads unless
// there are two of them, more than a day later.
const (
	reopenByAttempt = 6 * time.Hour
	reopenByScans   = 24 * time.Hour
	scansToReopen   = 2
)

// pinned is the instant that an event is ordered by, in milliseconds since
// 1970. An event whose day or minute alone is known is pinned inside it by what
// it says: beginnings first, endings last, all else in the middle.
func (t Time) pinned(s Status) int64 {
	var start, middle, end int64
	switch t.Precision {
	case Day:
		start, middle, end = 0, 12*3600*1000, (24*3600-1)*1000
	case Minute:
		start, middle, end = 0, 30*1000, 59*1000
	}
	switch rank := s.Rank(); {
	case rank <= 10:
		return t.Instant() + start
	case rank >= 90:
		return t.Instant() + end
	}
	return t.Instant() + middle
}

// Fold derives status, since, first delivery and milestones from the entries:
// a pure function of the facts, whatever the order they came in. It walks the
// entries from the oldest to the newest and lets each replace the status, but
// for what the rules in next keep out.
func (h *Head) Fold() {
	sort.Slice(h.Entries, func(i, j int) bool { return h.Entries[i].compare(&h.Entries[j]) < 0 })
	h.Pair, h.Since, h.First, h.Corrected = Pair{}, -1, -1, false
	for i := range h.Milestones {
		h.Milestones[i] = -1
	}
	f := folding{head: h}
	for i := range h.Entries {
		to, accepted := f.next(&h.Entries[i])
		if !accepted {
			continue
		}
		if to.Status != h.Pair.Status || h.Since < 0 {
			h.Since = i
		}
		h.Pair = to
		if to.Status == Delivered && h.First < 0 {
			h.First = i
		}
		h.reach(i, to)
	}
}

// reach notes the milestones that an event is the first to reach.
func (h *Head) reach(i int, p Pair) {
	for m := range milestoneTable {
		t := &milestoneTable[m]
		if h.Milestones[m] < 0 && t.status == p.Status && (t.subs == nil || slices.Contains(t.subs, p.Sub)) {
			h.Milestones[m] = i
		}
	}
}

// folding is what the fold remembers on its way beside the head.
type folding struct {
	head       *Head
	goingBack  bool // the parcel was seen on its way back to the sender
	lateScans  int  // ordinary scans long after the delivery that stands
	terminalAt int64
}

// next says whether an event replaces the status, and by what.
func (f *folding) next(x *Entry) (to Pair, accepted bool) {
	to, now := x.Pair, f.head.Pair.Status
	at := x.At.pinned(to.Status)
	defer func() {
		if accepted {
			f.goingBack = f.goingBack || to.Status == Returning
			if to.Status.Terminal() && to.Status != now {
				f.terminalAt, f.lateScans = at, 0
			}
		}
	}()
	// Delivered on the way back is delivered to the sender.
	if to.Status == Delivered && f.goingBack {
		to = Pair{Returned, "to_sender"}
	}
	switch {
	case to.Status == Unknown: // it says nothing about the status
		return to, false
	case to.Status == PreTransit && now.Rank() >= PickedUp.Rank(): // a label printed late
		return to, false
	case customs[to.Sub] && now.Rank() >= OutForDelivery.Rank(): // papers follow the parcel
		return to, false
	}
	switch now {
	case Delivered, Returned:
		return f.afterEnd(now, to, at)
	case Lost, Cancelled: // found, or the label was used after all
		return to, to.Status.Rank() >= PickedUp.Rank() && to.Status != Exception && (to.Status != Cancelled || now == Cancelled)
	}
	return to, true
}

// afterEnd judges an event that comes after a delivery or a return.
func (f *folding) afterEnd(now Status, to Pair, at int64) (Pair, bool) {
	later := time.Duration(at-f.terminalAt) * time.Millisecond
	switch to.Status {
	case now, Lost:
		return to, true
	case Returning, Returned:
		return to, now == Delivered
	case OutForDelivery, AttemptFailed, AvailableForPickup:
		if later >= reopenByAttempt {
			f.head.Corrected = true
			return to, true
		}
	case PickedUp, InTransit:
		if later > reopenByScans {
			if f.lateScans++; f.lateScans >= scansToReopen {
				f.head.Corrected = true
				return Pair{InTransit, "reopened"}, true
			}
		}
	}
	return to, false
}

// customs are the sub-statuses of papers, which say nothing of where the parcel is.
var customs = map[string]bool{
	"export_customs": true, "customs_started": true, "customs_cleared": true,
	"customs_hold": true, "customs_docs": true, "customs_prohibited": true,
}
