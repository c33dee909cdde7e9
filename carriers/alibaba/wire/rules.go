package wire

import (
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"waytrace/trace"
)

// Rules are one of the document's tables of parameters, a rule a row, in its
// order.
type Rules []Rule

// A Rule says what one parameter must be like. Of a parameter that is not given
// only Mandatory, Blank and When are asked.
type Rule struct {
	Name      string
	Mandatory bool
	When      Condition // mandatory where this holds
	Min, Max  int       // length, in characters; 0 is no limit
	Enum      []string  // what it may be; nil is anything
	// Blank: it must be given, if only as text of blanks.
	Blank bool
	// Form gives the sub-code of what is wrong with a text, and the limit that it
	// passes, if any; code "" is nothing.
	Form func(text string) (code, limit string)
	// Nested: an object or a list, or the JSON text of one. It is for the caller to
	// read on.
	Nested bool
}

// A Condition holds where another parameter of the table is so.
type Condition struct{ Name, Is string }

// A Violation is a parameter that is not as its rule wants it. It is the error
// that the request is answered with.
type Violation struct {
	Code  string // the sub-code
	Path  string // in front of the field: "traceInfos[2].", or ""
	Field string
	Limit string // the length, the number or the decimals that are meant; may be empty
}

// Error is the sub-code with its message.
func (v Violation) Error() string { return v.Code + " " + v.Message() }

// Message says which field it is and what is wrong, in the document's words. It
// does not repeat the value.
func (v Violation) Message() string {
	text := Words(v.Code)
	if v.Limit != "" {
		text += " " + v.Limit
	}
	if of := strings.TrimSuffix(v.Path+v.Field, "."); of != "" {
		return of + ": " + text
	}
	return text
}

// Unwrap: sending the same again never helps.
func (v Violation) Unwrap() error { return trace.ErrInvalid }

// At puts a path in front of violations, in place, and returns them.
func At(path string, wrong []Violation) []Violation {
	for i := range wrong {
		wrong[i].Path = path + wrong[i].Path
	}
	return wrong
}

// Check holds values against the rules, one for each, in their order. It gives one
// violation for each parameter that is wrong, in that order; nil when all is well.
func (rules Rules) Check(values ...Value) (wrong []Violation) {
	for i := range rules {
		if code, limit := rules.check(i, values); code != "" {
			wrong = append(wrong, Violation{Code: code, Field: rules[i].Name, Limit: limit})
		}
	}
	return wrong
}

func (rules Rules) check(i int, values []Value) (code, limit string) {
	r, v := &rules[i], &values[i]
	if !v.Given() {
		if r.Blank && !v.Sent || r.Mandatory || rules.holds(r.When, values) {
			return Empty, ""
		}
		return "", ""
	}
	if r.Nested {
		return "", ""
	}
	if v.JSON != "" {
		return BadFormat, ""
	}
	if r.Min > 0 || r.Max > 0 {
		switch n := utf8.RuneCountInString(v.Text); {
		case n < r.Min:
			return TooShort, strconv.Itoa(r.Min)
		case r.Max > 0 && n > r.Max:
			return TooLong, strconv.Itoa(r.Max)
		}
	}
	if r.Enum != nil && !slices.Contains(r.Enum, v.Text) {
		return BadEnum, ""
	}
	if r.Form != nil {
		return r.Form(v.Text)
	}
	return "", ""
}

func (rules Rules) holds(c Condition, values []Value) bool {
	if c.Name == "" {
		return false
	}
	for i := range rules {
		if rules[i].Name == c.Name {
			return values[i].Text == c.Is
		}
	}
	panic("BUG: wire: a condition names " + c.Name + ", which the table does not have")
}

// OrderNo is the rule of aliOrderNo. Its tables say 17 characters, its samples have
// 13: any length that a waybill number can have, up to 32, is taken. Small letters
// are not: tables and samples agree on capitals.
var OrderNo = Rule{Name: "aliOrderNo", Mandatory: true, Min: trace.MinNumber, Max: 32, Form: capitals}

// OrderNoLength is how long the document's tables say that an aliOrderNo is.
const OrderNoLength = 17

// capitals wants [A-Z0-9].
func capitals(text string) (code, limit string) {
	if strings.ContainsFunc(text, func(r rune) bool { return (r < 'A' || r > 'Z') && (r < '0' || r > '9') }) {
		return NotAlphanumeric, ""
	}
	return "", ""
}

// Number wants what can be the number of a waybill.
func Number(text string) (code, limit string) {
	if _, err := trace.ParseNumber(text); err == nil {
		return "", ""
	}
	length := 0
	for _, r := range text {
		switch {
		case unicode.IsSpace(r): // which do not count
			continue
		case r != '-' && !isLetter(r) && (r < '0' || r > '9'):
			return NotAlphanumeric, ""
		}
		length++
	}
	if length < trace.MinNumber {
		return TooShort, strconv.Itoa(trace.MinNumber)
	}
	return TooLong, strconv.Itoa(trace.MaxNumber)
}

// Whole wants a whole number, not negative, of so many bits at most.
func Whole(bits int) func(text string) (code, limit string) {
	return func(text string) (code, limit string) {
		_, err := strconv.ParseUint(text, 10, bits)
		switch {
		case err == nil:
			return "", ""
		case isDigits(text):
			return TooLarge, strconv.FormatUint(1<<bits-1, 10)
		case isNumber(text):
			return NotWhole, ""
		}
		return NotDigits, ""
	}
}

// Positive wants a whole number of at least 1, of 63 bits at most.
func Positive(text string) (code, limit string) {
	n, err := strconv.ParseInt(text, 10, 64)
	switch {
	case !isNumber(text):
		return NotDigits, ""
	case isDigits(text) && err != nil:
		return TooLarge, strconv.Itoa(math.MaxInt64)
	case err != nil || n < 1:
		return NotPositive, ""
	}
	return "", ""
}

// Decimal wants a number, not negative, with so many digits after the point at
// most.
func Decimal(places int) func(text string) (code, limit string) {
	return func(text string) (code, limit string) {
		_, after, _ := strings.Cut(text, ".")
		switch {
		case !isNumber(text):
			return NotDigits, ""
		case text[0] == '-':
			return TooSmall, "0"
		case len(after) > places:
			return BadDecimals, strconv.Itoa(places)
		}
		return "", ""
	}
}

// isNumber reports whether a text is a number as people write one: -12.5.
func isNumber(text string) bool {
	before, after, point := strings.Cut(strings.TrimPrefix(text, "-"), ".")
	return isDigits(before) && (!point || isDigits(after))
}

func isDigits(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r < '0' || r > '9' })
}

func isLetter(r rune) bool { return r >= 'A' && r <= 'Z' || r >= 'a' && r <= 'z' }

// Moment wants what ParseTime reads.
func Moment(text string) (code, limit string) {
	if _, err := ParseTime(text); err != nil {
		return BadDate, ""
	}
	return "", ""
}
