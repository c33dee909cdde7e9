package trace

import (
	"strings"
	"unicode"
)

// An Override is an operator's word on a parcel's status. It outranks all events
// until another one takes its place; one without a status withdraws. It never
// expires, but is about the parcel that had the number when it was given.
type Override struct {
	Waybill
	Pair   Pair // Unknown withdraws
	Author string
	Reason string
	Stamp

	Taken Taken // not stored
}

func (o *Override) check() (f Fault, ok bool) {
	number, err := ParseNumber(o.Number)
	switch {
	case err != nil:
		return Fault{Code: "invalid_number", Field: "number", Detail: Words(err)}, false
	case !ValidCarrier(o.Carrier):
		return Fault{Code: "invalid_carrier", Field: "carrier", Detail: "a carrier is 1 to 32 characters out of a-z 0-9 -"}, false
	case o.Pair.Status >= statuses:
		return Fault{Code: "invalid_status", Field: "status", Detail: "there is no such status"}, false
	case !ValidSub(o.Pair.Sub):
		return Fault{Code: "invalid_sub", Field: "sub", Detail: "a sub-status is up to 40 characters out of a-z 0-9 _"}, false
	case o.Author == "":
		return Fault{Code: "missing_field", Field: "author", Detail: "say who gives the word"}, false
	case o.Reason == "":
		return Fault{Code: "missing_field", Field: "reason", Detail: "say why"}, false
	}
	o.Number = number
	for name, text := range map[string]string{"author": o.Author, "reason": o.Reason} {
		if f, ok := checkText(name, text, MaxField); !ok {
			return f, false
		}
		if strings.ContainsFunc(text, unicode.IsControl) {
			return Fault{Code: "invalid_text", Field: name, Detail: "it has control characters"}, false
		}
	}
	return Fault{}, true
}
