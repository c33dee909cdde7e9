package carriers

import (
	"bytes"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"

	"waytrace/trace"
)

// A Table is a code table: what each of a source's codes means to us.
type Table struct {
	Name   string // of its file
	Rows   []Row
	byCode map[[2]string]int
}

// A Row says what one code means.
type Row struct {
	Code, Reason string     // reason "" stands for all reasons that have no row of their own
	Pair         trace.Pair // Unknown: the code is known and changes no status
	Meaning      string
	Source       string // where that is from
}

// tableHead is the first line of every table's file.
var tableHead = []string{"code", "reason", "status", "sub", "meaning", "source"}

// ReadTable reads a table from CSV with the columns code, reason, status, sub,
// meaning, source. Lines that begin with # are for people. Status "-" is a code
// that is known and changes no status. Every row has a code, a meaning and a
// source. What is wrong is ErrInvalid and names the line.
func ReadTable(name string, data []byte) (*Table, error) {
	t := &Table{Name: name, byCode: map[[2]string]int{}}
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, utf8BOM)))
	r.Comment = '#'
	r.FieldsPerRecord = len(tableHead)
	rows, err := r.ReadAll()
	if err != nil {
		return nil, fmt.Errorf("%s: %w: %w", name, err, trace.ErrInvalid)
	}
	if len(rows) == 0 || !slices.Equal(rows[0], tableHead) {
		return nil, fmt.Errorf("%s: its first line is not %s: %w", name, strings.Join(tableHead, ","), trace.ErrInvalid)
	}
	for _, row := range rows[1:] {
		pair, err := parsePair(row[2], row[3])
		switch {
		case err != nil:
			return nil, fmt.Errorf("%s, code %q: %w: %w", name, row[0], err, trace.ErrInvalid)
		case row[0] == "" || row[4] == "" || row[5] == "":
			return nil, fmt.Errorf("%s, row %q: code, meaning and source must be there: %w", name, row, trace.ErrInvalid)
		}
		if err := t.add(Row{row[0], row[1], pair, row[4], row[5]}); err != nil {
			return nil, err
		}
	}
	return t, nil
}

// MustTable reads a table that is part of the program.
func MustTable(name string, data []byte) *Table {
	t, err := ReadTable(name, data)
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return t
}

func (t *Table) add(row Row) error {
	key := [2]string{row.Code, row.Reason}
	if _, twice := t.byCode[key]; twice {
		return fmt.Errorf("%s: code %q with reason %q stands there twice: %w", t.Name, row.Code, row.Reason, trace.ErrInvalid)
	}
	t.byCode[key] = len(t.Rows)
	t.Rows = append(t.Rows, row)
	return nil
}

// Find gives what a code means that came with a reason: a reason without a row
// of its own counts for nothing.
func (t *Table) Find(code, reason string) (p trace.Pair, known bool) {
	if i, ok := t.byCode[[2]string{code, reason}]; ok {
		return t.Rows[i].Pair, true
	}
	if reason != "" {
		if i, ok := t.byCode[[2]string{code, ""}]; ok {
			return t.Rows[i].Pair, true
		}
	}
	return trace.Pair{}, false
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
