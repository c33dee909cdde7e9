// Package kuaidi100 speaks with Kuaidi100 (快递100), which tells of parcels that
// others move: it understands what Kuaidi100 pushes of the numbers that it was
// asked to watch.
//
// New makes the carrier from its settings. decode takes the JSON text out of a
// push, once its signature is right (sign.go), and reads lists of scans out of it
// (json.go); a scan becomes an event here, its status from the code table, from the
// state of the whole parcel or from its words (codes.go, codes.csv); answer.go has
// Kuaidi100's words for yes and no.
//
// Each push has the whole journey, the newest scan first. An answer other than
// success makes Kuaidi100 send it again.
package kuaidi100

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"waytrace/carriers"
	"waytrace/trace"
)

const code = "kuaidi100"

// Settings of the carrier.
type Settings struct {
	carriers.Door `embed:"" yaml:",inline"`

	// Salts are what pushes are signed with: the salt that was given with each
	// subscription. With one of them set, a push without its signature is refused.
	Salts []string `name:"salts" help:"Salts given to Kuaidi100 with the subscriptions, two at once for rotation; pushes must be signed with one of them." yaml:"salts"`
}

// Carrier makes the carrier, unless a setting is wrong: ErrInvalid.
func (s Settings) Carrier() (carriers.Carrier, error) {
	switch {
	case len(s.Salts) > 2:
		return carriers.Carrier{}, fmt.Errorf("carriers.kuaidi100.salts has %d: two at most, the old and the new: %w", len(s.Salts), trace.ErrInvalid)
	case slices.Contains(s.Salts, ""):
		return carriers.Carrier{}, fmt.Errorf("carriers.kuaidi100.salts: an empty salt signs nothing, leave it out: %w", trace.ErrInvalid)
	}
	return New(s), nil
}

// New makes the carrier. Empty settings have their defaults; without a salt the
// door is the caller's to guard.
func New(s Settings) carriers.Carrier {
	d := &dialect{salts: s.Salts}
	for _, v := range []any{&push{}, &result{}, &scan{}} {
		if err := carriers.PretouchJSON(v); err != nil {
			panic("BUG: kuaidi100: " + err.Error())
		}
	}
	return carriers.Carrier{
		Code: code,
		Name: "Kuaidi100",
		Push: &carriers.Push{
			Door: s.Door, Signed: len(s.Salts) > 0, Decode: d.decode, Names: names,
			Answer: answer, Yes: yes, Outgoing: outgoing,
		},
		Codes: &carriers.Codes{Version: version, Tables: []carriers.Table{*table}, Map: table.Map},
	}
}

// names are Kuaidi100's words for what our checks are about.
var names = carriers.Names{
	"number": "nu", "carrier": "com", "time": "ftime", "description": "context", "code": "statusCode", "hint": "state",
	"address": "location", "city": "areaName", "state": "areaName", "latitude": "areaCenter", "longitude": "areaCenter",
}

// MaxScans is how many scans one push may have, those of both its lists together;
// a push of more is kept aside whole.
const MaxScans = 1000

type dialect struct {
	salts []string
}

// decode is carriers.Push.Decode.
func (d *dialect) decode(r *carriers.Request, facts *trace.Facts) error {
	param, err := d.param(facts.Keep, r)
	if err != nil {
		return fmt.Errorf("kuaidi100: %w", err)
	}
	p, err := readPush(param)
	if err != nil {
		return fmt.Errorf("kuaidi100: %w", err)
	}
	defer p.done()
	switch n := p.items(); {
	case p.odd:
		facts.Fault(-1, "unexpected_shape", "param", "param is not an object")
	case p.many:
		facts.Fault(-1, "too_many_items", "data", fmt.Sprintf("more than the %d scans that are read", MaxScans))
	case len(p.lists) == 0 && p.aborted():
		facts.Fault(-1, "tracking_aborted", "status", p.why())
	case len(p.lists) == 0:
		facts.Fault(-1, "no_items", "lastResult", "there is neither a lastResult nor a destResult")
	default:
		facts.Events = slices.Grow(facts.Events, n)
		first := 0
		for i := range p.lists {
			l := &p.lists[i]
			p.understand(l, first, facts)
			first += l.items()
		}
	}
	return nil
}

