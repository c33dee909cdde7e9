package ingest

import (
	"errors"
	"strings"

	"github.com/valyala/fasthttp"

	"waytrace/carriers"
	"waytrace/trace"
)

// Push is the way in through a carrier's door. The handler answers success in
// the carrier's words once everything that the request brought is synced:
// events in the store, what was not understood in quarantine. On an error it
// has answered nothing; the error belongs to Refuse. who was authenticated.
func (in *Ingest) Push(c carriers.Carrier) func(ctx *fasthttp.RequestCtx, who trace.Asker) error {
	dialect, counts, nameOf := c.Push, countsOf(c.Code), c.Push.Names.Of
	door := entrance{name: c.Code, atOnce: dialect.Door.AtOnce, setting: "carriers." + c.Code + ".at_once", sheds: shedsOf(c.Code)}
	if door.atOnce <= 0 {
		door.atOnce = defaultAtOnce
	}
	return func(ctx *fasthttp.RequestCtx, who trace.Asker) error {
		var p pass
		if err := in.gate.enter(&p, &door, who, len(ctx.PostBody())); err != nil {
			return err
		}
		defer p.leave()
		v := in.visit()
		r := &v.request
		var err error
		if *r, err = read(ctx, &p); err != nil {
			in.done(v)
			return err
		}
		r.Account = who.Account
		if err := dialect.Decode(r, &v.facts); err != nil {
			in.done(v)
			return err
		}

		heard := in.now()
		v.facts.Judge(heard, in.now, nameOf)

		wait := in.waits.context()
		if _, err := in.append(wait, &v.facts, dialect.Names, who); err != nil {
			return err
		}
		if len(v.facts.Faults) > 0 {
			if err := in.quarantine(wait, withoutCredentials(r, dialect.Hidden), c.Code, who, heard, v.facts.Faults); err != nil {
				return err
			}
		}

		counts.count(&v.facts, heard)
		body, contentType := dialect.Answer(v.answer[:0], r, v.facts.Refusal)
		ctx.SetContentType(contentType)
		ctx.SetBody(body)
		v.answer = body
		in.done(v)
		return nil
	}
}

// Refuse answers failure in a carrier's words, counts it and logs it: once a
// minute for each reason, never a body. It serves Push's errors and those of
// whoever stands before it. The status is 200, for most carriers read the body
// alone; 413 for code too_large, 429 for rate_limited, and 503 for ErrUnavailable
// and for errors of no kind, both with Retry-After.
func (in *Ingest) Refuse(c carriers.Carrier) func(ctx *fasthttp.RequestCtx, err error) {
	refusals := refusalsOf(c.Code)
	return func(ctx *fasthttp.RequestCtx, err error) {
		why, status := reasonOf(err)
		if missed, ok := refusals.count(why); ok {
			in.log.Warn("push refused", "carrier", c.Code, "reason", why.String(), "err", firstLine(err), "missed", missed)
		}
		if why == ours {
			err = trace.Problemf(trace.ErrUnavailable, "internal", "something went wrong on this side")
		}
		r := request(ctx)
		body, contentType := c.Push.Answer(nil, &r, err)
		if status == fasthttp.StatusServiceUnavailable || status == fasthttp.StatusTooManyRequests {
			ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, "1")
		}
		ctx.SetStatusCode(status)
		ctx.SetContentType(contentType)
		ctx.SetBody(body)
	}
}

// firstLine is an error without the excerpt of the body that a JSON reader puts
// below its message.
func firstLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// reasonOf sorts an error, and says with which HTTP status a carrier's door
// answers it.
func reasonOf(err error) (reason, int) {
	var p *trace.Problem
	if errors.As(err, &p) {
		switch p.Code {
		case "too_large":
			return large, fasthttp.StatusRequestEntityTooLarge
		case "rate_limited":
			return limited, fasthttp.StatusTooManyRequests
		case "busy":
			return busy, fasthttp.StatusServiceUnavailable
		case "unsupported_encoding", "invalid_encoding", "unsupported_media_type":
			return encoded, fasthttp.StatusOK
		}
	}
	switch {
	case errors.Is(err, trace.ErrUnavailable):
		return failed, fasthttp.StatusServiceUnavailable
	case errors.Is(err, trace.ErrUnauthorized):
		return unauthorized, fasthttp.StatusOK
	case errors.Is(err, trace.ErrInvalid), errors.Is(err, trace.ErrNotFound):
		return invalid, fasthttp.StatusOK
	}
	return ours, fasthttp.StatusServiceUnavailable
}
