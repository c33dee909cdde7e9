package trace

import (
	"strings"
	"testing"
)

// The sub-statuses of each status, as the taxonomy lists them; "" stands for none.
var taxonomy = map[Status]string{
	PreTransit: "order_created label_created pickup_scheduled courier_assigned awaiting_pickup pickup_failed",
	PickedUp:   "collected dropped_off accepted warehouse_in",
	InTransit: "general departed arrived linehaul handed_to_carrier export_customs customs_started customs_cleared arrived_country " +
		"destination_facility destination_city forwarded rescheduled resolved reopened",
	OutForDelivery:     "general contacted appointment last_mile_received",
	AttemptFailed:      "general not_home business_closed no_access address refused_pending cod_unpaid id_check no_contact out_of_area",
	AvailableForPickup: "general locker shop post_office reminder overdue",
	Exception: "general address customs_hold customs_docs customs_prohibited duty_unpaid payment weather delay damaged refused no_contact " +
		"misrouted security on_hold info_required investigating intercepted out_of_area pickup_overdue",
	Delivered: "general signed signed_by_other neighbour safe_place reception locker shop cod partial damaged after_exception po_box",
	Returning: "general refused unclaimed undeliverable requested",
	Returned:  "to_sender to_warehouse",
	Lost:      "missing destroyed disposed seized",
	Cancelled: "by_shipper by_carrier by_consignee void_label",
}

// troubled says of which statuses every sub-status is a trouble, so has a party.
var troubled = map[Status]bool{AttemptFailed: true, AvailableForPickup: true, Exception: true, Returning: true, Lost: true, Cancelled: true}

func TestPartyOfEverySub(t *testing.T) {
	known := map[Pair]bool{}
	for status, subs := range taxonomy {
		for _, sub := range strings.Fields(subs) {
			p := Pair{status, sub}
			known[p] = true
			if _, numbered := subNumbers[sub]; !numbered {
				t.Errorf("%s is not numbered", pairText(p))
			}
			if troubled[status] && p.Party() == NoParty {
				t.Errorf("%s is a trouble, and has no party", pairText(p))
			}
			for l := range langs {
				if has := p.Reason(l) != ""; has != (p.Party() != NoParty) {
					t.Errorf("%s has party %q and the reason %q in %s", pairText(p), p.Party(), p.Reason(l), l)
				}
			}
		}
	}
	for p, trouble := range troubles {
		if p.Sub != "" && !known[p] {
			t.Errorf("%s is no sub-status of the taxonomy", pairText(p))
		}
		if trouble.party == NoParty {
			t.Errorf("%s is a trouble of nobody", pairText(p))
		}
		if trouble.action && trouble.party == OfForce {
			t.Errorf("%s is nobody's, and somebody must act", pairText(p))
		}
		if trouble.words[ZhHans] == trouble.words[EN] {
			t.Errorf("%s is the same in two languages: %q", pairText(p), trouble.words[EN])
		}
	}
}

// Where nothing is wrong nobody is named, and an exception that nobody knows lies
// with nobody yet.
func TestParties(t *testing.T) {
	for _, c := range []struct {
		pair   Pair
		party  string
		action bool
		words  string
	}{
		{Pair{InTransit, "departed"}, "", false, ""},
		{Pair{Delivered, "signed"}, "", false, ""},
		{Pair{Delivered, "eaten"}, "", false, ""},
		{Pair{Exception, "eaten"}, "unknown", false, "Something is wrong"},
		{Pair{Exception, ""}, "unknown", false, "Something is wrong"},
		{Pair{Exception, "customs_docs"}, "consignee", true, "Customs needs documents"},
		{Pair{Exception, "customs_hold"}, "customs", false, "Held by customs"},
		{Pair{Exception, "weather"}, "force_majeure", false, "Delayed by weather"},
		{Pair{Exception, "info_required"}, "shipper", true, "Information is needed"},
		{Pair{Exception, "delay"}, "carrier", false, "Delayed"},
		{Pair{AvailableForPickup, ""}, "consignee", true, "To be collected"},
	} {
		if got := c.pair.Party().String(); got != c.party || c.pair.ActionRequired() != c.action || c.pair.Reason(EN) != c.words {
			t.Errorf("%s: party %q, action %t, %q; want %q, %t, %q", pairText(c.pair), got, c.pair.ActionRequired(), c.pair.Reason(EN), c.party, c.action, c.words)
		}
	}
}
