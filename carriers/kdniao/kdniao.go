// Package kdniao speaks with Kdniao (快递鸟), which tells of parcels that others
// move: it understands the traces that Kdniao pushes of the numbers that it was
// asked to watch.
//
// New makes the carrier from its settings. decode takes the JSON text out of a
// push, once its signature is right (sign.go), and reads parcels with their scans
// out of it (json.go); a scan becomes an event here, its status from the code
// table, from the state of the whole parcel or from its words (codes.go,
// codes.csv); answer.go has Kdniao's words for yes and no.
//
// Each push has the whole journey of every parcel in it, the oldest scan first
// unless asked otherwise. An answer other than success makes Kdniao send it again.
package kdniao

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"waytrace/carriers"
	"waytrace/trace"
)

const code = "kdniao"

// Settings of the carrier.
type Settings struct {
	carriers.Door `embed:"" yaml:",inline"`

	// APIKeys are what pushes are signed with. With one of them set, a push without
	// its signature is refused.
	APIKeys []string `name:"api-keys" help:"ApiKeys of the account at Kdniao, two at once for rotation; pushes must be signed with one of them." yaml:"api_keys"`
	// EBusinessID is what answers name where a push does not name it.
	EBusinessID string `name:"ebusiness-id" help:"The account's EBusinessID at Kdniao, for answers to pushes that do not name it." yaml:"ebusiness_id"`
}

// Carrier makes the carrier, unless a setting is wrong: ErrInvalid.
func (s Settings) Carrier() (carriers.Carrier, error) {
	switch {
	case len(s.APIKeys) > 2:
		return carriers.Carrier{}, fmt.Errorf("carriers.kdniao.api_keys has %d: two at most, the old and the new: %w", len(s.APIKeys), trace.ErrInvalid)
	case slices.Contains(s.APIKeys, ""):
		return carriers.Carrier{}, fmt.Errorf("carriers.kdniao.api_keys: an empty key signs nothing, leave it out: %w", trace.ErrInvalid)
	case s.EBusinessID != "" && !validID(s.EBusinessID):
		return carriers.Carrier{}, fmt.Errorf("carriers.kdniao.ebusiness_id %q: 1 to %d letters and digits: %w", s.EBusinessID, maxID, trace.ErrInvalid)
	}
	return New(s), nil
}

// New makes the carrier. Empty settings have their defaults; without a key the
// door is the caller's to guard.
func New(s Settings) carriers.Carrier { return newCarrier(s, time.Now) }

// newCarrier is New with a clock.
func newCarrier(s Settings, now func() time.Time) carriers.Carrier {
	d := &dialect{account: cmp.Or(s.Account, trace.DefaultAccount), keys: s.APIKeys, id: s.EBusinessID, now: now}
	for _, v := range []any{&push{}, &said{}, &scan{}} {
		if err := carriers.PretouchJSON(v); err != nil {
			panic("BUG: kdniao: " + err.Error())
		}
	}
	return carriers.Carrier{
		Code: code,
		Name: "Kdniao",
		Push: &carriers.Push{
			Door: s.Door, Signed: len(s.APIKeys) > 0, Decode: d.decode, Names: names,
			Answer: d.answer, Yes: yes, Outgoing: outgoing,
		},
		Codes: &carriers.Codes{Version: version, Tables: []carriers.Table{*table}, Map: table.Map},
	}
}

// names are Kdniao's words for what our checks are about.
var names = carriers.Names{
	"number": "LogisticCode", "carrier": "ShipperCode", "time": "AcceptTime", "description": "AcceptStation", "code": "Action",
	"hint": "StateEx", "address": "Location", "reason": "Remark", "reference": "OrderCode", "references": "OrderCode",
}

// MaxScans is how many scans one push may have, those of all its parcels together,
// and a parcel without any counting as one; a push of more is kept aside whole.
const MaxScans = 1000

type dialect struct {
	account string
	keys    []string
	id      string
	now     func() time.Time
}

