package ingest

import (
	"errors"
	"strings"

	"github.com/valyala/fasthttp"

	"waytrace/carriers"
	"waytrace/trace"
)

// MaxBody is the length of a push or of a JSON body, in bytes, both before and
// after Content-Encoding.
const MaxBody = 1 << 20

func tooLarge() error {
	return trace.Invalid("too_large", "", "the body is longer than %d bytes", MaxBody)
}

// read gives a request as a dialect reads it, its Content-Encoding undone, with
// the errors of Inflate and of the gate. What it gives is borrowed from ctx.
func read(ctx *fasthttp.RequestCtx, p *pass) (carriers.Request, error) {
	came := len(ctx.PostBody())
	if err := Inflate(&ctx.Request); err != nil {
		return carriers.Request{}, err
	}
	if err := p.grow(len(ctx.PostBody()) - came); err != nil {
		return carriers.Request{}, err
	}
	return request(ctx), nil
}

// request is what came, as far as it can be read: where a Content-Encoding
// still stands, it has no body. It is borrowed from ctx.
func request(ctx *fasthttp.RequestCtx) carriers.Request {
	r := carriers.Request{
		ContentType: carriers.View(ctx.Request.Header.ContentType()),
		Query:       queryOf(carriers.View(ctx.RequestURI())),
	}
	r.Path, _ = ctx.UserValue("path").(string)
	r.Call, _ = ctx.UserValue("call").(string)
	if len(ctx.Request.Header.ContentEncoding()) == 0 {
		r.Body = ctx.PostBody()
	}
	return r
}

// queryOf is the query of a request's target.
func queryOf(target string) string {
	target, _, _ = strings.Cut(target, "#")
	_, query, _ := strings.Cut(target, "?")
	return query
}

// Inflate undoes a request's Content-Encoding in place and takes the header
// away, so that whoever answers later reads the same body without the work.
// Beyond MaxBody, for bytes that are not what the header says, and for any
// encoding but gzip and identity it is ErrInvalid with code too_large,
// invalid_encoding or unsupported_encoding, and the request is as it was.
func Inflate(r *fasthttp.Request) error {
	switch encoding := string(r.Header.ContentEncoding()); strings.ToLower(encoding) {
	case "":
		return nil
	case "identity":
	case "gzip", "x-gzip":
		body, err := r.BodyGunzipWithLimit(MaxBody)
		switch {
		case errors.Is(err, fasthttp.ErrBodyTooLarge):
			return tooLarge()
		case err != nil:
			return trace.Invalid("invalid_encoding", "", "the body is not gzip, whatever its Content-Encoding says: %v", err)
		}
		r.SetBodyRaw(body)
	default:
		return trace.Invalid("unsupported_encoding", "", "Content-Encoding %.40q is not one of gzip, identity", encoding)
	}
	r.Header.Del(fasthttp.HeaderContentEncoding)
	return nil
}
