// Package sf speaks with SF Express (顺丰速运): it understands the traces that SF
// pushes (RoutePushService), in all of their forms.
//
// New makes the carrier from its settings (settings.go), which may name several
// accounts, each with a language and codes of its own. decode finds the form of a
// push by the shape of its body and reads routes out of it (json.go, xml.go,
// wrapped.go); a route becomes an event here, its status from the code
// tables (codes.go), the number that the parcel goes on under from the remark
// (newnumber.go); answer.go has SF's words for yes and no, outgoing.go makes a
// push as SF would.
//
// SF pushes increments, most of them several times, and signs nothing but one
// variant of its form. An answer other than success makes it send all of the push
// again.
package sf

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sync"

	"waytrace/carriers"
	"waytrace/trace"
)

const code = "sf"

// names are SF's words for what our checks are about.
var names = carriers.Names{
	"number": "mailno", "time": "acceptTime", "description": "remark", "reason": "reasonName", "code": "opCode",
	"reason_code": "reasonCode", "address": "acceptAddress", "reference": "orderid", "references": "orderid",
	"carrier_id": "id", "hint": "firstStatusCode",
}

// MaxRoutes is how many routes one push may have. SF's document says ten; a push
// of more than this is kept aside whole.
const MaxRoutes = 1000

// A push is what SF sends: routes of any number of waybills.
type push struct {
	Body struct {
		WaybillRoute []route
	}
}

// A route is one scan in SF's own words, whatever form it came in.
type route struct {
	said[string]
	odd string // the field that held neither text nor number: the route is not understood
}

// said is what SF says of a scan, each value a V. FirstStatusCode is in SF's
// document, but seldom in a push.
type said[V any] struct {
	Mailno          V `json:"mailno"`
	AcceptAddress   V `json:"acceptAddress"`
	ReasonName      V `json:"reasonName"`
	Orderid         V `json:"orderid"`
	AcceptTime      V `json:"acceptTime"`
	Remark          V `json:"remark"`
	OpCode          V `json:"opCode"`
	ID              V `json:"id"`
	ReasonCode      V `json:"reasonCode"`
	FirstStatusCode V `json:"firstStatusCode"`
}

var pushes = sync.Pool{New: func() any { return new(push) }}

// reset empties p and keeps its memory, unless that is more than a push may
// need. Nothing is left behind it: a JSON reader does not clear what it reuses.
func (p *push) reset() {
	routes := p.Body.WaybillRoute
	if cap(routes) > MaxRoutes {
		routes = nil
	}
	clear(routes[:cap(routes)])
	p.Body.WaybillRoute = routes[:0]
}

type dialect struct {
	usual     *account
	usualName string
	others    map[string]*account // by name
	own       []*carriers.Table   // of all accounts
	version   uint32              // of all tables
}

// account is the one of a name, else the usual one.
func (d *dialect) account(name string) *account {
	if a := d.others[name]; a != nil {
		return a
	}
	return d.usual
}

// decode is carriers.Push.Decode.
func (d *dialect) decode(r *carriers.Request, facts *trace.Facts) error {
	p := pushes.Get().(*push)
	defer func() {
		p.reset()
		pushes.Put(p)
	}()
	a := d.account(r.Account)
	if err := p.read(r, a, facts); err != nil {
		var wrong *unexpected
		if errors.As(err, &wrong) {
			facts.Fault(-1, wrong.Code, wrong.Field, wrong.Detail)
			return nil
		}
		return fmt.Errorf("sf: %w", err)
	}
	understand(p.Body.WaybillRoute, a, cmp.Or(r.Account, d.usualName), d.version, facts)
	return nil
}

// read finds the form of a push and reads its routes, whose strings lie in memory of
// facts. The error is of type *unexpected where the body parses but is no push of
// routes.
func (p *push) read(r *carriers.Request, a *account, facts *trace.Facts) (err error) {
	switch r.Shape() {
	case carriers.Empty:
		return trace.Invalid("empty_body", "", "the body is empty")
	case carriers.JSON:
		err = p.readJSON(facts.Keep(r.Body))
	case carriers.XML:
		err = p.readXML(facts.Keep(r.Body), facts)
	default:
		var inner []byte
		if isWrapped(r.Body) {
			if inner, err = unwrap(facts.Keep, r, a.secrets); err == nil {
				err = p.readJSON(inner)
			}
		} else if inner, err = carriers.FormField(facts.Keep, r.Body, fieldContent); err == nil {
			err = p.readXML(inner, facts)
		}
	}
	if err == nil && len(p.Body.WaybillRoute) == 0 {
		return &unexpected{Code: "no_items", Field: "WaybillRoute", Detail: "there is no WaybillRoute in the Body"}
	}
	return err
}

// unexpected says why a body that parses was not understood.
type unexpected trace.Fault

func (u *unexpected) Error() string { return u.Detail }

var errTooMany = &unexpected{Code: "too_many_items", Field: "WaybillRoute", Detail: fmt.Sprintf("more than the %d routes that are read", MaxRoutes)}

// understand makes an event of each route, or a fault. The references belong to
// owner, and the tables have a version.
func understand(routes []route, a *account, owner string, version uint32, facts *trace.Facts) {
	facts.Events = slices.Grow(facts.Events, len(routes))
	for i := range routes {
		r := &routes[i]
		switch {
		case r.odd == "WaybillRoute":
			facts.Fault(i, "invalid_type", r.odd, "a route is an object")
			continue
		case r.odd != "":
			facts.Fault(i, "invalid_type", r.odd, "neither text nor a number")
			continue
		case r.Mailno == "":
			facts.Fault(i, "missing_number", "mailno", "the route names no waybill")
			continue
		case r.AcceptTime == "":
			facts.Fault(i, "missing_time", "acceptTime", "the route has no time")
			continue
		}
		at, err := trace.ParseLocal(r.AcceptTime, trace.China, trace.ZoneCarrier)
		if err != nil {
			facts.Fault(i, "invalid_time", "acceptTime", trace.Words(err))
			continue
		}
		e := facts.Event()
		e.Number, e.Carrier, e.Source = r.Mailno, code, code
		e.Code, e.ReasonCode = r.OpCode, r.ReasonCode
		e.At = at
		e.Place.Address = r.AcceptAddress
		e.Text = trace.Text{Text: r.Remark, Reason: r.ReasonName, Lang: a.language}
		a.fill(&e.Text, r.OpCode, r.ReasonCode)
		e.TextEdits = true
		pair, known := a.pairOf(r.OpCode, r.ReasonCode, r.FirstStatusCode)
		e.Pair, e.Table, e.Unmapped = pair, version, !known
		e.Hint = a.hint
		if r.FirstStatusCode != "" {
			e.Hint = hintOf(r.FirstStatusCode, a.name)
		}
		e.Leg = legOf(r, pair)
		e.CarrierID = r.ID
		e.Item = i
		if r.Orderid != "" {
			e.References = facts.Refer(trace.Reference{Account: owner, Text: r.Orderid})
		}
	}
}
