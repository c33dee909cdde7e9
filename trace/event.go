package trace

import (
	"fmt"
	"time"
	"unicode/utf8"
)

// A Place is where something happened, as far as the source said.
type Place struct {
	Address, City, State string
	Country              string // ISO 3166-1 alpha-2 where the source gives it so
	Postal               string
}

// A Text is what a source wrote about an event, in the languages that it gave.
type Text struct {
	Text   string // in the language Lang
	Reason string // why, in words
	EN, ZH string // the same text in English and Chinese, where given beside it
	Lang   string // BCP 47: zh-Hans, zh-Hant, en; "" when not known
	Heard  HLC    // the first hearing of this text, where an event has several; else 0
}

// An Event (轨迹, 路由) is one scan: an immutable fact. A dialect fills in what
// its source said; Seal adds ID and Value.
//
// Two events are the same when their identities are. Copies of one event may
// differ in everything outside the identity; Merge unites them.
type Event struct {
	Waybill
	Source     string // who told us: a carrier's code, or "api:" and an account
	Code       string // the source's own code, as given
	ReasonCode string // the source's own code of the reason, as given
	At         Time
	Place      Place
	Text       Text

	// TextEdits: the dialect has fine codes and sends increments, so text and
	// reason code are left out of the identity, and the same event with another
	// text is a revision of it.
	TextEdits bool
	// Revisions: all texts of a TextEdits event that was told more than one way,
	// ordered by (Heard, hash); the last is shown, and Text is a copy of it.
	// Empty while there is one text only.
	Revisions []Text

	Pair        Pair   // what the dialect's code table makes of it; Unknown changes no status
	Table       uint32 // the version of that table
	Hint        string // what else the source said of the status in codes of its own, for mapping it anew
	Provisional bool   // Pair was drawn from the text, not from a code

	CarrierID           string // the source's own id of the event
	Operator            string
	Quantity            uint32 // pieces; 0 is not given
	SignedBy            string
	Leg                 LegTo   // the number that the parcel goes on under from here, where the event names one
	Latitude, Longitude float64 // degrees; both 0 is not given
	References          []Reference

	Heard HLC // when this node, or the one that told it, learned the event
	// Relayed: Heard is no fresh reading of this node's clock but an older one,
	// from another node or from a replay, so it may lie before one that is stored.
	Relayed bool // not stored
	Item    int  // which item of its request it was, counted from 0; not stored
	// List: which list of its Facts it belongs to, counted from 1; 0 is none. Facts
	// sets it; not stored.
	List int
	// Unmapped: the source's code table does not know Code. It is counted and
	// reported; not stored.
	Unmapped bool
	// Judged: another node has taken it in and minded the caps; not stored.
	Judged bool

	ID    ID     // set by Seal and DecodeEvent
	Mark  Mark   // set by Seal
	Value []byte // the stored form, set by Seal; borrowed from the Facts until they are reset
	Taken Taken  // what it brought, set when it was appended to the store
}

// The window of times that are believed: not before 2000, and not more than 26
// hours ahead of the hearing node's clock (a day's difference of zones and two
// hours of wrong clocks).
const (
	earliest  = 946_684_800_000 // 2000-01-01T00:00:00Z in milliseconds
	MaxFuture = 26 * time.Hour
)

// MaxText is the length of one text of an event, in bytes; other fields hold
// MaxField. An event beyond is quarantined.
const (
	MaxText  = 2 << 10
	MaxField = 1 << 10
)

