package trace

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// The rules, one journey each: what the lines mean together, in every order.
func TestFold(t *testing.T) {
	for _, c := range []struct {
		name      string
		lines     []string
		status    string // status.sub
		since     string // as answers give it
		reached   string // milestones, where they are the point
		first     string // first delivery, where an end was taken back
		corrected bool
	}{{
		name:   "nothing that is mapped",
		lines:  []string{"2026-03-01 10:00:00 unknown"},
		status: "unknown",
	}, {
		name:   "an event of no status changes none",
		lines:  []string{"2026-03-01 10:00:00 picked_up.collected", "2026-03-01 11:00:00 unknown"},
		status: "picked_up.collected", since: "2026-03-01T10:00:00+08:00",
	}, {
		name:   "a scan that was uploaded late",
		lines:  []string{"2026-03-01 10:00:00 delivered.signed", "2026-03-01 10:05:00 in_transit.departed"},
		status: "delivered.signed", since: "2026-03-01T10:00:00+08:00",
		reached: "delivered=2026-03-01T10:00:00+08:00",
	}, {
		name: "delivered on the way back is returned",
		lines: []string{"2026-03-01 10:00:00 attempt_failed.refused_pending", "2026-03-01 12:00:00 returning.refused",
			"2026-03-04 09:00:00 delivered.signed"},
		status: "returned.to_sender", since: "2026-03-04T09:00:00+08:00",
		reached: "first_attempt=2026-03-01T10:00:00+08:00 returning=2026-03-01T12:00:00+08:00 returned=2026-03-04T09:00:00+08:00",
	}, {
		name:   "the sample of SF's document: collected and signed in one second",
		lines:  []string{"2020-05-11 16:56:54 delivered.signed", "2020-05-11 16:56:54 picked_up.collected"},
		status: "delivered.signed", since: "2020-05-11T16:56:54+08:00",
		reached: "picked_up=2020-05-11T16:56:54+08:00 delivered=2020-05-11T16:56:54+08:00",
	}, {
		name:   "a label printed after pickup",
		lines:  []string{"2026-03-01 10:00:00 picked_up.collected", "2026-03-01 10:30:00 pre_transit.label_created"},
		status: "picked_up.collected", since: "2026-03-01T10:00:00+08:00",
		reached: "picked_up=2026-03-01T10:00:00+08:00",
	}, {
		name:   "a label before pickup",
		lines:  []string{"2026-03-01 09:00:00 pre_transit.label_created", "2026-03-01 10:00:00 picked_up.collected"},
		status: "picked_up.collected", since: "2026-03-01T10:00:00+08:00",
		reached: "order_created=2026-03-01T09:00:00+08:00 picked_up=2026-03-01T10:00:00+08:00",
	}, {
		name:   "delivered with the day alone, after the courier left at 18:00",
		lines:  []string{"2026-03-01 18:00:00 out_for_delivery", "2026-03-01 delivered"},
		status: "delivered", since: "2026-03-01",
		reached: "out_for_delivery=2026-03-01T18:00:00+08:00 delivered=2026-03-01",
	}, {
		name:   "an order with the day alone comes before that day's pickup",
		lines:  []string{"2026-03-01 00:00:01 picked_up", "2026-03-01 pre_transit.order_created"},
		status: "picked_up", since: "2026-03-01T00:00:01+08:00",
		reached: "order_created=2026-03-01 picked_up=2026-03-01T00:00:01+08:00",
	}, {
		name:   "a scan with the day alone stands at noon",
		lines:  []string{"2026-03-01 11:59:59 out_for_delivery", "2026-03-01 in_transit.arrived", "2026-03-01 12:00:01 attempt_failed"},
		status: "attempt_failed", since: "2026-03-01T12:00:01+08:00",
	}, {
		name:   "delivered to the minute stands at its end",
		lines:  []string{"2026-03-01 10:00:58 out_for_delivery", "2026-03-01 10:00 delivered"},
		status: "delivered", since: "2026-03-01T10:00:00+08:00",
	}, {
		name:   "a scan to the minute stands in its middle",
		lines:  []string{"2026-03-01 10:00:29 out_for_delivery", "2026-03-01 10:00 in_transit.arrived"},
		status: "in_transit.arrived", since: "2026-03-01T10:00:00+08:00",
	}, {
		name:   "a failed attempt in the second of the leaving",
		lines:  []string{"2026-03-01 10:00:00 attempt_failed.not_home", "2026-03-01 10:00:00 out_for_delivery"},
		status: "attempt_failed.not_home", since: "2026-03-01T10:00:00+08:00",
	}, {
		name:   "an attempt six hours after the delivery takes it back",
		lines:  []string{"2026-03-01 10:00:00 delivered", "2026-03-01 16:00:00 attempt_failed.not_home"},
		status: "attempt_failed.not_home", since: "2026-03-01T16:00:00+08:00",
		first: "2026-03-01T10:00:00+08:00", corrected: true,
	}, {
		name:   "one second earlier it does not",
		lines:  []string{"2026-03-01 10:00:00 delivered", "2026-03-01 15:59:59 attempt_failed.not_home"},
		status: "delivered", since: "2026-03-01T10:00:00+08:00",
	}, {
		name:   "at a counter seven hours after the delivery",
		lines:  []string{"2026-03-01 10:00:00 delivered", "2026-03-01 17:00:00 available_for_pickup.locker"},
		status: "available_for_pickup.locker", since: "2026-03-01T17:00:00+08:00",
		first: "2026-03-01T10:00:00+08:00", corrected: true,
	}, {
		name: "delivered, taken back, delivered: the first delivery is kept",
		lines: []string{"2026-03-01 10:00:00 delivered", "2026-03-02 09:00:00 out_for_delivery",
			"2026-03-02 15:00:00 delivered.neighbour"},
		status: "delivered.neighbour", since: "2026-03-02T15:00:00+08:00",
		first: "2026-03-01T10:00:00+08:00", corrected: true,
		reached: "out_for_delivery=2026-03-02T09:00:00+08:00 delivered=2026-03-01T10:00:00+08:00",
	}, {
		name:   "one scan more than a day later is a late upload",
		lines:  []string{"2026-03-01 10:00:00 delivered", "2026-03-02 10:00:01 in_transit.arrived"},
		status: "delivered", since: "2026-03-01T10:00:00+08:00",
	}, {
		name: "two scans more than a day later are not",
		lines: []string{"2026-03-01 10:00:00 delivered", "2026-03-02 10:00:01 in_transit.arrived",
			"2026-03-03 10:00:00 in_transit.departed"},
		status: "in_transit.reopened", since: "2026-03-03T10:00:00+08:00",
		first: "2026-03-01T10:00:00+08:00", corrected: true,
	}, {
		name: "a scan at exactly one day does not count",
		lines: []string{"2026-03-01 10:00:00 delivered", "2026-03-02 10:00:00 in_transit.arrived",
			"2026-03-03 10:00:00 in_transit.departed"},
		status: "delivered", since: "2026-03-01T10:00:00+08:00",
	}, {
		name: "late scans are counted from the delivery that stands",
		lines: []string{"2026-03-01 10:00:00 delivered", "2026-03-02 11:00:00 in_transit.arrived",
			"2026-03-02 12:00:00 available_for_pickup", "2026-03-02 13:00:00 delivered", "2026-03-03 14:00:00 in_transit.arrived"},
		status: "delivered", since: "2026-03-02T13:00:00+08:00",
		first: "2026-03-01T10:00:00+08:00", corrected: true,
	}, {
		name:   "sent back after the delivery",
		lines:  []string{"2026-03-01 10:00:00 delivered", "2026-03-01 10:30:00 returning.refused"},
		status: "returning.refused", since: "2026-03-01T10:30:00+08:00",
	}, {
		name:   "an exception after the delivery stands in the timeline only",
		lines:  []string{"2026-03-01 10:00:00 delivered", "2026-03-09 10:00:00 exception.damaged"},
		status: "delivered", since: "2026-03-01T10:00:00+08:00",
	}, {
		name:   "so does a cancellation",
		lines:  []string{"2026-03-01 10:00:00 delivered", "2026-03-09 10:00:00 cancelled.by_shipper"},
		status: "delivered", since: "2026-03-01T10:00:00+08:00",
	}, {
		name:   "lost after the delivery",
		lines:  []string{"2026-03-01 10:00:00 delivered", "2026-03-09 10:00:00 lost.missing"},
		status: "lost.missing", since: "2026-03-09T10:00:00+08:00",
	}, {
		name:   "a label that is used after it was cancelled",
		lines:  []string{"2026-03-01 10:00:00 cancelled.void_label", "2026-03-02 10:00:00 picked_up.dropped_off"},
		status: "picked_up.dropped_off", since: "2026-03-02T10:00:00+08:00", corrected: true,
	}, {
		name:   "nothing but data after a cancellation",
		lines:  []string{"2026-03-01 10:00:00 cancelled.void_label", "2026-03-02 10:00:00 pre_transit.label_created"},
		status: "cancelled.void_label", since: "2026-03-01T10:00:00+08:00",
	}, {
		name:   "lost, then found",
		lines:  []string{"2026-03-01 10:00:00 lost.missing", "2026-03-02 10:00:00 in_transit.arrived"},
		status: "in_transit.arrived", since: "2026-03-02T10:00:00+08:00", corrected: true,
	}, {
		name:   "lost, then delivered",
		lines:  []string{"2026-03-01 10:00:00 lost.missing", "2026-03-02 10:00:00 delivered"},
		status: "delivered", since: "2026-03-02T10:00:00+08:00", corrected: true, first: "2026-03-02T10:00:00+08:00",
	}, {
		name:   "papers that follow the parcel",
		lines:  []string{"2026-03-01 10:00:00 out_for_delivery", "2026-03-01 11:00:00 in_transit.customs_cleared"},
		status: "out_for_delivery", since: "2026-03-01T10:00:00+08:00",
		reached: "out_for_delivery=2026-03-01T10:00:00+08:00",
	}, {
		name:   "papers on the way",
		lines:  []string{"2026-03-01 10:00:00 exception.customs_hold", "2026-03-01 11:00:00 in_transit.customs_cleared"},
		status: "in_transit.customs_cleared", since: "2026-03-01T11:00:00+08:00",
		reached: "customs_cleared=2026-03-01T11:00:00+08:00",
	}, {
		name:   "an exception is over at the next scan",
		lines:  []string{"2026-03-01 10:00:00 exception.weather", "2026-03-01 11:00:00 in_transit.departed"},
		status: "in_transit.departed", since: "2026-03-01T11:00:00+08:00",
	}, {
		name: "since is the first of an unbroken run, the sub-status is the last's",
		lines: []string{"2026-03-01 09:00:00 picked_up", "2026-03-01 10:00:00 in_transit.departed", "2026-03-01 10:30:00 unknown",
			"2026-03-01 11:00:00 in_transit.arrived", "2026-03-01 12:00:00 in_transit.linehaul"},
		status: "in_transit.linehaul", since: "2026-03-01T10:00:00+08:00",
	}, {
		name: "a run that was broken begins anew",
		lines: []string{"2026-03-01 10:00:00 in_transit.departed", "2026-03-01 11:00:00 exception.delay",
			"2026-03-01 12:00:00 in_transit.arrived"},
		status: "in_transit.arrived", since: "2026-03-01T12:00:00+08:00",
	}, {
		name:   "ready for pickup is not delivered",
		lines:  []string{"2026-03-01 10:00:00 out_for_delivery", "2026-03-01 11:00:00 available_for_pickup.shop"},
		status: "available_for_pickup.shop", since: "2026-03-01T11:00:00+08:00",
		reached: "out_for_delivery=2026-03-01T10:00:00+08:00 available_for_pickup=2026-03-01T11:00:00+08:00",
	}, {
		name: "all milestones of a parcel from abroad",
		lines: []string{"2026-03-01 pre_transit.order_created", "2026-03-02 10:00:00 picked_up.collected",
			"2026-03-03 10:00:00 in_transit.linehaul", "2026-03-05 10:00 in_transit.arrived_country",
			"2026-03-06 10:00:00 in_transit.customs_cleared"},
		status: "in_transit.customs_cleared", since: "2026-03-03T10:00:00+08:00",
		reached: "order_created=2026-03-01 picked_up=2026-03-02T10:00:00+08:00 departed_origin=2026-03-03T10:00:00+08:00 " +
			"arrived_country=2026-03-05T10:00:00+08:00 customs_cleared=2026-03-06T10:00:00+08:00",
	}, {
		name: "the last mile",
		lines: []string{"2026-03-01 10:00:00 out_for_delivery.last_mile_received", "2026-03-01 11:00:00 out_for_delivery",
			"2026-03-01 12:00:00 attempt_failed"},
		status: "attempt_failed", since: "2026-03-01T12:00:00+08:00",
		reached: "last_mile_received=2026-03-01T10:00:00+08:00 out_for_delivery=2026-03-01T10:00:00+08:00 first_attempt=2026-03-01T12:00:00+08:00",
	}} {
		t.Run(c.name, func(t *testing.T) {
			got := fold(t, c.lines...)
			h := &got.Head
			if s := strings.TrimSuffix(h.Pair.Status.String()+"."+h.Pair.Sub, "."); s != c.status {
				t.Errorf("status %q, want %q", s, c.status)
			}
			if s := written(h.Since); s != c.since {
				t.Errorf("since %q, want %q", s, c.since)
			}
			if s := reached(&h.Meaning); c.reached != "" && s != c.reached {
				t.Errorf("milestones %q, want %q", s, c.reached)
			}
			if h.Corrected != c.corrected {
				t.Errorf("corrected %t, want %t", h.Corrected, c.corrected)
			}
			if s := written(h.First); c.corrected && s != c.first {
				t.Errorf("first delivered %q, want %q", s, c.first)
			}
			if len(got.Events) != len(c.lines) {
				t.Errorf("%d events in the timeline, want all %d", len(got.Events), len(c.lines))
			}
			events := journey(t, c.lines...)
			permutations(len(events), func(order []int) {
				var s shelf
				for _, i := range order {
					s.take(t, events[i])
				}
				if string(s.head) != string(got.value) {
					t.Fatalf("in the order %v the head is %x, want %x", order, s.head, got.value)
				}
			})
		})
	}
}

