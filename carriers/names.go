package carriers

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"strings"

	"waytrace/trace"
)

// A Naming is somebody's way to name carriers.
type Naming int

// Who names carriers: the columns of codes.csv. Kuaidi100 and Kdniao may have
// several names for one carrier.
const (
	Ours      Naming = iota // our code
	ByBrand                 // the brand, in its exact case; found in any case
	Kuaidi100               // Kuaidi100's com
	Kdniao                  // Kdniao's ShipperCode; found in any case
	namings
)

//go:embed codes.csv
var codesCSV []byte

// A company is a carrier under all its names, as its row has them: "" where one has
// none for it, several with blanks between them.
type company [namings]string

// names are those that somebody has for it.
func (c *company) names(by Naming) []string {
	switch {
	case c[by] == "":
		return nil
	case by == Kuaidi100 || by == Kdniao:
		return strings.Fields(c[by])
	}
	return []string{c[by]}
}

var companies, companyBy = readCompanies(codesCSV)

func readCompanies(table []byte) (all []company, by [namings]map[string]int) {
	r := csv.NewReader(bytes.NewReader(table))
	r.Comment = '#'
	r.FieldsPerRecord = int(namings)
	rows, err := r.ReadAll()
	if err != nil || strings.Join(rows[0], ",") != "code,brand,kuaidi100,kdniao" {
		panic("BUG: carriers/codes.csv: its columns are not code,brand,kuaidi100,kdniao")
	}
	for n := range by {
		by[n] = make(map[string]int)
	}
	for i, row := range rows[1:] {
		all = append(all, company(row))
		for n := range namings {
			for _, name := range all[i].names(n) {
				name = strings.ToLower(name)
				if _, twice := by[n][name]; twice || n == Ours && !trace.ValidCarrier(name) {
					panic("BUG: carriers/codes.csv: " + name + " stands there twice, or is no code")
				}
				by[n][name] = i
			}
		}
	}
	return all, by
}

// CodeOf gives our code of the carrier that somebody calls name. A name that the
// table does not have becomes "x-" and what of it a code may hold, in lower case;
// nothing is left of some names: then it is "".
func CodeOf(by Naming, name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	if i, ok := companyBy[by][name]; ok {
		return companies[i][Ours]
	}
	plain := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '-':
			return r
		case r == ' ', r == '_', r == '.':
			return '-'
		}
		return -1
	}, name)
	if plain = strings.Trim(plain, "-"); plain == "" || len(plain) > 30 {
		return ""
	}
	return "x-" + plain
}

// BrandOf gives the brand of our code, in its exact case; "" where it is not
// known.
func BrandOf(code string) string {
	if i, ok := companyBy[Ours][code]; ok {
		return companies[i][ByBrand]
	}
	return ""
}
