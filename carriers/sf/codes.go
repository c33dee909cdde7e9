package sf

import (
	_ "embed"

	"waytrace/carriers"
	"waytrace/trace"
)

// TableVersion is the version of the two code tables that are part of the
// program. It grows by one with every change of a code, a status or a sub-status
// in them.
const TableVersion = 1

// versions is how many versions of an operator's own tables fit between two of
// ours: what a code means has the version TableVersion*versions + CodesVersion.
const versions = 1000

//go:embed codes.csv
var codesCSV []byte

//go:embed first_status.csv
var firstStatusCSV []byte

var (
	operations    = carriers.MustTable("codes.csv", codesCSV)
	firstStatuses = carriers.MustTable("first_status.csv", firstStatusCSV)
)

// pairOf says what an operation code means, and whether any table knows it: the
// account's own stands before SF's standard one. The first status speaks only
// where neither knows the code. A route without a code counts as known: there is
// nothing that a table could say of it.
func (a *account) pairOf(opCode, reason, firstStatus string) (p trace.Pair, known bool) {
	if a.own != nil {
		if p, known = a.own.Find(opCode, reason); known {
			return p, true
		}
	}
	if p, known = operations.Find(opCode, reason); !known {
		p, _ = firstStatuses.Find(firstStatus, "")
	}
	return p, known || opCode == ""
}

// codes is carriers.Carrier.Codes.
func (d *dialect) codes() *carriers.Codes {
	c := &carriers.Codes{Version: d.version, Map: d.mapAnew}
	for _, t := range append([]*carriers.Table{operations, firstStatuses}, d.own...) {
		c.Tables = append(c.Tables, *t)
	}
	return c
}

// mapAnew is carriers.Codes.Map.
func (d *dialect) mapAnew(e *trace.Event) (known bool) {
	firstStatus, account := readHint(e.Hint)
	e.Provisional = false
	e.Pair, known = d.account(account).pairOf(e.Code, e.ReasonCode, firstStatus)
	return known
}
