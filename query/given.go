package query

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// keepPrivate sets what every read says to caches: ask again each time, share
// nothing. It comes first, so that a refusal says it too.
func keepPrivate(ctx *fasthttp.RequestCtx) {
	ctx.Response.Header.SetCanonical(vary, varies)
	ctx.Response.Header.SetCanonical(cacheControl, askAgain)
}

// Names as the wire has them, so that nothing is to be done to them.
var (
	vary, varies           = []byte(fasthttp.HeaderVary), []byte("Accept-Language, Authorization")
	cacheControl, askAgain = []byte(fasthttp.HeaderCacheControl), []byte("private, no-cache")
	etag                   = []byte("Etag")
	ifNoneMatch            = []byte(fasthttp.HeaderIfNoneMatch)
	acceptLanguage         = []byte(fasthttp.HeaderAcceptLanguage)
)

// page lends the memory of the response's own body to append the answer to; give
// hands it back. So nothing of ours is left to alias when the handler has
// returned and the answer is being written, and nothing is copied.
func page(ctx *fasthttp.RequestCtx) []byte { return ctx.Response.SwapBody(nil)[:0] }

// largePage is the body that a connection may keep for its next answer, the same
// as it may keep of what it is asked. Beyond, the answer goes out from memory
// that nobody keeps.
const largePage = 1 << 20

func give(ctx *fasthttp.RequestCtx, body []byte) {
	ctx.Response.Header.SetContentType("application/json")
	if cap(body) > largePage {
		ctx.Response.SetBodyRaw(body)
		return
	}
	ctx.Response.SwapBody(body)
}

// tagSize is the room that a weak tag of sixteen digits takes.
const tagSize = 20

func setTag(ctx *fasthttp.RequestCtx, tag []byte) {
	ctx.Response.Header.SetCanonical(etag, tag)
}

// lines are a header's, all of them; none where the first is empty, which is looked for
// first because most requests have none.
func lines(ctx *fasthttp.RequestCtx, name []byte) [][]byte {
	if len(ctx.Request.Header.PeekCanonical(name)) == 0 {
		return nil
	}
	return ctx.Request.Header.PeekAll(string(name))
}

// hasTags reports whether the asker brought tags of what they have.
func hasTags(ctx *fasthttp.RequestCtx) bool {
	return len(ctx.Request.Header.PeekCanonical(ifNoneMatch)) > 0
}

// unchanged sets the tag of the answer. Where the asker has that already, it
// answers 304, without a body, and reports true.
func unchanged(ctx *fasthttp.RequestCtx, tag []byte) bool {
	setTag(ctx, tag)
	for _, list := range lines(ctx, ifNoneMatch) {
		if names(list, tag) {
			ctx.Response.SetStatusCode(fasthttp.StatusNotModified)
			return true
		}
	}
	return false
}

// names reports whether an If-None-Match list has the tag: "*" has every tag,
// and weak or strong makes no difference. It reads up to the first thing that
// is no tag; a comma inside the quotes belongs to the tag.
func names(list, tag []byte) bool {
	weak := []byte("W/")
	tag = bytes.TrimPrefix(tag, weak)
	if string(bytes.TrimSpace(list)) == "*" {
		return true
	}
	for {
		list = bytes.TrimPrefix(bytes.TrimLeft(list, ", \t"), weak)
		if len(list) == 0 || list[0] != '"' {
			return false
		}
		end := bytes.IndexByte(list[1:], '"') + 2
		if end < 2 {
			return false
		}
		if bytes.Equal(list[:end], tag) {
			return true
		}
		list = list[end:]
	}
}
