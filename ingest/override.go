package ingest

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/valyala/fasthttp"

	"waytrace/carriers"
	"waytrace/trace"
)

// A Reader reads what is known of a number, see store.Store.Trace.
type Reader interface {
	Trace(t *trace.Trace, number, carrier string, want trace.Want) error
}

// Override is POST /v1/traces/{number}/override, an operator's word on a status:
//
//	{"status":"delivered","sub":"signed","author":"li","reason":"the consignee called"}
//
// "status":null withdraws it. ?carrier= says which parcel is meant where several
// carriers have the number. It returns when the word is synced and answers
// nothing: the status that it makes is for a reader to show. What is wrong with the
// request is ErrInvalid, an unknown number ErrNotFound.
func (in *Ingest) Override(from Reader) func(ctx *fasthttp.RequestCtx, who trace.Asker) error {
	return func(ctx *fasthttp.RequestCtx, who trace.Asker) error {
		facts := new(trace.Facts) // the store's after an error
		o, err := readOverride(ctx.PostBody())
		if err != nil {
			return err
		}
		number, _ := ctx.UserValue("tail").(string)
		if o.Waybill, err = parcelOf(from, number, string(ctx.QueryArgs().Peek("carrier"))); err != nil {
			return err
		}
		facts.Overrides = append(facts.Overrides, o)
		facts.Judge(in.store.Now(), in.store.Now, carriers.Names(nil).Of)
		if len(facts.Faults) > 0 {
			f := facts.Faults[0]
			return trace.Invalid(f.Code, f.Field, "%s", f.Detail)
		}
		wait, stop := context.WithTimeout(context.Background(), patience)
		defer stop()
		_, err = in.append(wait, facts, nil, who)
		return err
	}
}

// overrideMembers are all that the body has; each is a string.
var overrideMembers = []string{"status", "sub", "author", "reason"}

// readOverride reads a body strictly.
func readOverride(body []byte) (o trace.Override, err error) {
	var given map[string]any
	switch err := carriers.ReadJSON(body, &given); {
	case errors.Is(err, carriers.ErrMismatch) || err == nil && given == nil:
		return o, trace.Invalid("invalid_type", "", `the body is not an object: send {"status":…,"author":…,"reason":…}`)
	case err != nil:
		return o, notJSON(err)
	}
	text := make(map[string]string, len(given))
	for _, name := range slices.Sorted(maps.Keys(given)) {
		if !slices.Contains(overrideMembers, name) {
			return o, trace.Invalid("unknown_field", clip(name), "there is no such member; there are %s", strings.Join(overrideMembers, ", "))
		}
		s, ok := given[name].(string)
		if !ok && given[name] != nil {
			return o, trace.Invalid("invalid_type", name, "not a string")
		}
		text[name] = s
	}
	o = trace.Override{Author: strings.TrimSpace(text["author"]), Reason: strings.TrimSpace(text["reason"])}
	o.Pair, err = pairOf(given, text)
	return o, err
}

// pairOf reads the status; null withdraws.
func pairOf(given map[string]any, text map[string]string) (p trace.Pair, err error) {
	value, is := given["status"]
	switch {
	case !is:
		return p, trace.Invalid("missing_field", "status", "give a status, or null to withdraw the word that was given before")
	case value == nil && text["sub"] != "":
		return p, trace.Invalid("missing_status", "status", "a sub-status needs its status")
	case value == nil:
		return p, nil
	}
	var ok bool
	if p.Status, ok = trace.ParseStatus(text["status"]); !ok || p.Status == trace.Unknown {
		return p, trace.Invalid("invalid_status", "status", "there is no status %.40q to set; null withdraws", text["status"])
	}
	p.Sub = text["sub"]
	return p, nil
}

// parcelOf finds the parcel that a word is about. It must be known, so that a slip
// of the finger makes no new one.
func parcelOf(from Reader, number, carrier string) (w trace.Waybill, err error) {
	if w.Number, err = trace.ParseNumber(number); err != nil {
		return w, trace.Invalid("invalid_number", "number", "%s", trace.Words(err))
	}
	if carrier != "" && !trace.ValidCarrier(carrier) {
		return w, trace.Invalid("invalid_carrier", "carrier", "%.40q is no carrier's code: 1 to 32 characters out of a-z 0-9 -", carrier)
	}
	var t trace.Trace
	err = from.Trace(&t, w.Number, carrier, trace.Want{})
	switch {
	case errors.Is(err, trace.ErrNotFound) && carrier != "":
		return w, trace.Problemf(trace.ErrNotFound, "not_found", "no waybill %s of carrier %s is known here", w.Number, carrier)
	case errors.Is(err, trace.ErrNotFound):
		return w, trace.Problemf(trace.ErrNotFound, "not_found", "no waybill %s is known here", w.Number)
	case err != nil:
		return w, unavailable(err)
	case carrier == "" && len(t.Also) > 0:
		all := slices.Sorted(slices.Values(append(t.Also, t.Carrier)))
		return w, trace.Invalid("ambiguous_carrier", "carrier", "several carriers have the number %s: say which with ?carrier=; there are %s", w.Number, strings.Join(all, ", "))
	}
	w.Carrier = t.Carrier
	return w, nil
}