// written is a moment as answers give it; "" for none.
func written(m Moment) string {
	if !m.Known {
		return ""
	}
	return strings.Trim(string(m.At.appendJSON(nil)), `"`)
}

// reached lists the milestones in their own order.
func reached(m *Meaning) string {
	var all []string
	for i, at := range m.Milestones {
		if at.Known {
			all = append(all, milestoneTable[i].name+"="+written(at))
		}
	}
	return strings.Join(all, " ")
}

// replaces says what may replace what, one row a status that stands and one
// column a status that comes later; both in the order of the statuses. y: at
// once; n: never; 6: six hours later; 2: the second such event more than a day
// later.
var replaces = [statuses]string{
	//                    -LPTOAVEDGRXC
	Unknown:            "nyyyyyyyyyyyy",
	PreTransit:         "nyyyyyyyyyyyy",
	PickedUp:           "nnyyyyyyyyyyy",
	InTransit:          "nnyyyyyyyyyyy",
	OutForDelivery:     "nnyyyyyyyyyyy",
	AttemptFailed:      "nnyyyyyyyyyyy",
	AvailableForPickup: "nnyyyyyyyyyyy",
	Exception:          "nnyyyyyyyyyyy",
	Delivered:          "nn22666nyyyyn",
	Returning:          "nnyyyyyyyyyyy",
	Returned:           "nn22666nnnyyn",
	Lost:               "nnyyyyynyyyyn",
	Cancelled:          "nnyyyyynyyyyy",
}

