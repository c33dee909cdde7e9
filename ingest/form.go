package ingest

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"waytrace/carriers"
	"waytrace/trace"
)

// decode reads a body of /v1/events: an event for each item that is understood,
// a fault for each that is not. Where nothing can be said of its items it is
// ErrInvalid, and facts are to be forgotten.
func decode(body []byte, who trace.Asker, facts *trace.Facts) error {
	items, err := split(body)
	if err != nil {
		return err
	}
	facts.Events = slices.Grow(facts.Events, len(items))
	source := "api:" + who.Account
	given := make(map[string]any, len(members))
	for i, item := range items {
		clear(given)
		e := facts.Event()
		e.Item, e.Source = i, source
		if len(item) > maxItem {
			facts.Drop()
			facts.Fault(i, "too_long", "", fmt.Sprintf("the event is longer than %d bytes", maxItem))
			continue
		}
		err := carriers.ReadJSON(item, &given)
		fault := (*trace.Problem)(nil)
		switch {
		case errors.Is(err, carriers.ErrMismatch) || err == nil && given == nil:
			fault = trace.Invalid("invalid_type", "", "the event is not an object, or has a number that is too large")
		case err != nil:
			return notJSON(err)
		default:
			fault = readEvent(e, given, who)
		}
		if fault != nil {
			facts.Drop()
			facts.Fault(i, fault.Code, fault.Field, fault.Detail)
		}
	}
	return nil
}

// maxItem is the length of one event, in bytes: read loosely, a thing of many
// small parts takes a hundred times its length in memory.
const maxItem = 64 << 10

// split takes the items out of a body. They borrow it.
func split(body []byte) (items []json.RawMessage, err error) {
	// Sonic does not look closely into what it leaves raw.
	if !json.Valid(body) {
		return nil, trace.Invalid("invalid_json", "", "JSON: %s", whereWrong(body))
	}
	var top map[string]json.RawMessage
	switch err := carriers.ReadJSON(body, &top); {
	case errors.Is(err, carriers.ErrMismatch) || err == nil && top == nil:
		return nil, trace.Invalid("missing_events", "", `the body is not an object: send {"events":[…]}`)
	case err != nil:
		return nil, notJSON(err)
	}
	list, given := top["events"]
	if delete(top, "events"); len(top) > 0 {
		name := slices.Min(slices.Collect(maps.Keys(top)))
		return nil, trace.Invalid("unknown_field", clip(name), `%.40q is not a member of {"events":[…]}`, name)
	}
	if given {
		switch err := carriers.ReadJSON(list, &items); {
		case errors.Is(err, carriers.ErrMismatch):
			items = nil
		case err != nil:
			return nil, notJSON(err)
		}
	}
	switch {
	case len(items) == 0:
		return nil, trace.Invalid("missing_events", "events", `"events" is not a list of 1 to %d events`, MaxItems)
	case len(items) > MaxItems:
		return nil, trace.Invalid("too_many_events", "events", "%d events are more than %d: send several requests", len(items), MaxItems)
	}
	return items, nil
}

// whereWrong says where a text stops being JSON, quoting one character of it at
// most.
func whereWrong(body []byte) string {
	var syntax *json.SyntaxError
	if err := json.Unmarshal(body, new(json.RawMessage)); errors.As(err, &syntax) {
		return fmt.Sprintf("byte %d: %v", syntax.Offset, syntax)
	}
	return "it does not parse"
}

// notJSON says in the words of our own doors that a body does not parse.
func notJSON(err error) error {
	var p *trace.Problem
	if errors.As(err, &p) {
		return trace.Invalid("invalid_json", "", "%s", p.Detail)
	}
	return err
}

// A form is one event as it is written, before its parts are put together.
type form struct {
	*trace.Event
	time, localTime, date string
	status, reference     string
	located               int // how many of latitude and longitude were given
}

