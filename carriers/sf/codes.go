package sf

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"fmt"

	"github.com/VictoriaMetrics/metrics"

	"waytrace/trace"
)

// TableVersion is the version of the two code tables. It grows by one with every
// change of a code, a status or a sub-status in them; nodes that work together
// must have the same.
const TableVersion = 1

//go:embed codes.csv
var codesCSV []byte

//go:embed first_status.csv
var firstStatusCSV []byte

// An operation is a code with the reason that came with it.
type operation struct{ code, reason string }

var operations, firstStatuses = tables()

// tables reads both tables. A table that cannot be read is our own mistake.
func tables() (map[operation]trace.Pair, map[string]trace.Pair) {
	operations, err := readOperations(codesCSV)
	if err != nil {
		panic("BUG: sf: codes.csv: " + err.Error())
	}
	firstStatuses, err := readFirstStatuses(firstStatusCSV)
	if err != nil {
		panic("BUG: sf: first_status.csv: " + err.Error())
	}
	return operations, firstStatuses
}

// pairOf says what an operation code means. A reason that the table does not
// know with it counts for nothing. The first status speaks only where the table
// does not know the code at all; then the code is counted.
func pairOf(opCode, reason, firstStatus string) trace.Pair {
	p, known := operations[operation{opCode, reason}]
	if !known {
		p, known = operations[operation{opCode, ""}]
	}
	if !known {
		unmapped.Inc()
		p = firstStatuses[firstStatus]
	}
	return p
}

func readOperations(table []byte) (map[operation]trace.Pair, error) {
	m := make(map[operation]trace.Pair)
	err := eachRow(table, []string{"opcode", "reason", "status", "sub", "meaning", "source"}, func(row []string) error {
		o := operation{row[0], row[1]}
		if _, twice := m[o]; twice {
			return fmt.Errorf("%s with reason %q stands there twice", o.code, o.reason)
		}
		p, err := parsePair(row[2], row[3])
		m[o] = p
		return err
	})
	return m, err
}

func readFirstStatuses(table []byte) (map[string]trace.Pair, error) {
	m := make(map[string]trace.Pair)
	err := eachRow(table, []string{"code", "status", "sub", "meaning", "source"}, func(row []string) error {
		if _, twice := m[row[0]]; twice {
			return fmt.Errorf("%s stands there twice", row[0])
		}
		p, err := parsePair(row[1], row[2])
		m[row[0]] = p
		return err
	})
	return m, err
}

// eachRow calls take with every row below the head, which must be as given. All
// rows have a code, a meaning and a source.
func eachRow(table []byte, head []string, take func(row []string) error) error {
	r := csv.NewReader(bytes.NewReader(table))
	r.Comment = '#'
	r.FieldsPerRecord = len(head)
	rows, err := r.ReadAll()
	if err != nil {
		return err
	}
	for i, row := range rows {
		switch n := len(row); {
		case i == 0:
			if fmt.Sprint(row) != fmt.Sprint(head) {
				return fmt.Errorf("the columns are %v, not %v", row, head)
			}
			continue
		case row[0] == "" || row[n-2] == "" || row[n-1] == "":
			return fmt.Errorf("row %q: code, meaning and source must be there", row)
		}
		if err := take(row); err != nil {
			return err
		}
	}
	return nil
}

// parsePair reads a status and its sub-status; "-" changes no status.
func parsePair(status, sub string) (trace.Pair, error) {
	if status == "-" && sub == "" {
		return trace.Pair{}, nil
	}
	s, ok := trace.ParseStatus(status)
	if !ok || s == trace.Unknown {
		return trace.Pair{}, fmt.Errorf("there is no status %q", status)
	}
	if !trace.ValidSub(sub) {
		return trace.Pair{}, fmt.Errorf("%q is no sub-status", sub)
	}
	return trace.Pair{Status: s, Sub: sub}, nil
}

// unmapped counts routes whose operation code is not in the table, repeats too.
var unmapped = metrics.NewCounter(`waytrace_carriers_unmapped_total{carrier="sf"}`)
