package trace

import (
	"encoding/binary"
	"hash/fnv"
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

// milestonesOf are those that a status can reach.
var milestonesOf = func() (of [statuses][]int) {
	for m := range milestoneTable {
		of[milestoneTable[m].status] = append(of[milestoneTable[m].status], m)
	}
	return of
}()

// What may take a delivery back: a second try, or a parcel waiting at a
// counter, is believed some hours later; ordinary scans are late uploads unless
// there are two of them, more than a day later.
const (
	reopenByAttempt = 6 * time.Hour
	reopenByScans   = 24 * time.Hour
	scansToReopen   = 2
)

// Folding is what the fold knows beside the facts. It is set before the first head
// is folded, if at all; nodes that work together must have the same, and heads that
// were folded under another are to be folded anew.
var Folding = FoldSettings{EpochAfter: 60 * 24 * time.Hour}

// FoldSettings are what operators decide differently.
type FoldSettings struct {
	// EpochAfter is how long after an end a number is taken for one that is used
	// again when a parcel begins under it.
	EpochAfter time.Duration
	// HidePreTransit leaves out what happens before the carrier has the parcel:
	// labels and orders.
	HidePreTransit bool
}

// A fall by more than anomalousFall ranks is an anomaly, but for the ways that
// parcels do go.
const anomalousFall = 20

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
	if !rulePrecision.on() {
		start, middle, end = 0, 0, 0
	}
	switch rank := s.Rank(); {
	case rank <= 10:
		return t.Instant() + start
	case rank >= 90:
		return t.Instant() + end
	}
	return t.Instant() + middle
}

// Kin gives what is known of the number that a parcel goes on under: of the
// carrier that is asked for, or where that is empty of the one with the newest
// event. nil where nothing is known.
type Kin func(child Waybill) (carrier string, h *Head)

// Fold derives what the facts mean: a pure function of them, whatever the order
// they came in. It leaves out what was taken back and what another source tells
// better, begins anew where the number was used again, draws the legs, and walks
// the newest journey from its oldest event to its newest, each replacing the
// status but for what the rules keep out. of is the head's own waybill; kin may be
// nil where there are no legs.
func (h *Head) Fold(of Waybill, kin Kin) {
	if ruleLate.on() {
		h.order()
	}
	v := h.view(of.Carrier)
	h.Earlier, h.start = v.epochs-1, v.start(v.epochs-1)
	h.own = h.hashOf(&v, h.Earlier)
	h.Legs = nil
	if ruleLegs.on() {
		h.Legs = h.drawLegs(of, &v, h.Earlier)
	}
	h.Meaning, h.Legs = h.fold(&v, h.Earlier, h.Legs, kin)
}

// order puts the entries into the fold's order, which they nearly always are in.
func (h *Head) order() {
	for i := 1; i < len(h.Entries); i++ {
		if h.Entries[i].compare(&h.Entries[i-1]) < 0 {
			sort.Slice(h.Entries, func(i, j int) bool { return h.Entries[i].compare(&h.Entries[j]) < 0 })
			return
		}
	}
}

// Epochs is how many parcels had the number, as far as is known: 1 at least.
func (h *Head) Epochs() int { return h.Earlier + 1 }

// MeaningOf is what the facts of one epoch mean, counted from 0, the oldest, and
// the legs of it. kin gives the children's heads.
func (h *Head) MeaningOf(of Waybill, epoch int, kin Kin) (Meaning, []Leg) {
	if epoch == h.Earlier {
		return h.Meaning, h.Legs
	}
	v := h.view(of.Carrier)
	return h.fold(&v, epoch, h.drawLegs(of, &v, epoch), kin)
}

// fold walks one epoch: its events, those of its legs in their places, and then
// the operator's word. The legs come back with what is known of their numbers.
func (h *Head) fold(v *view, epoch int, legs []Leg, kin Kin) (Meaning, []Leg) {
	from := v.start(epoch)
	legs, steps := follow(legs, kin)
	var f folding
	if len(steps) == 0 {
		for i := from; i < len(h.Entries) && v.epoch(i) == epoch; i++ {
			if v.shown(i) {
				f.step(&h.Entries[i])
			}
		}
	} else {
		for _, x := range h.between(v, from, epoch, steps) {
			f.step(x)
		}
	}
	if ruleOverride.on() && h.Override.Pair.Status != Unknown && v.epochAt(h.Override.Heard.Milli()) == epoch {
		f.Pair, f.Overridden = h.Override.Pair, true
		f.Since = Moment{At: Time{Local: h.Override.Heard.Milli() / 1000 * 1000, Zone: ZoneOffset}, Known: true}
	}
	// Times of the head's own entries are written as which entry it is.
	own := func(m *Moment) {
		for i := from; m.Known && i < len(h.Entries); i++ {
			if h.Entries[i].At == m.At {
				m.entry = i + 1
				return
			}
		}
	}
	own(&f.Since)
	own(&f.First)
	for i := range f.Milestones {
		own(&f.Milestones[i])
	}
	return f.Meaning, legs
}