// members are what an event may have. A member with text is a string; the
// others read their value themselves and say what is wrong with it.
var members = []struct {
	name string
	text func(*form) *string
	read func(*form, any) (wrong string)
}{
	{name: "number", text: func(f *form) *string { return &f.Number }},
	{name: "carrier", text: func(f *form) *string { return &f.Carrier }},
	{name: "time", text: func(f *form) *string { return &f.time }},
	{name: "local_time", text: func(f *form) *string { return &f.localTime }},
	{name: "date", text: func(f *form) *string { return &f.date }},
	{name: "status", text: func(f *form) *string { return &f.status }},
	{name: "sub", text: func(f *form) *string { return &f.Pair.Sub }},
	{name: "code", text: func(f *form) *string { return &f.Code }},
	{name: "description", text: func(f *form) *string { return &f.Text.Text }},
	{name: "description_en", text: func(f *form) *string { return &f.Text.EN }},
	{name: "description_zh", text: func(f *form) *string { return &f.Text.ZH }},
	{name: "lang", text: func(f *form) *string { return &f.Text.Lang }},
	{name: "reason_code", text: func(f *form) *string { return &f.ReasonCode }},
	{name: "reason", text: func(f *form) *string { return &f.Text.Reason }},
	{name: "address", text: func(f *form) *string { return &f.Place.Address }},
	{name: "city", text: func(f *form) *string { return &f.Place.City }},
	{name: "state", text: func(f *form) *string { return &f.Place.State }},
	{name: "country", text: func(f *form) *string { return &f.Place.Country }},
	{name: "postal_code", text: func(f *form) *string { return &f.Place.Postal }},
	{name: "operator", text: func(f *form) *string { return &f.Operator }},
	{name: "signed_by", text: func(f *form) *string { return &f.SignedBy }},
	{name: "carrier_id", text: func(f *form) *string { return &f.CarrierID }},
	{name: "reference", text: func(f *form) *string { return &f.reference }},
	{name: "references", read: (*form).references},
	{name: "quantity", read: (*form).quantity},
	{name: "latitude", read: func(f *form, v any) string { return f.degrees(&f.Latitude, v, 90) }},
	{name: "longitude", read: func(f *form, v any) string { return f.degrees(&f.Longitude, v, 180) }},
}

// readEvent fills in e from what was given, or says why it cannot be understood:
// the first fault in the order of members. It may take members out of given.
func readEvent(e *trace.Event, given map[string]any, who trace.Asker) *trace.Problem {
	f := form{Event: e}
	known := 0
	for i := range members {
		m := &members[i]
		v, is := given[m.name]
		if !is {
			continue
		}
		known++
		if v == nil {
			continue
		}
		wrong := ""
		if m.text == nil {
			wrong = m.read(&f, v)
		} else if s, ok := v.(string); ok {
			*m.text(&f) = s
		} else {
			wrong = "not a string"
		}
		if wrong != "" {
			return trace.Invalid("invalid_type", m.name, "%s", wrong)
		}
	}
	if known < len(given) {
		return trace.Invalid("unknown_field", clip(strangerIn(given)), "an event has no such member")
	}
	return f.finish(who)
}

// strangerIn names the first by byte order that is no member.
func strangerIn(given map[string]any) string {
	for i := range members {
		delete(given, members[i].name)
	}
	return slices.Min(slices.Collect(maps.Keys(given)))
}

// clip keeps a stranger's name for a field short.
func clip(name string) string { return fmt.Sprintf("%.40s", name) }

func (f *form) references(v any) (wrong string) {
	list, ok := v.([]any)
	if !ok {
		return "not a list of strings"
	}
	for _, item := range list {
		text, ok := item.(string)
		if !ok {
			return "not a list of strings"
		}
		f.refer(text)
	}
	return ""
}

func (f *form) refer(text string) {
	if text != "" {
		f.References = append(f.References, trace.Reference{Text: text})
	}
}

func (f *form) quantity(v any) (wrong string) {
	n, ok := v.(float64)
	if !ok || n < 0 || n > math.MaxUint32 || n != math.Trunc(n) {
		return "not a whole number of pieces"
	}
	f.Quantity = uint32(n)
	return ""
}

