package sf

import (
	"fmt"
	"testing"

	"waytrace/carriers"
	"waytrace/carriers/carriertest"
	"waytrace/trace"
)

// The hashes of the tables' versions: see carriertest.TableVersion.
var tableHashes = map[uint32]string{
	1: "4b396728b48e468d",
}

func TestTableVersion(t *testing.T) {
	var lines []string
	for _, line := range carriertest.Lines(operations) {
		lines = append(lines, "code "+line)
	}
	for _, r := range firstStatuses.Rows {
		lines = append(lines, fmt.Sprintf("first %q %s %s", r.Code, r.Pair.Status, r.Pair.Sub))
	}
	carriertest.TableVersion(t, TableVersion, tableHashes, lines)
}

func TestPairOf(t *testing.T) {
	for _, c := range []struct{ code, reason, first, want string }{
		{"50", "", "", "picked_up.collected"},
		{"80", "", "", "delivered.signed"},
		{"80", "29", "13", "delivered.signed"},
		{"127", "", "", "pre_transit.awaiting_pickup"},
		{"126", "", "", "out_for_delivery"},
		{"634", "", "", "out_for_delivery"},
		{"70", "", "", "attempt_failed"},
		{"70", "46", "", "cancelled.by_shipper"},
		{"70", "83", "", "available_for_pickup"},
		{"33", "85", "", "available_for_pickup"},
		{"33", "46", "", "attempt_failed"},
		{"218", "", "", "available_for_pickup"},
		{"99", "", "", "in_transit.forwarded"},
		{"99", "2", "", "returning"},
		{"648", "", "", "returning"},
		{"605", "", "", "in_transit.customs_started"},
		{"608", "", "", "in_transit.customs_cleared"},
		{"621", "", "", "exception.customs_hold"},
		{"8000", "", "", "unknown"},
		{"8000", "", "4", "unknown"},
		{"8000", "6", "", "lost.missing"},
		{"8000", "2", "", "lost.destroyed"},
		{"607", "", "", "unknown"},
		{"607", "", "2", "in_transit"},
		{"", "", "7", "pre_transit.courier_assigned"},
		{"X1", "", "1", "picked_up"},
		{"X1", "", "3", "out_for_delivery"},
		{"X1", "", "4", "delivered"},
		{"X1", "", "5", "cancelled"},
		{"X1", "", "11", "available_for_pickup"},
		{"X1", "", "13", "attempt_failed"},
		{"X1", "", "6", "unknown"},
		{"X1", "", "10", "unknown"},
		{"050", "", "", "unknown"},
	} {
		p, _ := new(account).pairOf(c.code, c.reason, c.first)
		got := p.Status.String()
		if p.Sub != "" {
			got += "." + p.Sub
		}
		if got != c.want {
			t.Errorf("code %q, reason %q, first status %q: %s, want %s", c.code, c.reason, c.first, got, c.want)
		}
	}
}

// The statuses that codes have by what is known of them, without their subs.
func TestCodesHaveTheirStatus(t *testing.T) {
	for status, codes := range map[trace.Status][]int{
		trace.PickedUp:           {50, 43, 54, 129},
		trace.PreTransit:         {127},
		trace.InTransit:          {30, 31, 36, 3036, 10, 11, 105, 106, 302, 304, 305, 310, 407, 501, 123, 99, 626, 627, 15, 17, 604, 605, 14, 606, 608, 623},
		trace.OutForDelivery:     {44, 204, 211, 212, 630, 634, 126},
		trace.AttemptFailed:      {33, 70},
		trace.AvailableForPickup: {125, 130, 678, 218, 642},
		trace.Exception:          {18, 621, 613, 34, 66, 77, 833, 72, 870},
		trace.Delivered:          {80, 128, 679, 935},
		trace.Returning:          {648, 631},
		trace.Unknown:            {8000, 517, 603, 628},
	} {
		for _, code := range codes {
			p, known := operations.Find(fmt.Sprint(code), "")
			if !known || p.Status != status {
				t.Errorf("code %d: %s (known %t), want %s", code, p.Status, known, status)
			}
		}
	}
}

// What no table knows is marked, also where the first status helps; but not a route
// without a code, which nobody could map.
func TestUnmapped(t *testing.T) {
	for _, c := range []struct {
		code, first string
		want        bool
	}{{"50", "", false}, {"8000", "", false}, {"603", "", false}, {"607", "", true}, {"9999", "", true}, {"9999", "2", true}, {"", "", false}, {"", "2", false}} {
		facts, err := decode(Settings{}, oneRoute(`"opCode":"`+c.code+`","reasonCode":"77","firstStatusCode":"`+c.first+`"`), "")
		if err != nil || len(facts.Events) != 1 {
			t.Fatalf("%d events, error %v", len(facts.Events), err)
		}
		if got := facts.Events[0].Unmapped; got != c.want {
			t.Errorf("code %q, first status %q: unmapped %t, want %t", c.code, c.first, got, c.want)
		}
	}
}

// oneRoute is a push of one route with some more members.
func oneRoute(members string) string {
	return `{"Body":{"WaybillRoute":[{"mailno":"SF0000000001","acceptTime":"2024-03-18 09:41:07",` + members + `}]}}`
}

// A stored event is mapped anew to what it would be if it were pushed now: by the
// table of the account that it came for, whatever the strings in between.
func TestMapIsWhatDecodeDoes(t *testing.T) {
	c := withAccounts()
	if c.Codes.Version != TableVersion*versions+1 || len(c.Codes.Tables) != 3 || c.Codes.Tables[2].Name != "testdata/shop-codes.csv" {
		t.Errorf("version %d, %d tables", c.Codes.Version, len(c.Codes.Tables))
	}
	distinct := make(map[string]bool)
	for _, account := range []string{"", "main", "shop", "hk", "gone"} {
		for _, opCode := range []string{"50", "44", "80", "70", "A10", "A70", "B1", "607", ""} {
			for _, reason := range []string{"", "5", "46"} {
				for _, first := range []string{"", "2", "99", `2\u001fshop`, `\u001f`, `2\u001f`} {
					body := oneRoute(`"opCode":"` + opCode + `","reasonCode":"` + reason + `","firstStatusCode":"` + first + `"`)
					var facts trace.Facts
					if err := c.Push.Decode(&carriers.Request{Body: []byte(body), Account: account}, &facts); err != nil {
						t.Fatal(err)
					}
					e := &facts.Events[0]
					again := trace.Event{Code: e.Code, ReasonCode: e.ReasonCode, Hint: e.Hint}
					known := c.Codes.Map(&again)
					p := again.Pair
					if p != e.Pair || known == e.Unmapped || e.Table != c.Codes.Version {
						t.Errorf("account %q, code %q, reason %q, first status %q: decoded as %v, unmapped %t, of table %d; mapped to %v, known %t",
							account, opCode, reason, first, e.Pair, e.Unmapped, e.Table, p, known)
					}
					distinct[opCode+" "+p.Status.String()+p.Sub] = true
				}
			}
		}
	}
	for _, want := range []string{"44 out_for_delivery", "44 in_transitdestination_facility", "A10 picked_upaccepted", "A10 unknown", "A70 out_for_deliveryappointment"} {
		if !distinct[want] {
			t.Errorf("nothing was read as %s", want)
		}
	}
	// An event of before its account had a name is the usual account's.
	e := trace.Event{Code: "44"}
	if known := c.Codes.Map(&e); !known || e.Pair.Status != trace.OutForDelivery {
		t.Errorf("an event without a hint: %v, known %t", e.Pair, known)
	}
}
