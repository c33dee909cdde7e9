// Package alibaba speaks with the logistics companies behind Alibaba's logistics
// interface (单一窗口): it understands the three calls by which such a company tells
// of an order: its trace (notifyTrace), business events (notifyBizEvent) and
// charges (claimCharge).
//
// New makes the carrier from its settings. decode finds the call, verifies its
// signature and finds its argument in a body of JSON, a form or a query (request.go;
// where there is a secret not in JSON, which the signature does not cover); a file for
// each call makes facts of that (trace.go, bizevent.go, charge.go); answer.go has the
// answers and outgoing.go plays the company. The tables of parameters, the sub-codes
// and the signature are in carriers/alibaba/wire; codes.csv says what the codes of a
// trace mean.
//
// All three name the order (aliOrderNo) and no waybill: the order is filed as a
// waybill of carrier alibaba under that number, which is its reference too.
//
// A parameter that violates the document is answered with its sub-code, and the
// request is kept. Where the document contradicts itself both are taken, and
// counted (lenience.go).
package alibaba

import (
	"cmp"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"

	"waytrace/carriers"
	"waytrace/carriers/alibaba/wire"
	"waytrace/trace"
)

const code = "alibaba"

// Settings of the carrier.
type Settings struct {
	carriers.Door `embed:"" yaml:",inline"`

	AppKey  string   `name:"app-key" help:"App key that must end a path of the gateway, /openapi/param2/…/<app key>; empty lets any." yaml:"app_key"`
	Secrets []string `name:"secrets" help:"App secrets, two at once for rotation. With one, every push must be signed (_aop_signature), its arguments sent as form fields or query: a signature covers no JSON." yaml:"secrets"`
}

// Carrier makes the carrier, unless a setting is wrong: ErrInvalid, without the
// secret.
func (s Settings) Carrier() (carriers.Carrier, error) {
	switch {
	case len(s.Secrets) > 2:
		return carriers.Carrier{}, fmt.Errorf("carriers.alibaba.secrets has %d: two at most, the old and the new: %w", len(s.Secrets), trace.ErrInvalid)
	case slices.ContainsFunc(s.Secrets, func(secret string) bool { return strings.TrimSpace(secret) != secret || secret == "" }):
		return carriers.Carrier{}, fmt.Errorf("carriers.alibaba.secrets: one is empty, or has blanks around it: %w", trace.ErrInvalid)
	case strings.ContainsAny(s.AppKey, "/?# %"):
		return carriers.Carrier{}, fmt.Errorf("carriers.alibaba.app_key %q: it is one segment of a path: %w", s.AppKey, trace.ErrInvalid)
	}
	return New(s), nil
}

// New makes the carrier. Empty settings have their defaults; where there is no
// secret the door is the caller's to guard.
func New(s Settings) carriers.Carrier {
	d := &dialect{account: cmp.Or(s.Account, trace.DefaultAccount), appKey: s.AppKey, secrets: s.Secrets}
	for _, v := range []any{&notifyTrace{}, &traceInfo{}, &notifyBizEvent{}, &extInfo{}, &claimCharge{}, &chargeItem{}} {
		if err := carriers.PretouchJSON(v); err != nil {
			panic("BUG: alibaba: " + err.Error())
		}
	}
	return carriers.Carrier{
		Code: code,
		Name: "Alibaba",
		Push: &carriers.Push{
			Door:     s.Door,
			Calls:    calls[:],
			Gateway:  gateway,
			ByGet:    true,
			Hidden:   []string{"access_token", wire.Signature},
			Signed:   len(s.Secrets) > 0,
			Decode:   d.decode,
			Names:    names,
			Answer:   answer,
			Yes:      yes,
			Outgoing: outgoing,
		},
		Codes: &carriers.Codes{Version: TableVersion, Tables: []carriers.Table{*codes}, Map: mapEvent},
	}
}

// names are Alibaba's words for what our checks are about.
var names = carriers.Names{
	"number": "aliOrderNo", "time": "traceTime", "description": "traceDescCn", "description_en": "traceDescEn",
	"code": "traceCode", "address": "location", "operator": "operatorName", "reference": "referenceNo",
	"references": "referenceNo", "leg": "trackNo", "batch": "batchId", "charges": "chargeItemArray", "ext": "extInfo",
}

// TableVersion is the version of the code table. It grows by one with every change
// of a code, a status or a sub-status in it; nodes that work together must have
// the same.
const TableVersion = 1

//go:embed codes.csv
var codesCSV []byte

var codes = carriers.MustTable("codes.csv", codesCSV)

// mapEvent is carriers.Codes.Map.
func mapEvent(e *trace.Event) (known bool) {
	e.Provisional = false
	e.Pair, known = codes.Find(e.Code, "")
	return known
}

// MaxItems is how many traces or charges one request may have. The document says
// nothing of it; a request with more is kept aside whole.
const MaxItems = 1000

type dialect struct {
	account string
	appKey  string
	secrets []string
}

// decode is carriers.Push.Decode.
func (d *dialect) decode(r *carriers.Request, facts *trace.Facts) error {
	err := d.understand(r, facts)
	if wrong, ok := errors.AsType[*whole](err); ok {
		facts.Fault(-1, wrong.Code, wrong.Field, wrong.Detail)
		facts.Refusal = wrong.refusal
		return nil
	}
	if err != nil {
		return fmt.Errorf("alibaba: %w", err)
	}
	return nil
}

// understand reads the argument of the call that was made and makes facts of it.
// The error is of type *whole where it parses, but nothing of it is understood.
func (d *dialect) understand(r *carriers.Request, facts *trace.Facts) error {
	call, a, err := d.open(facts.Keep, r)
	if err != nil {
		return err
	}
	switch call {
	case callTrace:
		return understandTrace(a, cmp.Or(r.Account, d.account), facts)
	case callBizEvent:
		return understandBizEvent(a.json(), facts)
	default:
		return understandCharge(a.json(), facts)
	}
}

// readArgument reads the argument of a call into a struct of wire.Value.
func readArgument(argument []byte, into any) error {
	err := carriers.ReadJSON(argument, into)
	if errors.Is(err, carriers.ErrMismatch) {
		return violated([]wire.Violation{{Code: wire.BadFormat}})
	}
	return err
}

// A whole is why nothing of a request was understood, though it parses.
type whole struct {
	trace.Fault
	refusal error // nil: it is acknowledged all the same
}

func (w *whole) Error() string { return w.Detail }

// violated refuses a whole request for its violations, with the first of them.
func violated(wrong []wire.Violation) *whole {
	said := make([]string, len(wrong))
	for i, v := range wrong {
		said[i] = v.Message()
	}
	return &whole{trace.Fault{Code: wrong[0].Code, Field: wrong[0].Field, Detail: strings.Join(said, "; ")}, wrong[0]}
}

// refuse leaves a fault for each violation of a request that is one item, and
// answers with the first.
func refuse(facts *trace.Facts, wrong []wire.Violation) {
	for _, v := range wrong {
		facts.Fault(0, v.Code, v.Field, v.Message())
	}
	facts.Refusal = wrong[0]
}