// decode is carriers.Push.Decode.
func (d *dialect) decode(r *carriers.Request, facts *trace.Facts) error {
	f, err := d.read(r)
	if err != nil {
		return fmt.Errorf("kdniao: %w", err)
	}
	p, err := readPush(f.data)
	if err != nil {
		return fmt.Errorf("kdniao: %w", err)
	}
	switch n := p.items(); {
	case p.odd != "":
		facts.Fault(-1, "unexpected_shape", p.odd, p.odd+" is not of the form that it should have")
	case p.many:
		facts.Fault(-1, "too_many_items", "Traces", fmt.Sprintf("more than the %d scans that are read", MaxScans))
	case f.requestType != "" && f.requestType != traces && !p.hasTraces():
		facts.Fault(-1, "unknown_request_type", "RequestType", fmt.Sprintf("pushes of RequestType %q are not known, and it has no Traces", f.requestType))
	case n == 0:
		facts.Fault(-1, "no_items", "Data", "there are no parcels in Data")
	default:
		facts.Events = slices.Grow(facts.Events, n)
		account := cmp.Or(r.Account, d.account)
		first := 0
		for i := range p.parcels {
			w := &p.parcels[i]
			w.understand(first, account, facts)
			first += w.items()
		}
	}
	return nil
}

// traces is the RequestType of a push of traces. Others may have some too.
const traces = "101"

// understand makes a full list of a parcel, or faults of what is not understood.
// first is the number of its first item; a parcel without scans is one item.
func (w *parcel) understand(first int, account string, facts *trace.Facts) {
	of := trace.Waybill{Number: w.LogisticCode.Text, Carrier: carriers.CodeOf(carriers.Kdniao, w.ShipperCode.Text)}
	_, wrong := trace.ParseNumber(of.Number)
	switch {
	case w.odd != "":
		facts.Fault(first, "invalid_type", w.odd, "it is not of the form that it should have")
		return
	case of.Number == "":
		facts.Fault(first, "missing_number", "LogisticCode", "the parcel has no number")
		return
	case wrong != nil:
		facts.Fault(first, "invalid_number", "LogisticCode", trace.Words(wrong))
		return
	case of.Carrier == "":
		facts.Fault(first, "invalid_carrier", "ShipperCode", fmt.Sprintf("%q names no carrier", w.ShipperCode.Text))
		return
	case len(w.scans) == 0 && (w.Reason.Text != "" || strings.EqualFold(w.Success.Text, "false")):
		facts.Fault(first, "no_traces", "Reason", fmt.Sprintf("Kdniao has no traces: %q", w.Reason.Text))
		return
	case len(w.scans) == 0:
		facts.Fault(first, "empty_list", "Traces", "the parcel has no scans")
		return
	}
	var references []trace.Reference
	if w.OrderCode.Text != "" {
		references = []trace.Reference{{Account: account, Text: w.OrderCode.Text}}
	}
	facts.OpenList(of, code, -1)
	newest, missing := -1, false
	for i := range w.scans {
		s := &w.scans[i]
		at, fault := s.time()
		if fault != nil {
			facts.Fault(first+i, fault.Code, fault.Field, fault.Detail)
			missing = true
			continue
		}
		e := facts.Event()
		e.Waybill, e.Source, e.Item = of, code, first+i
		e.At = at
		e.Code = s.Action.Text
		e.Place.Address = s.Location.Text
		e.Text.Text, e.Text.Reason = s.AcceptStation.Text, s.Remark.Text
		e.Text.Lang = carriers.LangOf(e.Text.Text)
		e.References = references
		e.Unmapped, e.Table = !table.Map(e), version
		// Of scans in one second it is the last, for the newest usually stands there.
		if newest < 0 || at.Local >= facts.Events[newest].At.Local {
			newest = len(facts.Events) - 1
		}
	}
	// What the state says of the whole parcel, its newest scan says where that has
	// no code of its own: unless a newer one may be missing.
	if newest >= 0 && !missing {
		table.Confirm(&facts.Events[newest], w.StateEx.Text, w.State.Text)
	}
	facts.CloseList()
}

// time is when a scan was, in China's time. A scan without a time, or with a field
// that is neither text nor number, is at fault.
func (s *scan) time() (trace.Time, *trace.Fault) {
	switch {
	case s.odd == "Traces":
		return trace.Time{}, &trace.Fault{Code: "invalid_type", Field: s.odd, Detail: "the scan is not an object"}
	case s.odd != "":
		return trace.Time{}, &trace.Fault{Code: "invalid_type", Field: s.odd, Detail: "neither text nor a number"}
	case s.AcceptTime.Text == "":
		return trace.Time{}, &trace.Fault{Code: "missing_time", Field: "AcceptTime", Detail: "the scan has no time"}
	}
	at, err := trace.ParseLocal(s.AcceptTime.Text, trace.China, trace.ZoneCarrier)
	if err != nil {
		return trace.Time{}, &trace.Fault{Code: "invalid_time", Field: "AcceptTime", Detail: trace.Words(err)}
	}
	return at, nil
}
