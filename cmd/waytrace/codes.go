package main

import (
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"waytrace/carriers"
	"waytrace/carriers/all"
	"waytrace/trace"
)

// CodesCmd is `waytrace codes`.
type CodesCmd struct {
	Operator
	Carrier  string `arg:"" optional:"" help:"The carrier whose codes are shown; without it, which carriers have tables."`
	Unmapped bool   `help:"What a daemon has met that no table knows."`
}

// Help is the example of --help.
func (*CodesCmd) Help() string {
	return `The tables are those of this program; no daemon is asked but for --unmapped. A table on a terminal,
CSV elsewhere.

Example:

	waytrace codes
	waytrace codes sf > sf.csv
	waytrace codes --unmapped`
}

// Validate is asked by kong.
func (c *CodesCmd) Validate() error {
	if c.Unmapped && c.Carrier != "" {
		return errors.New("--unmapped lists those of all carriers: leave the carrier away")
	}
	return nil
}

// Run shows what is asked for.
func (c *CodesCmd) Run(ctx context.Context, std *streams) error {
	if c.Unmapped {
		return c.unmapped(ctx, std)
	}
	known, err := ownCarriers()
	if err != nil {
		return err
	}
	if c.Carrier == "" {
		return writeRows(std, overviewOf(known))
	}
	i := slices.IndexFunc(known, func(k carriers.Carrier) bool { return k.Code == c.Carrier || slices.Contains(k.Aliases, c.Carrier) })
	switch {
	case i < 0:
		return fmt.Errorf("there is no carrier %s: `waytrace codes` lists them", plain(c.Carrier))
	case known[i].Codes == nil:
		return fmt.Errorf("%s has no table of codes", known[i].Code)
	}
	return writeRows(std, rowsOf(known[i].Codes))
}

// ownCarriers are the carriers as this program has them, without anybody's settings.
func ownCarriers() ([]carriers.Carrier, error) { return new(all.Settings).Carriers() }

func overviewOf(known []carriers.Carrier) [][]string {
	rows := [][]string{{"carrier", "name", "version", "tables", "codes"}}
	for _, k := range known {
		row := []string{k.Code, k.Name, "", "", ""}
		if k.Codes != nil {
			var names []string
			codes := 0
			for i := range k.Codes.Tables {
				names = append(names, k.Codes.Tables[i].Name)
				codes += len(k.Codes.Tables[i].Rows)
			}
			row = []string{k.Code, k.Name, strconv.FormatUint(uint64(k.Codes.Version), 10), strings.Join(names, " "), strconv.Itoa(codes)}
		}
		rows = append(rows, row)
	}
	return rows
}

// rowsOf are the tables of a carrier, with a first column that names the table
// where there are several.
func rowsOf(codes *carriers.Codes) [][]string {
	rows := [][]string{{"code", "reason", "status", "sub", "meaning", "source"}}
	several := len(codes.Tables) > 1
	if several {
		rows[0] = append([]string{"table"}, rows[0]...)
	}
	for i := range codes.Tables {
		t := &codes.Tables[i]
		for _, r := range t.Rows {
			status := "-" // known, and changes no status
			if r.Pair.Status != trace.Unknown {
				status = r.Pair.Status.String()
			}
			row := []string{r.Code, r.Reason, status, r.Pair.Sub, r.Meaning, r.Source}
			if several {
				row = append([]string{t.Name}, row...)
			}
			rows = append(rows, row)
		}
	}
	return rows
}

// unmapped lists what a daemon has met.
func (c *CodesCmd) unmapped(ctx context.Context, std *streams) error {
	daemon, err := c.client()
	if err != nil {
		return err
	}
	defer daemon.close()
	got, err := daemon.do(ctx, "/unmapped", "", nil)
	if err != nil {
		return err
	}
	if got.status != http.StatusOK {
		return got.problem()
	}
	var items []unmappedItem
	if err := json.Unmarshal(got.body, &items); err != nil {
		return fmt.Errorf("%s: the answer is not a list of codes: is this the admin listener?", c.Admin)
	}
	rows := [][]string{{"carrier", "code", "count", "number", "reason", "text", "first_seen"}}
	for _, u := range items {
		rows = append(rows, []string{u.Carrier, u.Code, strconv.FormatUint(u.Count, 10), u.Sample.Number, u.Sample.Reason, u.Sample.Text,
			u.FirstSeen.UTC().Format("2006-01-02T15:04:05Z")})
	}
	if err := writeRows(std, rows); err != nil {
		return err
	}
	fmt.Fprintf(std.err, "%d codes that no table knows\n", len(items))
	return nil
}

// writeRows writes a table on a terminal, CSV elsewhere; the first row names the
// columns.
func writeRows(std *streams, rows [][]string) error {
	if !isTerminal(std.out) {
		return csv.NewWriter(std.out).WriteAll(rows)
	}
	for i, name := range rows[0] {
		rows[0][i] = strings.ToUpper(name)
	}
	_, err := std.out.Write(appendTable(nil, rows))
	return err
}
