package carriers

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/VictoriaMetrics/metrics"

	"waytrace/trace"
)

// A Naming is somebody's way to name carriers.
type Naming int

// Who names carriers: the columns of codes.csv, where a carrier may have several
// names but for code and brand.
const (
	Ours      Naming = iota // our code
	ByBrand                 // the brand, in its exact case; found in any case, and in Chinese too
	chinese                 // the brand in Chinese; found by ByBrand
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
	case by == Ours || by == ByBrand:
		return []string{c[by]}
	}
	return strings.Fields(c[by])
}

var companies, companyBy = readCompanies(codesCSV)

func readCompanies(table []byte) (all []company, by [namings]map[string]int) {
	r := csv.NewReader(bytes.NewReader(table))
	r.Comment = '#'
	r.FieldsPerRecord = int(namings)
	rows, err := r.ReadAll()
	if err != nil || strings.Join(rows[0], ",") != "code,brand,zh,kuaidi100,kdniao" {
		panic("BUG: carriers/codes.csv: its columns are not code,brand,zh,kuaidi100,kdniao")
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
// table does not have is counted, and becomes "x-" and itself in lower case where a
// code can hold it: letters and digits, with a "-" for each blank, "_" and ".". Else
// it is "", for what is left of a name is another name.
func CodeOf(by Naming, name string) string {
	name = strings.ToLower(strings.TrimSpace(name))
	if name == "" {
		return ""
	}
	i, found := companyBy[by][name]
	if !found && by == ByBrand {
		i, found = byChineseName(name)
	}
	if found {
		return companies[i][Ours]
	}
	unknownNames[by].Inc()
	plain := strings.Trim(separators.Replace(name), "-")
	if plain == "" || len(plain) > 30 || !trace.ValidCarrier(plain) {
		return ""
	}
	return "x-" + plain
}

// separators are what parts the words of a name.
var separators = strings.NewReplacer(" ", "-", "_", "-", ".", "-")

// byChineseName finds a carrier whose name is Chinese, or Chinese and Latin: 中通速递,
// 顺丰 SF Express, FedEx联邦快递. name is in lower case. What is found by its Chinese part
// and what by its Latin part must be one carrier.
func byChineseName(name string) (i int, found bool) {
	if i, found = companyBy[chinese][name]; found || !strings.ContainsFunc(name, isHan) {
		return i, found
	}
	for len(name) > 0 {
		first, _ := utf8.DecodeRuneInString(name)
		end := strings.IndexFunc(name, func(r rune) bool { return !isMark(r) && isHan(r) != isHan(first) })
		if end < 0 {
			end = len(name)
		}
		for _, j := range brandsIn(strings.FieldsFunc(name[:end], isMark)) {
			if found && i != j {
				return 0, false
			}
			i, found = j, true
		}
		name = name[end:]
	}
	return i, found
}

// brandsIn finds the carriers that words of one script name: all words together, or
// else each.
func brandsIn(words []string) (all []int) {
	for _, whole := range []string{strings.Join(words, ""), strings.Join(words, " ")} {
		if i, found := brand(whole); found {
			return []int{i}
		}
	}
	for _, word := range words {
		if i, found := brand(word); found {
			all = append(all, i)
		}
	}
	return all
}

// brand finds a carrier by a name of one script: its brand, our code or its name in
// Chinese.
func brand(name string) (i int, found bool) {
	if i, found = companyBy[ByBrand][name]; !found {
		i, found = companyBy[Ours][name]
	}
	if !found {
		i, found = chineseBrand(name)
	}
	return i, found
}

// chineseBrand finds a Chinese name, also with words of the trade behind it, of which
// it takes off as few as it must: 中通快运 is a carrier of its own, 中通速递 is 中通.
func chineseBrand(name string) (i int, found bool) {
	for {
		if i, found = companyBy[chinese][name]; found {
			return i, true
		}
		shorter := name
		for _, word := range tradeWords {
			if shorter = strings.TrimSuffix(name, word); shorter != name {
				break
			}
		}
		if shorter == name {
			return 0, false
		}
		name = shorter
	}
}

// tradeWords are what carriers and others put behind a Chinese name. None ends with one
// that stands before it.
var tradeWords = []string{"有限公司", "公司", "集团", "股份", "速递", "快递", "速运", "快运", "物流", "快件", "货运"}

func isHan(r rune) bool { return unicode.Is(unicode.Han, r) }

// isMark reports whether r stands between the words of a name.
func isMark(r rune) bool {
	return unicode.IsSpace(r) || strings.ContainsRune("()（）[]【】<>-–—_/|,，、;；:：·", r)
}

// BrandOf gives the brand of our code, in its exact case; "" where it is not
// known.
func BrandOf(code string) string {
	if i, ok := companyBy[Ours][code]; ok {
		return companies[i][ByBrand]
	}
	return ""
}

// unknownNames count the names that the table does not have, each time one is asked
// for, by whose naming it was.
var unknownNames = map[Naming]*metrics.Counter{
	Ours:      metrics.NewCounter(`waytrace_carriers_unknown_names_total{source="ours"}`),
	ByBrand:   metrics.NewCounter(`waytrace_carriers_unknown_names_total{source="brand"}`),
	Kuaidi100: metrics.NewCounter(`waytrace_carriers_unknown_names_total{source="kuaidi100"}`),
	Kdniao:    metrics.NewCounter(`waytrace_carriers_unknown_names_total{source="kdniao"}`),
}