// Check judges an event the same way for all carriers, and brings its number
// into canonical form. now is the node's clock in milliseconds since 1970. The
// fault it returns has no index; ok is true when there is none.
func (e *Event) Check(now int64) (f Fault, ok bool) {
	number, err := ParseNumber(e.Number)
	switch {
	case e.Number == "":
		return Fault{Code: "missing_number", Field: "number", Detail: "the event names no waybill"}, false
	case err != nil:
		return Fault{Code: "invalid_number", Field: "number", Detail: Words(err)}, false
	case !ValidCarrier(e.Carrier):
		return Fault{Code: "invalid_carrier", Field: "carrier", Detail: "a carrier is 1 to 32 characters out of a-z 0-9 -"}, false
	case !ValidSub(e.Pair.Sub):
		return Fault{Code: "invalid_sub", Field: "sub", Detail: "a sub-status is up to 40 characters out of a-z 0-9 _"}, false
	case e.At.Raw == "":
		return Fault{Code: "missing_time", Field: "time", Detail: "the event has no time"}, false
	}
	e.Number = number
	if at := e.At.Instant(); ruleWindow.on() && (at < earliest || at > now+MaxFuture.Milliseconds()) {
		return Fault{Code: "time_suspect", Field: "time",
			Detail: fmt.Sprintf("%q is before 2000 or more than 26 hours ahead", e.At.Raw)}, false
	}
	if !within(e.Latitude, 90) {
		return Fault{Code: "invalid_position", Field: "latitude", Detail: "a latitude is -90 to 90 degrees"}, false
	}
	if !within(e.Longitude, 180) {
		return Fault{Code: "invalid_position", Field: "longitude", Detail: "a longitude is -180 to 180 degrees"}, false
	}
	if f, ok := e.Leg.check(); !ok {
		return f, false
	}
	if n := len(e.References); n > MaxReferences {
		return Fault{Code: "too_many_references", Field: "references",
			Detail: fmt.Sprintf("an event has at most %d, this one has %d", MaxReferences, n)}, false
	}
	return e.checkTexts()
}

// within is false for what is no number, too: an answer could not show it.
func within(degrees, most float64) bool { return degrees >= -most && degrees <= most }

// checkTexts finds the first field that is too long or is not UTF-8.
func (e *Event) checkTexts() (f Fault, ok bool) {
	if e.textsFit() {
		return Fault{}, true
	}
	for _, t := range [...]struct {
		name, text string
		most       int
	}{
		{"description", e.Text.Text, MaxText}, {"description_en", e.Text.EN, MaxText}, {"description_zh", e.Text.ZH, MaxText},
		{"reason", e.Text.Reason, MaxText}, {"lang", e.Text.Lang, MaxField}, {"code", e.Code, MaxField}, {"reason_code", e.ReasonCode, MaxField},
		{"address", e.Place.Address, MaxField}, {"city", e.Place.City, MaxField}, {"state", e.Place.State, MaxField},
		{"country", e.Place.Country, MaxField}, {"postal_code", e.Place.Postal, MaxField}, {"carrier_id", e.CarrierID, MaxField},
		{"operator", e.Operator, MaxField}, {"signed_by", e.SignedBy, MaxField}, {"source", e.Source, MaxField},
		{"time", e.At.Raw, MaxField}, {"hint", e.Hint, MaxField},
	} {
		if f, ok = checkText(t.name, t.text, t.most); !ok {
			return f, false
		}
	}
	for _, r := range e.References {
		if f, ok = checkText("reference", r.Text, MaxField); !ok {
			return f, false
		}
	}
	return Fault{}, true
}

// textsFit reports whether checkTexts has nothing to find, as nearly always.
func (e *Event) textsFit() bool {
	t, p := &e.Text, &e.Place
	for i := range e.References {
		if !fits(e.References[i].Text, MaxField) {
			return false
		}
	}
	return fits(t.Text, MaxText) && fits(t.EN, MaxText) && fits(t.ZH, MaxText) && fits(t.Reason, MaxText) && fits(t.Lang, MaxField) &&
		fits(e.Code, MaxField) && fits(e.ReasonCode, MaxField) &&
		fits(p.Address, MaxField) && fits(p.City, MaxField) && fits(p.State, MaxField) && fits(p.Country, MaxField) && fits(p.Postal, MaxField) &&
		fits(e.CarrierID, MaxField) && fits(e.Operator, MaxField) && fits(e.SignedBy, MaxField) && fits(e.Source, MaxField) &&
		fits(e.At.Raw, MaxField) && fits(e.Hint, MaxField)
}

func fits(text string, most int) bool {
	return text == "" || len(text) <= most && utf8.ValidString(text)
}

func checkText(name, text string, most int) (f Fault, ok bool) {
	switch {
	case len(text) > most:
		return Fault{Code: "too_long", Field: name, Detail: fmt.Sprintf("longer than %d bytes", most)}, false
	case !utf8.ValidString(text):
		return Fault{Code: "invalid_text", Field: name, Detail: "not UTF-8"}, false
	}
	return Fault{}, true
}

// shown is the text that stands: the one first heard last.
func (e *Event) shown() *Text {
	if n := len(e.Revisions); n > 0 {
		return &e.Revisions[n-1]
	}
	return &e.Text
}
