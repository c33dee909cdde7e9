package ingest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"

	"waytrace/carriers"
	"waytrace/trace"
)

// MaxItems is how many events one request to /v1/events may have.
const MaxItems = 1000

// Events is POST /v1/events, our own form:
//
//	{"events":[{"number":…,"carrier":…,"time":…,"status":…,"description":…}]}
//
// It answers how many events were news, how many were known and which ones lie
// in quarantine, once all of that is synced. A body that does not parse is
// ErrInvalid, and nothing of it is kept. It answers nothing where it returns an
// error.
func (in *Ingest) Events(ctx *fasthttp.RequestCtx, who trace.Asker) error {
	err := in.events(ctx, who)
	if err != nil {
		why, _ := reasonOf(err)
		in.refusals.count(why)
	}
	return err
}

func (in *Ingest) events(ctx *fasthttp.RequestCtx, who trace.Asker) error {
	var p pass
	if err := in.gate.enter(&p, &in.api, who, len(ctx.PostBody())); err != nil {
		return err
	}
	defer p.leave()
	if err := isJSON(ctx.Request.Header.ContentType()); err != nil {
		return err
	}
	r, err := read(ctx, &p)
	if err != nil {
		return err
	}
	v := in.visit()
	if err := decode(r.Body, who, &v.facts); err != nil {
		in.done(v)
		return err
	}

	heard := in.now()
	v.facts.Judge(heard, in.now, carriers.Names(nil).Of)

	wait := in.waits.context()
	fresh, err := in.append(wait, &v.facts, nil, who)
	if err != nil {
		return err
	}
	if len(v.facts.Faults) > 0 {
		if err := in.quarantine(wait, &r, "", who, heard, v.facts.Faults); err != nil {
			return err
		}
	}

	in.counts.count(&v.facts, heard)
	v.answer = answer(v.answer[:0], fresh, &v.facts)
	ctx.SetContentType("application/json")
	ctx.SetBody(v.answer)
	in.done(v)
	return nil
}

// isJSON refuses what says that it is something else than JSON. A page of
// another site can make a browser send forms and plain text, but not JSON,
// without asking us first.
func isJSON(contentType []byte) error {
	kind, _, _ := strings.Cut(string(contentType), ";")
	switch kind = strings.ToLower(strings.TrimSpace(kind)); {
	case kind == "", kind == "application/json", strings.HasPrefix(kind, "application/") && strings.HasSuffix(kind, "+json"):
		return nil
	case kind == "application/x-ndjson":
		return trace.Invalid("unsupported_media_type", "", `this version does not take streams yet: send application/json, {"events":[…]} with up to %d events`, MaxItems)
	}
	return trace.Invalid("unsupported_media_type", "", "Content-Type %.40q is not application/json", kind)
}

// answer appends what became of a request's events.
func answer(dst []byte, fresh int, facts *trace.Facts) []byte {
	repeated := 0
	for i := range facts.Events {
		if facts.Events[i].Taken == trace.Repeat {
			repeated++
		}
	}
	slices.SortStableFunc(facts.Faults, func(a, b trace.Fault) int { return a.Index - b.Index })

	dst = strconv.AppendInt(append(dst, `{"accepted":`...), int64(fresh), 10)
	dst = strconv.AppendInt(append(dst, `,"duplicates":`...), int64(repeated), 10)
	dst = append(dst, `,"quarantined":[`...)
	for i, f := range facts.Faults {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendInt(append(dst, `{"index":`...), int64(f.Index), 10)
		dst = trace.AppendString(append(dst, `,"code":`...), f.Code)
		if f.Field != "" {
			f.Detail = f.Field + ": " + f.Detail
		}
		dst = trace.AppendString(append(dst, `,"detail":`...), f.Detail)
		dst = append(dst, '}')
	}
	return append(dst, "]}"...)
}
