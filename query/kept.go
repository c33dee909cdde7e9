package query

import (
	"github.com/valyala/fasthttp"

	"waytrace/trace"
)

// kept is what a plain read of a number goes by in the cache. The zero value is a read
// that the cache has no part in.
type kept struct {
	key
	number  string // borrowed as long as the read is under way
	stamp   uint32 // the number's, before anything was read
	settled bool
}

// seek looks a number's stamp up, before anything is read of it.
func (a *Answers) seek(k *kept, v *trace.Variant, number string) {
	if a.Cache == nil || !k.set(a.Cache, v, number) {
		return
	}
	k.number = number
	k.stamp, k.settled = a.From.Stamp(number)
}

// again answers with what is kept, and reports whether there was something.
func (a *Answers) again(ctx *fasthttp.RequestCtx, k *kept, count *results) bool {
	if k.n == 0 {
		return false
	}
	if hasTags(ctx) {
		tag, ok := a.Cache.tag(&k.key, k.stamp)
		if !ok {
			return false
		}
		if unchanged(ctx, tag[:]) {
			count.notModified.Inc()
			return true
		}
	}
	body, tag, ok := a.Cache.get(page(ctx), &k.key, k.stamp)
	if !ok {
		ctx.Response.SwapBody(body)
		return false
	}
	setTag(ctx, tag[:])
	give(ctx, body)
	count.found.Inc()
	return true
}

// keep keeps what was read since k was sought, where it is synced and nothing has changed
// meanwhile. Without a body it is the tag alone. A trace that went on under other numbers
// is not kept: theirs are other stamps.
func (a *Answers) keep(k *kept, t *trace.Trace, tag, body []byte) {
	if k.n == 0 || !k.settled || len(t.Head.Legs) > 0 {
		return
	}
	if stamp, settled := a.From.Stamp(k.number); settled && stamp == k.stamp {
		a.Cache.put(&k.key, stamp, tag, body)
	}
}