// Every pair of statuses, soon after and long after.
func TestWhatReplacesWhat(t *testing.T) {
	at := func(later time.Duration) string {
		return time.UnixMilli(noon).Add(later).UTC().Format("2006-01-02 15:04:05")
	}
	for now := range statuses {
		for to := range statuses {
			for _, later := range []time.Duration{time.Second, 5 * time.Hour, 7 * time.Hour, 23 * time.Hour, 25 * time.Hour} {
				after := at(later) + " " + to.String()
				once := fold(t, at(0)+" "+now.String(), after).Head.Pair.Status
				twice := fold(t, at(0)+" "+now.String(), after, at(later+time.Second)+" "+to.String()).Head.Pair
				want, wantTwice := now, Pair{Status: now}
				switch rule := replaces[now][to]; {
				case rule == 'y', rule == '6' && later >= 6*time.Hour:
					want, wantTwice = to, Pair{Status: to}
				case rule == '2' && later > 24*time.Hour:
					wantTwice = Pair{InTransit, "reopened"}
				}
				// A delivery that follows a way back ends it.
				if now == Returning && to == Delivered {
					want, wantTwice = Returned, Pair{Returned, "to_sender"}
				}
				if once != want || twice != wantTwice {
					t.Errorf("%s, and %s later %s: %s, then %v; want %s, then %v", now, later, to, once, twice, want, wantTwice)
				}
			}
		}
	}
}

// SF sends a batch of ten again when the answer was lost.
func TestTheSameBatchAgain(t *testing.T) {
	var lines []string
	for i := range 10 {
		lines = append(lines, time.UnixMilli(noon).Add(time.Duration(i)*time.Hour).UTC().Format("2006-01-02 15:04:05")+" in_transit")
	}
	batch := journey(t, lines...)
	for i := range batch {
		batch[i].TextEdits = i%2 == 0
		batch[i].References = []Reference{{"main", "order 1"}}
	}
	var s shelf
	if got := s.take(t, batch...); slices.Contains(got, Repeat) || len(s.events) != 10 {
		t.Fatalf("the first time: %v, %d events", got, len(s.events))
	}
	head := string(s.head)
	for i := range batch {
		batch[i].Heard += HLCAt(60_000)
	}
	if got := s.take(t, batch...); slices.ContainsFunc(got, func(x Taken) bool { return x != Repeat }) {
		t.Errorf("again: %v, want nothing but repeats", got)
	}
	if string(s.head) != head {
		t.Error("a repeat changed the head")
	}
	if s.read != 0 {
		t.Errorf("%d events were read to recognise repeats, want none", s.read)
	}
}
