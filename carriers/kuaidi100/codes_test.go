package kuaidi100

import (
	"testing"

	"waytrace/carriers/carriertest"
)

// The hashes of the table's versions: see carriertest.TableVersion.
var tableHashes = map[uint32]string{
	1: "227e85ce23620bc2",
}

func TestTableVersion(t *testing.T) {
	carriertest.TableVersion(t, TableVersion, tableHashes, carriertest.Lines(table))
}

func TestCodes(t *testing.T) {
	for code, want := range map[string]string{
		"0": "in_transit.general", "1": "picked_up.collected", "2": "exception.general", "3": "delivered.general",
		"4": "returned.to_sender", "5": "out_for_delivery.general", "6": "returning.general", "7": "in_transit.handed_to_carrier",
		"8": "in_transit.customs_started", "12": "in_transit.customs_cleared", "13": "exception.customs_hold", "14": "exception.refused",
		"101": "pre_transit.order_created", "201": "unknown.", "202": "unknown.", "204": "attempt_failed.general",
		"205": "exception.pickup_overdue", "210": "cancelled.by_shipper", "304": "delivered.locker", "401": "cancelled.void_label",
		"501": "available_for_pickup.general", "1001": "in_transit.destination_city", "1003": "in_transit.forwarded",
		"拒签": "exception.refused", "投柜或驿站": "available_for_pickup.general", "超时未更新": "unknown.",
	} {
		p, known := table.Find(code, "")
		if got := p.Status.String() + "." + p.Sub; !known || got != want {
			t.Errorf("code %s: %s (known %t), want %s", code, got, known, want)
		}
	}
	// A word means what its code does.
	word := func(word, code string) {
		a, _ := table.Find(word, "")
		if b, known := table.Find(code, ""); a != b || !known {
			t.Errorf("%s is %v, but %s is %v", word, a, code, b)
		}
	}
	for _, r := range table.Rows {
		if r.Source == "word" && r.Code != "转单" {
			word(r.Code, r.Meaning)
		}
	}
	word("转单", "7")
}

func TestCodesOfCarrier(t *testing.T) {
	if c := open().Codes; c.Version != version || len(c.Tables) != 1 || c.Tables[0].Name != "codes.csv" {
		t.Errorf("version %d, tables %v", c.Version, c.Tables)
	}
}