// between puts the steps of legs between the epoch's own.
func (h *Head) between(v *view, from, epoch int, steps []*Entry) []*Entry {
	own := make([]*Entry, 0, len(h.Entries)+len(steps))
	for i := from; i < len(h.Entries) && v.epoch(i) == epoch; i++ {
		if v.shown(i) {
			own = append(own, &h.Entries[i])
		}
	}
	own = append(own, steps...)
	sort.SliceStable(own, func(i, j int) bool { return own[i].compare(own[j]) < 0 })
	return own
}

// folding is what the fold remembers on its way beside what it has found.
type folding struct {
	Meaning
	goingBack  bool // the parcel was seen on its way back to the sender
	lateScans  int  // ordinary scans long after the delivery that stands
	terminalAt int64
}

// step lets one event replace the status, unless a rule keeps it out.
func (f *folding) step(x *Entry) {
	to, accepted := f.next(x)
	if !accepted {
		return
	}
	at := Moment{At: x.At, Known: true}
	now := f.Pair.Status
	if to.Status != now || !f.Since.Known {
		f.Since = at
	}
	if anomalous(now, to.Status) && ruleAnomaly.on() {
		f.Anomalies++
	}
	if to.Status.Terminal() {
		f.terminalAt, f.lateScans = x.pinned(), 0
	}
	f.goingBack = f.goingBack || to.Status == Returning
	f.Pair = to
	if to.Status == Delivered && !f.First.Known {
		f.First = at
	}
	for _, m := range milestonesOf[to.Status] {
		if t := &milestoneTable[m]; !f.Milestones[m].Known && (t.subs == nil || slices.Contains(t.subs, to.Sub)) {
			f.Milestones[m] = at
		}
	}
}

// next says whether an event replaces the status, and by what.
func (f *folding) next(x *Entry) (to Pair, accepted bool) {
	to, now := x.Pair, f.Pair.Status
	switch {
	case to.Status == Unknown && ruleInfo.on():
		return to, false
	case x.Provisional && to.Status.Terminal() && ruleText.on():
		return to, false
	case to.Status == PreTransit && now.Rank() >= PickedUp.Rank() && ruleLabel.on():
		return to, false
	case customs[to.Sub] && now.Rank() >= OutForDelivery.Rank() && rulePapers.on():
		return to, false
	}
	if to.Status == Delivered && f.goingBack && ruleReturn.on() {
		to = Pair{Returned, "to_sender"}
	}
	switch now {
	case Delivered, Returned:
		return f.afterEnd(now, to, x.pinned())
	case Lost, Cancelled:
		if !ruleFound.on() {
			return to, to.Status == now
		}
		physical := to.Status.Rank() >= PickedUp.Rank() && to.Status != Exception && (to.Status != Cancelled || now == Cancelled)
		f.Corrected = f.Corrected || physical && to.Status != Lost && to.Status != Cancelled
		return to, physical
	}
	return to, true
}

// afterEnd judges an event that comes after a delivery or a return.
func (f *folding) afterEnd(now Status, to Pair, at int64) (Pair, bool) {
	later := time.Duration(at-f.terminalAt) * time.Millisecond
	switch to.Status {
	case now:
		return to, true
	case Lost:
		return to, ruleFinal.on()
	case Returning, Returned:
		return to, now == Delivered && ruleFinal.on()
	case OutForDelivery, AttemptFailed, AvailableForPickup:
		if later >= reopenByAttempt && ruleAttempt.on() {
			f.Corrected = true
			return to, true
		}
	case PickedUp, InTransit:
		if !ruleUpload.on() {
			return to, true
		}
		if later > reopenByScans && ruleScans.on() {
			if f.lateScans++; f.lateScans >= scansToReopen {
				f.Corrected = true
				return Pair{InTransit, "reopened"}, true
			}
		}
	}
	return to, false
}

// anomalous reports whether a status falls in a way that parcels do not go. A door,
// a counter and the road may follow each other as they like, and so may a trouble
// and anything else.
func anomalous(from, to Status) bool {
	loops := func(s Status) bool {
		return s == OutForDelivery || s == AttemptFailed || s == AvailableForPickup || s == InTransit
	}
	switch {
	case from == Exception, to == Exception, loops(from) && loops(to):
		return false
	}
	return int(from.Rank())-int(to.Rank()) > anomalousFall
}

// customs are the sub-statuses of papers, which say nothing of where the parcel is.
var customs = map[string]bool{
	"export_customs": true, "customs_started": true, "customs_cleared": true,
	"customs_hold": true, "customs_docs": true, "customs_prohibited": true,
}

// hashOf is over all that is shown of an epoch's own events.
func (h *Head) hashOf(v *view, epoch int) uint64 {
	sum := fnv.New64a()
	var buf [128]byte
	for i := range h.Entries {
		if v.epoch(i) != epoch || !v.shown(i) {
			continue
		}
		x := &h.Entries[i]
		b := binary.BigEndian.AppendUint64(buf[:0], uint64(x.ID))
		b = binary.BigEndian.AppendUint64(b, x.Hash)
		for _, t := range x.Texts {
			b = binary.BigEndian.AppendUint64(b, t.Hash)
		}
		for _, source := range v.sources(i) {
			b = appendPart(b, source)
		}
		sum.Write(b)
	}
	if n := sum.Sum64(); n != 0 {
		return n
	}
	return 1
}