// understand makes a full list of a result, or faults of what is not understood.
// first is the number of its first item; a result without scans is one item.
func (p *push) understand(l *list, first int, facts *trace.Facts) {
	w := trace.Waybill{Number: l.Nu.Text, Carrier: carriers.CodeOf(carriers.Kuaidi100, l.Com.Text)}
	_, wrong := trace.ParseNumber(w.Number)
	switch {
	case l.odd != "":
		facts.Fault(first, "invalid_type", l.odd, "it is not of the form that it should have")
		return
	case w.Number == "":
		facts.Fault(first, "missing_number", "nu", "the result names no waybill")
		return
	case wrong != nil:
		facts.Fault(first, "invalid_number", "nu", trace.Words(wrong))
		return
	case w.Carrier == "":
		facts.Fault(first, "invalid_carrier", "com", fmt.Sprintf("%q names no carrier", l.Com.Text))
		return
	case len(l.scans) == 0 && p.aborted():
		facts.Fault(first, "tracking_aborted", "status", p.why())
		return
	case len(l.scans) == 0:
		facts.Fault(first, "empty_list", "data", "there are no scans in the result")
		return
	}
	facts.OpenList(w, code, -1)
	newest, missing := -1, false
	for i := range l.scans {
		s := &l.scans[i]
		at, fault := s.time()
		if fault != nil {
			facts.Fault(first+i, fault.Code, fault.Field, fault.Detail)
			missing = true
			continue
		}
		e := facts.Event()
		e.Waybill, e.Source, e.Item = w, code, first+i
		e.At = at
		e.Code = cmp.Or(s.StatusCode.Text, s.Status.Text)
		if s.StatusCode.Text != "" {
			e.Hint = hintOf(e.Code, s.Status.Text)
		}
		e.Place = placeOf(s.Location.Text, s.AreaName.Text)
		e.Latitude, e.Longitude = positionOf(s.AreaCenter.Text)
		e.Text.Text = s.Context.Text
		e.Text.Lang = carriers.LangOf(e.Text.Text)
		e.Unmapped, e.Table = !table.Map(e), version
		if newest < 0 || at.Local > facts.Events[newest].At.Local {
			newest = len(facts.Events) - 1
		}
	}
	// What the state says of the whole parcel, its newest scan says where that has
	// no code of its own: unless a newer one may be missing.
	if newest >= 0 && !missing {
		table.Confirm(&facts.Events[newest], l.State.Text)
	}
	facts.CloseList()
}

// time is when a scan was, in China's time: ftime, or time where that is absent.
// A scan without a time, or with a field that is neither text nor number, is at
// fault.
func (s *scan) time() (trace.Time, *trace.Fault) {
	switch s.odd {
	case "":
	case "data":
		return trace.Time{}, &trace.Fault{Code: "invalid_type", Field: s.odd, Detail: "the scan is not an object"}
	default:
		return trace.Time{}, &trace.Fault{Code: "invalid_type", Field: s.odd, Detail: "neither text nor a number"}
	}
	field, text := "ftime", s.Ftime.Text
	if text == "" {
		field, text = "time", s.Time.Text
	}
	if text == "" {
		return trace.Time{}, &trace.Fault{Code: "missing_time", Field: "ftime", Detail: "the scan has no time"}
	}
	at, err := trace.ParseLocal(text, trace.China, trace.ZoneCarrier)
	if err != nil {
		return trace.Time{}, &trace.Fault{Code: "invalid_time", Field: field, Detail: trace.Words(err)}
	}
	return at, nil
}

// placeOf reads an area, "上海,上海,松江区" being province, city and district. The
// address is the location as given, unless that is the province or the city, with
// the district in front unless it is in it; an area that is one name alone says
// nothing of what it is.
func placeOf(location, area string) (p trace.Place) {
	district := area
	if state, rest, several := strings.Cut(area, ","); several {
		p.State = strings.TrimSpace(state)
		p.City, district, _ = strings.Cut(rest, ",")
		p.City, district = strings.TrimSpace(p.City), strings.TrimSpace(district)
	}
	switch location {
	case p.State, p.City:
		p.Address = district
	default:
		p.Address = location
		if !strings.Contains(location, district) {
			p.Address = strings.TrimSpace(district + " " + location)
		}
	}
	return p
}

// positionOf reads a position, "121.227747,31.032243" being longitude and latitude
// in degrees. What is none is no position: it is the middle of an area, and nothing
// hangs on it.
func positionOf(center string) (latitude, longitude float64) {
	east, north, _ := strings.Cut(center, ",")
	longitude, err1 := strconv.ParseFloat(strings.TrimSpace(east), 64)
	latitude, err2 := strconv.ParseFloat(strings.TrimSpace(north), 64)
	if err1 != nil || err2 != nil || !(latitude >= -90 && latitude <= 90) || !(longitude >= -180 && longitude <= 180) {
		return 0, 0
	}
	return latitude, longitude
}