func (f *form) degrees(to *float64, v any, most float64) (wrong string) {
	n, ok := v.(float64)
	if !ok || n < -most || n > most {
		return fmt.Sprintf("not a number of degrees from -%g to %[1]g", most)
	}
	*to = n
	f.located++
	return ""
}

// finish puts together what belongs together.
func (f *form) finish(who trace.Asker) *trace.Problem {
	if len(who.Carriers) > 0 && !slices.Contains(who.Carriers, f.Carrier) {
		return trace.Invalid("not_yours", "carrier", "this key is for %s only", strings.Join(who.Carriers, ", "))
	}
	if problem := f.when(); problem != nil {
		return problem
	}
	if f.status != "" {
		var ok bool
		if f.Pair.Status, ok = trace.ParseStatus(f.status); !ok {
			return trace.Invalid("invalid_status", "status", "there is no status %.40q", f.status)
		}
	} else if f.Pair.Sub != "" {
		return trace.Invalid("missing_status", "status", "a sub-status needs its status")
	}
	if f.Code == "" && f.Pair.Status != trace.Unknown {
		// Else two scans of one second that say the same in words would be one event.
		f.Code = f.Pair.Status.String()
		if f.Pair.Sub != "" {
			f.Code += "." + f.Pair.Sub
		}
	}
	if f.Text.Text == "" {
		// The identity has the text alone: what was said in another field would not count.
		switch {
		case f.Text.ZH != "":
			f.Text.Text, f.Text.ZH, f.Text.Lang = f.Text.ZH, "", cmp.Or(f.Text.Lang, trace.ZhHans.String())
		case f.Text.EN != "":
			f.Text.Text, f.Text.EN, f.Text.Lang = f.Text.EN, "", cmp.Or(f.Text.Lang, trace.EN.String())
		}
	}
	if f.status == "" && f.Code == "" && f.Text.Text == "" && f.Text.EN == "" && f.Text.ZH == "" {
		return trace.Invalid("missing_description", "description", "the event says nothing: it has no description, no status and no code")
	}
	if f.located == 1 {
		return trace.Invalid("missing_position", "latitude", "latitude and longitude come together or not at all")
	}
	if f.Text.Lang != "" {
		if !isTag(f.Text.Lang) {
			return trace.Invalid("invalid_lang", "lang", "%.40q is not a language tag, such as zh-Hans", f.Text.Lang)
		}
		if lang, ok := trace.ParseLang(f.Text.Lang); ok {
			f.Text.Lang = lang.String()
		}
	}
	f.refer(f.reference)
	for i := range f.References {
		f.References[i].Account = who.Account
	}
	return nil
}

// when reads the one of the three times that was given.
func (f *form) when() *trace.Problem {
	given := 0
	for _, s := range [...]string{f.time, f.localTime, f.date} {
		if s != "" {
			given++
		}
	}
	switch given {
	case 0:
		return trace.Invalid("missing_time", "time", "the event has none of time, local_time and date")
	case 1:
	default:
		return trace.Invalid("several_times", "time", "the event has more than one of time, local_time and date")
	}
	var err error
	field := ""
	switch {
	case f.time != "":
		field = "time"
		f.At, err = trace.ParseOffset(f.time)
	case f.localTime != "":
		field = "local_time"
		f.At, err = trace.ParseLocal(f.localTime, 0, trace.ZoneUnknown)
	default:
		field = "date"
		f.At, err = trace.ParseDate(f.date, 0, trace.ZoneUnknown)
	}
	if err != nil {
		return trace.Invalid("invalid_time", field, "%s", trace.Words(err))
	}
	return nil
}

// isTag reports whether s looks like a BCP 47 tag.
func isTag(s string) bool {
	if len(s) < 2 || len(s) > 35 {
		return false
	}
	for i := 0; i < len(s); i++ {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
			return false
		}
	}
	return true
}
