package sf

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"testing"

	"waytrace/trace"
)

// What a code means is a promise between nodes of one table version. When this
// fails, raise TableVersion and add a line; never change one.
var tableHashes = map[uint32]string{
	1: "4b396728b48e468d",
}

func TestTableVersion(t *testing.T) {
	var rows []string
	for o, p := range operations {
		rows = append(rows, fmt.Sprintf("code %q %q %s %s", o.code, o.reason, p.Status, p.Sub))
	}
	for s, p := range firstStatuses {
		rows = append(rows, fmt.Sprintf("first %q %s %s", s, p.Status, p.Sub))
	}
	slices.Sort(rows)
	sum := sha256.Sum256(fmt.Append(nil, rows))
	if got := hex.EncodeToString(sum[:8]); got != tableHashes[TableVersion] {
		t.Errorf("codes.csv or first_status.csv: hash %s, version %d has %q", got, TableVersion, tableHashes[TableVersion])
	}
}

// Every sub-status is one that package trace numbers: a head keeps it in a byte
// or two, another as its letters.
func TestSubsAreKnown(t *testing.T) {
	size := func(sub string) int {
		h := trace.Head{Pair: trace.Pair{Status: trace.InTransit, Sub: sub}}
		return len(h.Append(nil))
	}
	check := func(code string, p trace.Pair) {
		if p.Sub != "" && size(p.Sub)-size("") >= len(p.Sub) {
			t.Errorf("code %s: package trace does not know sub-status %q", code, p.Sub)
		}
	}
	for o, p := range operations {
		check(o.code, p)
	}
	for s, p := range firstStatuses {
		check("first "+s, p)
	}
	if size("nonesuch") < size("")+len("nonesuch") {
		t.Error("this test cannot tell a sub-status that is not known")
	}
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
		p := pairOf(c.code, c.reason, c.first)
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
			p, known := operations[operation{code: fmt.Sprint(code)}]
			if !known || p.Status != status {
				t.Errorf("code %d: %s (known %t), want %s", code, p.Status, known, status)
			}
		}
	}
}

func TestUnmappedIsCounted(t *testing.T) {
	counted := func(code, reason, first string) uint64 {
		before := unmapped.Get()
		pairOf(code, reason, first)
		return unmapped.Get() - before
	}
	for _, c := range []struct {
		code, first string
		want        uint64
	}{{"50", "", 0}, {"8000", "", 0}, {"603", "", 0}, {"607", "", 1}, {"9999", "", 1}, {"9999", "2", 1}, {"", "", 1}} {
		if got := counted(c.code, "77", c.first); got != c.want {
			t.Errorf("code %q, first status %q: counted %d times, want %d", c.code, c.first, got, c.want)
		}
	}
}

func TestBrokenTables(t *testing.T) {
	const head = "opcode,reason,status,sub,meaning,source\n"
	for name, table := range map[string]string{
		"other columns":  "opcode,status,reason,sub,meaning,source\n50,,picked_up,,m,s\n",
		"a column more":  head + "50,,picked_up,,m,s,x\n",
		"no such status": head + "50,,collected,,m,s\n",
		"unknown":        head + "50,,unknown,,m,s\n",
		"broken sub":     head + "50,,picked_up,Not so,m,s\n",
		"sub of nothing": head + "50,,-,signed,m,s\n",
		"no code":        head + ",,picked_up,,m,s\n",
		"no source":      head + "50,,picked_up,,m,\n",
		"twice":          head + "50,,picked_up,,m,s\n50,,delivered,,m,s\n",
	} {
		if _, err := readOperations([]byte(table)); err == nil {
			t.Errorf("%s: the table was read", name)
		}
	}
}
