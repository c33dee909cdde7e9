package sf

import (
	"strings"

	"waytrace/trace"
)

// legOf is the number that a parcel goes on under, where a route names one: SF
// says 648 and 631 of a parcel that goes back or on under a new number, which
// only the remark has, and 99 of one that goes on to another address, seldom with
// a number. The status is the code's alone: a remark can be edited later. Source:
// clients of SF, as for these rows of codes.csv.
func legOf(r *route, p trace.Pair) trace.LegTo {
	role := trace.Return
	switch r.OpCode {
	case "631":
	case "648":
		if !goesBack(r.Remark) && goesOn(r.Remark) {
			role = trace.Forwarded
		}
	case "99":
		if p.Status != trace.Returning && !goesBack(r.Remark) {
			role = trace.Forwarded
		}
	default:
		return trace.LegTo{}
	}
	number := newNumber(r.Remark, r.Mailno)
	if number == "" {
		return trace.LegTo{}
	}
	return trace.LegTo{Waybill: trace.Waybill{Number: number, Carrier: code}, Role: role}
}

func goesBack(remark string) bool {
	return strings.Contains(remark, "退") || strings.Contains(strings.ToLower(remark), "return")
}

func goesOn(remark string) bool {
	return strings.Contains(remark, "转寄") || strings.Contains(remark, "轉寄") || strings.Contains(strings.ToLower(remark), "forward")
}

// newNumber finds the one SF waybill number in a remark that is not the parcel's
// own: SF's present form, or 12 or 15 plain digits where the words before them
// say that they are a waybill's. One that is called the original number is not
// new. It is "" where there is none, or where there are several.
func newNumber(remark, own string) string {
	if canonical, err := trace.ParseNumber(own); err == nil {
		own = canonical
	}
	var sure, likely string
	several := [2]bool{}
	note := func(found *string, several *bool, number string) {
		*several = *several || *found != "" && *found != number
		*found = number
	}
	before := 0
	for i := 0; i < len(remark); {
		if !ofNumber(remark[i]) {
			i++
			continue
		}
		start := i
		for i < len(remark) && ofNumber(remark[i]) {
			i++
		}
		if !strings.ContainsAny(remark[start:i], "0123456789") {
			continue // a word
		}
		number, lead := strings.ToUpper(remark[start:i]), strings.ToLower(remark[before:start])
		before = i
		switch {
		case number == own || containsAny(lead, oldNumber):
		case isNumber(number):
			note(&sure, &several[0], number)
		case isOldForm(number) && containsAny(lead, aNumber):
			note(&likely, &several[1], number)
		}
	}
	switch {
	case sure != "" && !several[0]:
		return sure
	case sure == "" && !several[1]:
		return likely
	}
	return ""
}

// The words before a waybill number, in lower case.
var (
	aNumber   = []string{"单号", "單號", "运单", "運單", "waybill", "tracking"}
	oldNumber = []string{"原单", "原單", "原运单", "原運單", "original"}
)

func containsAny(s string, words []string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// ofNumber reports whether a character may be part of a number; what has a
// hyphen in it is none of SF's, but the hyphen belongs to it.
func ofNumber(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'A' && c <= 'Z' || c >= 'a' && c <= 'z' || c == '-'
}

// isNumber: SF and 12 or 13 digits, the first of 13 may be a letter. The form is
// that of the numbers in SF's documents and of its clients.
func isNumber(s string) bool {
	digits, ok := strings.CutPrefix(s, "SF")
	if !ok || len(digits) < 12 || len(digits) > 13 {
		return false
	}
	if c := digits[0]; len(digits) == 13 && c >= 'A' && c <= 'Z' {
		digits = digits[1:]
	}
	return allDigits(digits)
}

// isOldForm: 12 or 15 digits, which other things have as well.
func isOldForm(s string) bool { return (len(s) == 12 || len(s) == 15) && allDigits(s) }

func allDigits(s string) bool {
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}
