package kdniao

import (
	"testing"

	"waytrace/carriers/carriertest"
)

// The hashes of the table's versions: see carriertest.TableVersion.
var tableHashes = map[uint32]string{
	1: "6acf2701ba4b97b3",
}

func TestTableVersion(t *testing.T) {
	carriertest.TableVersion(t, TableVersion, tableHashes, carriertest.Lines(table))
}

func TestCodes(t *testing.T) {
	for code, want := range map[string]string{
		"0": "unknown.", "1": "picked_up.collected", "2": "in_transit.general", "3": "delivered.signed", "4": "exception.general",
		"5": "in_transit.forwarded", "6": "in_transit.customs_started", "10": "pre_transit.awaiting_pickup",
		"201": "in_transit.destination_city", "202": "out_for_delivery.general", "211": "available_for_pickup.locker",
		"301": "delivered.signed", "302": "delivered.after_exception", "304": "delivered.signed_by_other", "311": "delivered.locker",
		"401": "unknown.", "402": "unknown.", "403": "unknown.", "404": "returning.refused", "405": "attempt_failed.general",
		"406": "returned.to_sender", "407": "returning.general", "412": "exception.pickup_overdue", "413": "exception.intercepted",
		"603": "in_transit.customs_cleared", "604": "exception.customs_hold",
	} {
		p, known := table.Find(code, "")
		if got := p.Status.String() + "." + p.Sub; !known || got != want {
			t.Errorf("code %s: %s (known %t), want %s", code, got, known, want)
		}
	}
}

func TestCodesOfCarrier(t *testing.T) {
	if c := open().Codes; c.Version != version || len(c.Tables) != 1 || c.Tables[0].Name != "codes.csv" {
		t.Errorf("version %d, tables %v", c.Version, c.Tables)
	}
}
