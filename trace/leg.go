package trace

import (
	"cmp"
	"fmt"
	"slices"
)

// A Role says what a leg is to the journey. Its number is the stored form.
type Role uint8

// The roles. A leg that is none of the others is the main one, which has the
// number that was asked for.
const (
	Main      Role = iota
	LastMile       // 尾程: another carrier brings it to the door
	Forwarded      // goes on under a new number
	Return         // goes back under a new number
	roles
)

var roleNames = [roles]string{"main", "last_mile", "forwarded", "return"}

// String is the role's name in answers.
func (r Role) String() string {
	if r >= roles {
		return roleNames[Main]
	}
	return roleNames[r]
}

// A LegTo is the number that a parcel goes on under. Carrier is empty where the
// source did not say who; the zero value is none. Number is empty where the
// source named only who carries the leg, see LegFact.
type LegTo struct {
	Waybill
	Role Role
}

// A LegFact says that a parcel goes on under another number, told by a booking or
// a business event. (An event that names the new number carries it itself, as
// Event.Leg, and the leg lasts as long as the event is shown.)
//
// With an empty To.Number it names the carrier of those legs of the parcel whose
// carrier is not known.
type LegFact struct {
	Waybill // the parcel that goes on
	To      LegTo
	Since   int64 // when, in milliseconds since 1970 UTC
	Heard   HLC

	Item  int // which item of its request it was; not stored
	Taken Taken
}

// MaxLegs is how many legs of a parcel the fold takes, the first by time;
// MaxParents is how many parcels may go on under one number. Of told legs a head
// keeps mostTold.
const (
	MaxLegs    = 8
	MaxParents = 8
	mostTold   = 64
)

func (l *LegFact) compare(o *LegFact) int {
	return cmp.Or(cmp.Compare(l.Since, o.Since), l.To.compare(o.To))
}

func (l LegTo) compare(o LegTo) int {
	return cmp.Or(cmp.Compare(l.Number, o.Number), cmp.Compare(l.Carrier, o.Carrier), cmp.Compare(l.Role, o.Role))
}

func (l *LegFact) check(now int64) (f Fault, ok bool) {
	number, err := ParseNumber(l.Number)
	if err != nil {
		return Fault{Code: "invalid_number", Field: "number", Detail: Words(err)}, false
	}
	l.Number = number
	if !ValidCarrier(l.Carrier) {
		return Fault{Code: "invalid_carrier", Field: "carrier", Detail: "a carrier is 1 to 32 characters out of a-z 0-9 -"}, false
	}
	if l.Since < earliest || l.Since > now+MaxFuture.Milliseconds() {
		return Fault{Code: "time_suspect", Field: "time", Detail: "the time of the leg is before 2000 or more than 26 hours ahead"}, false
	}
	if l.To.Number == "" && l.To.Carrier == "" {
		return Fault{Code: "missing_number", Field: "leg", Detail: "a leg names neither number nor carrier"}, false
	}
	return l.To.check()
}

// check brings the new number into canonical form. An event without a leg passes.
func (l *LegTo) check() (f Fault, ok bool) {
	if l.Number != "" {
		number, err := ParseNumber(l.Number)
		if err != nil {
			return Fault{Code: "invalid_number", Field: "leg", Detail: fmt.Sprintf("the new number: %s", Words(err))}, false
		}
		l.Number = number
	}
	if l.Carrier != "" && !ValidCarrier(l.Carrier) {
		return Fault{Code: "invalid_carrier", Field: "leg", Detail: "a carrier is 1 to 32 characters out of a-z 0-9 -"}, false
	}
	if l.Role >= roles {
		return Fault{Code: "invalid_role", Field: "leg", Detail: "there is no such role of a leg"}, false
	}
	return Fault{}, true
}

// drawLegs gives the legs of an epoch: those that were told, and those that events
// name while they are shown. A leg whose carrier nobody named takes it from what
// was told of the carrier alone. They are the first MaxLegs by time, number and
// carrier; a parcel is never its own leg.
func (h *Head) drawLegs(of Waybill, v *view, epoch int) (legs []Leg) {
	carrier := ""
	add := func(to LegTo, since int64) {
		if to.Number == of.Number && (to.Carrier == "" || to.Carrier == of.Carrier) {
			return
		}
		legs = append(legs, Leg{LegTo: to, Since: since})
	}
	for i := range h.Told {
		switch l := &h.Told[i]; {
		case v.epochAt(l.Since) != epoch:
		case l.To.Number != "":
			add(l.To, l.Since)
		case carrier == "":
			carrier = l.To.Carrier
		}
	}
	for i := range h.Entries {
		if x := &h.Entries[i]; x.Leg.Number != "" && v.epoch(i) == epoch && v.shown(i) {
			add(x.Leg, x.pinned())
		}
	}
	for i := range legs {
		if l := &legs[i]; l.Carrier == "" && l.Number != of.Number {
			l.Carrier = carrier
		}
	}
	slices.SortFunc(legs, func(a, b Leg) int {
		return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Carrier, b.Carrier), cmp.Compare(a.Since, b.Since), cmp.Compare(a.Role, b.Role))
	})
	legs = slices.CompactFunc(legs, func(a, b Leg) bool { return a.Waybill == b.Waybill })
	slices.SortFunc(legs, func(a, b Leg) int {
		return cmp.Or(cmp.Compare(a.Since, b.Since), cmp.Compare(a.Number, b.Number), cmp.Compare(a.Carrier, b.Carrier))
	})
	return slices.Clip(legs[:min(len(legs), MaxLegs)])
}

// follow gives the events of the numbers that legs name, each in the epoch that
// was under way when the leg began, and the legs with what is known of them. A
// number that is named twice, with its carrier and without, is one leg: the first.
func follow(legs []Leg, kin Kin) (known []Leg, steps []*Entry) {
	if kin == nil {
		return legs, nil
	}
	known = legs[:0]
	for _, l := range legs {
		carrier, child := kin(l.Waybill)
		l.Carrier = carrier
		if slices.ContainsFunc(known, func(k Leg) bool { return k.Waybill == l.Waybill }) {
			continue
		}
		if child != nil {
			v := child.view(carrier)
			if epoch := v.underWay(l.Since); epoch >= 0 {
				l.Child = child.hashOf(&v, epoch)
				for j := range child.Entries {
					if v.epoch(j) == epoch && v.shown(j) {
						steps = append(steps, &child.Entries[j])
					}
				}
			}
		}
		known = append(known, l)
	}
	return known, steps
}

// underWay is the first epoch that had not ended at a moment: the parcel that goes
// on under a number is the one that moves then, not one that had it later. Where
// all had ended it is the last; but -1 where that one ended so long before that the
// number was free: then the parcel has not been seen under it yet.
func (v *view) underWay(ms int64) int {
	for i := range v.h.Entries {
		if v.shown(i) && v.h.Entries[i].pinned() >= ms {
			return v.epoch(i)
		}
	}
	if v.free(v.epochs-1, ms) {
		return -1
	}
	return v.epochs - 1
}

// free reports whether an epoch had ended so long before a moment that the number
// may have been another parcel's by then.
func (v *view) free(epoch int, ms int64) bool {
	var f folding
	last := int64(0)
	for i := range v.h.Entries {
		if v.epoch(i) == epoch && v.shown(i) {
			f.step(&v.h.Entries[i])
			last = v.h.Entries[i].pinned()
		}
	}
	return ruleEpoch.on() && f.Pair.Status.Terminal() && ms-last >= Folding.EpochAfter.Milliseconds()
}
