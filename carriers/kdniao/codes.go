package kdniao

import (
	_ "embed"

	"waytrace/carriers"
)

// TableVersion is the version of the code table. It grows by one with every change
// of a code, a status or a sub-status in it.
const TableVersion = 1

// version is that of all that events are mapped by: the table, and the rules that
// read texts. It grows with either, and nodes that work together must have the
// same.
const version = TableVersion + carriers.TextVersion - 1

//go:embed codes.csv
var codesCSV []byte

var table = carriers.MustTable("codes.csv", codesCSV)
