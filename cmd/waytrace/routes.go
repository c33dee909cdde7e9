package main

import (
	"net/url"
	"strings"

	"github.com/valyala/fasthttp"

	"waytrace/carriers"
	"waytrace/ingest"
	"waytrace/query"
	"waytrace/trace"
)

// A handler answers in full, or returns an error and leaves the answer to its
// door. who has shown what the door asks for.
type handler func(ctx *fasthttp.RequestCtx, who trace.Asker) error

// A door is a method and a path, who may come in, who answers, and in whose
// words an error is told.
type door struct {
	method string
	path   string // ends in "/{…}" where the rest is the handler's: the user value "tail"
	guard  guard
	handle handler
	refuse func(ctx *fasthttp.RequestCtx, err error)
}

// A guard says who stands at the door, or ErrUnauthorized.
type guard func(ctx *fasthttp.RequestCtx) (trace.Asker, error)

// publicDoors are all doors of the public listener.
func publicDoors(in *ingest.Ingest, answers query.Answers, known []carriers.Carrier, g *guards) []door {
	read, push := g.scope("read"), g.scope("push")
	doors := []door{
		{"GET", "/v1/traces/{number}", read, answers.Trace, refuse},
		{"GET", "/v1/traces", read, answers.Trace, refuse},
		{"POST", "/v1/traces/batch", read, inflated(answers.TraceBatch), refuse},
		{"GET", "/v1/status/{number}", read, answers.Status, refuse},
		{"GET", "/v1/status", read, answers.Status, refuse},
		{"POST", "/v1/status/batch", read, inflated(answers.StatusBatch), refuse},
		{"GET", "/v1/references/{reference}", read, answers.References, refuse},
		{"POST", "/v1/events", push, in.Events, refuse},
	}
	for _, c := range known {
		if c.Push == nil {
			continue
		}
		handle, say := handler(in.Push(c)), in.Refuse(c)
		for _, name := range append([]string{c.Code}, c.Aliases...) {
			doors = append(doors,
				door{"POST", "/push/" + name, g.carrier(c), handle, say},
				door{"POST", "/push/" + name + "/{token}", g.carrierToken(c), handle, say})
		}
	}
	return doors
}

// inflated undoes the body's Content-Encoding before the handler reads it.
func inflated(next handler) handler {
	return func(ctx *fasthttp.RequestCtx, who trace.Asker) error {
		if len(ctx.PostBody()) > ingest.MaxBody {
			return trace.Invalid("too_large", "", "the body is longer than %d bytes", ingest.MaxBody)
		}
		if err := ingest.Inflate(&ctx.Request); err != nil {
			return err
		}
		return next(ctx, who)
	}
}

// routes finds the door of a request.
type routes struct {
	exact, prefix   map[string]*opened // "METHOD /path", and "METHOD /path/" for doors with a tail
	methods, behind map[string]string  // of each such path, for who comes with another
}

// An opened door counts who came through it.
type opened struct {
	door
	counts *doorCounts
}

func newRoutes(doors []door) *routes {
	r := &routes{map[string]*opened{}, map[string]*opened{}, map[string]string{}, map[string]string{}}
	for _, d := range doors {
		o := &opened{d, countsOf(d.path)}
		into, methods, path := r.exact, r.methods, d.path
		if at := strings.IndexByte(path, '{'); at >= 0 {
			into, methods, path = r.prefix, r.behind, path[:at]
		}
		into[d.method+" "+path] = o
		if d.method == "GET" {
			into["HEAD "+path] = o
		}
		if methods[path] != "" {
			methods[path] += ", "
		}
		methods[path] += d.method
	}
	return r
}

// find gives the door of a method and a raw path, and the raw tail of the path
// where the door has one.
func (r *routes) find(method, path string) (d *opened, tail string) {
	var buf [128]byte
	key := append(append(append(buf[:0], method...), ' '), path...)
	if d = r.exact[string(key)]; d != nil {
		return d, ""
	}
	cut := strings.LastIndexByte(path, '/') + 1
	if d = r.prefix[string(key[:len(method)+1+cut])]; d != nil && cut < len(path) {
		return d, path[cut:]
	}
	return nil, ""
}

// missing says why there is no door: another method, or no such path.
func (r *routes) missing(ctx *fasthttp.RequestCtx, path string) error {
	cut := strings.LastIndexByte(path, '/') + 1
	allowed := r.methods[path]
	if allowed == "" && cut < len(path) {
		allowed = r.behind[path[:cut]]
	}
	if allowed != "" {
		ctx.Response.Header.Set(fasthttp.HeaderAllow, allowed)
		return trace.Problemf(trace.ErrInvalid, "method_not_allowed", "%s is not for this path: %s is", ctx.Method(), allowed)
	}
	return trace.Problemf(trace.ErrNotFound, "no_such_path", "there is nothing at this path")
}

// serve answers one request: it finds the door, asks its guard, and lets the
// handler or the refusal speak.
func (r *routes) serve(ctx *fasthttp.RequestCtx) {
	setRequestID(ctx)
	if refuseMisframed(ctx) {
		unrouted.count(ctx)
		return
	}
	path, err := rawPath(ctx.RequestURI())
	if err != nil {
		refuse(ctx, err)
		unrouted.count(ctx)
		return
	}
	d, tail := r.find(string(ctx.Method()), path)
	if d == nil {
		refuse(ctx, r.missing(ctx, path))
		unrouted.count(ctx)
		return
	}
	if tail != "" {
		decoded, err := url.PathUnescape(tail)
		if err != nil {
			d.refuse(ctx, trace.Invalid("invalid_path", "", "the end of the path is not percent-encoded as it should be"))
			d.counts.count(ctx)
			return
		}
		ctx.SetUserValue("tail", decoded)
	}
	who, err := d.guard(ctx)
	if err == nil {
		err = d.handle(ctx, who)
	}
	if err != nil {
		d.refuse(ctx, err)
	}
	d.counts.count(ctx)
}

// rawPath is the path as it was sent, without the query. Only a canonical one
// is served, so that what a proxy in front has judged is what is opened here:
// no empty, "." or ".." segments, not even in disguise.
func rawPath(uri []byte) (string, error) {
	path, _, _ := strings.Cut(string(uri), "?")
	if !strings.HasPrefix(path, "/") {
		return "", trace.Invalid("invalid_path", "", "the request's target must be a path")
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(path[1:], "/"), "/") {
		plain := strings.ReplaceAll(strings.ToLower(segment), "%2e", ".")
		if plain == "." || plain == ".." || segment == "" && path != "/" {
			return "", trace.Invalid("invalid_path", "", "the path has an empty or dotted segment: send it in its shortest form")
		}
	}
	return path, nil
}
