package main

import (
	"net/url"
	"strings"
	"unsafe"

	"github.com/valyala/fasthttp"

	"waytrace/carriers"
	"waytrace/ingest"
	"waytrace/query"
	"waytrace/store"
	"waytrace/trace"
)

// A handler answers in full, or returns an error and leaves the answer to its
// door. who has shown what the door asks for.
type handler func(ctx *fasthttp.RequestCtx, who trace.Asker) error

// A door is a method and a path, who may come in, who answers, and in whose
// words an error is told.
type door struct {
	method string
	// path has one segment in braces where that is the handler's: the user value "tail".
	// It ends in "/{…}/" where the tail may have several segments.
	path   string
	call   string // which of a carrier's calls: the user value "call"
	pushed bool   // what comes here is kept: a HEAD is not answered as a GET would be
	guard  guard
	handle handler
	// handleTail is in place of handle where the tail is asked for so often that it should
	// cost no memory: it is lent, until the handler returns, and is no user value.
	handleTail func(ctx *fasthttp.RequestCtx, who trace.Asker, tail string) error
	refuse     func(ctx *fasthttp.RequestCtx, err error)
}

// A guard says who stands at the door, or ErrUnauthorized.
type guard func(ctx *fasthttp.RequestCtx) (trace.Asker, error)

// publicDoors are all doors of the public listener.
func publicDoors(in *ingest.Ingest, s *store.Store, answers query.Answers, known []carriers.Carrier, g *guards) []door {
	read, push, admin := g.scope("read"), g.scope("push"), g.scope("admin")
	doors := []door{
		{method: "GET", path: "/v1/traces/{number}", guard: read, handleTail: answers.TraceOf},
		{method: "GET", path: "/v1/traces", guard: read, handle: answers.Trace},
		{method: "POST", path: "/v1/traces/batch", guard: read, handle: inflated(answers.TraceBatch)},
		{method: "GET", path: "/v1/status/{number}", guard: read, handleTail: answers.StatusOf},
		{method: "GET", path: "/v1/status", guard: read, handle: answers.Status},
		{method: "POST", path: "/v1/status/batch", guard: read, handle: inflated(answers.StatusBatch)},
		{method: "GET", path: "/v1/references/{reference}", guard: read, handle: answers.References},
		{method: "POST", path: "/v1/events", guard: push, handle: in.Events},
		{method: "POST", path: "/v1/traces/{number}/override", guard: admin, handle: inflated(thenShow(in.Override(s), answers.Status))},
	}
	for i := range doors {
		doors[i].refuse = refuse
	}
	for _, c := range known {
		if c.Push != nil {
			doors = append(doors, carrierDoors(in, c, g)...)
		}
	}
	return doors
}

// carrierDoors are the doors at which a carrier pushes: one under each of its
// names, or one for each of its calls, and its gateway.
func carrierDoors(in *ingest.Ingest, c carriers.Carrier, g *guards) (doors []door) {
	handle, say := handler(in.Push(c)), in.Refuse(c)
	methods, calls := []string{"POST"}, c.Push.Calls
	if c.Push.ByGet {
		methods = append(methods, "GET")
	}
	if len(calls) == 0 {
		calls = []string{""}
	}
	for _, method := range methods {
		for _, name := range append([]string{c.Code}, c.Aliases...) {
			for _, call := range calls {
				path := strings.TrimSuffix("/push/"+name+"/"+call, "/")
				doors = append(doors,
					door{method: method, path: path, call: call, guard: g.carrier(c)},
					door{method: method, path: path + "/{token}", call: call, guard: g.carrierToken(c)})
			}
		}
		if c.Push.Gateway != "" {
			doors = append(doors, door{method: method, path: c.Push.Gateway + "{rest}/", guard: g.gateway(c)})
		}
	}
	for i := range doors {
		doors[i].pushed, doors[i].handle, doors[i].refuse = true, handle, say
	}
	return doors
}

// thenShow lets one handler do something and another one show what is there now.
func thenShow(do, show handler) handler {
	return func(ctx *fasthttp.RequestCtx, who trace.Asker) error {
		if err := do(ctx, who); err != nil {
			return err
		}
		ctx.Request.Header.Del(fasthttp.HeaderIfNoneMatch) // it is news, whatever the asker has seen
		return show(ctx, who)
	}
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
	exact, prefix, within map[string]*opened // "METHOD /path", "METHOD /path/" for doors with a tail, "METHOD /path//end" for those with a tail in the middle
	methods, behind       map[string]string  // of each such path, for who comes with another
	deep                  []*opened          // doors whose tail has several segments
	often                 []*opened          // doors that are lent their tail, where nothing exact lies behind
}

// An opened door counts who came through it.
type opened struct {
	door
	lead   string // its path before its tail, where it has one
	counts *doorCounts
}

func newRoutes(doors []door) *routes {
	r := &routes{map[string]*opened{}, map[string]*opened{}, map[string]*opened{}, map[string]string{}, map[string]string{}, nil, nil}
	for _, d := range doors {
		lead, _, _ := strings.Cut(d.path, "{")
		o := &opened{d, lead, countsOf(d.path)}
		if strings.HasSuffix(d.path, "}/") {
			r.deep = append(r.deep, o)
			continue
		}
		into, methods, path := r.exact, r.methods, d.path
		if before, rest, tailed := strings.Cut(path, "{"); tailed {
			if _, end, _ := strings.Cut(rest, "}"); end != "" {
				into, path = r.within, before+end // with two slashes, which no request has
			} else {
				into, methods, path = r.prefix, r.behind, before
			}
		}
		into[d.method+" "+path] = o
		if d.method == "GET" && !d.pushed {
			into["HEAD "+path] = o
		}
		if methods[path] != "" {
			methods[path] += ", "
		}
		methods[path] += d.method
	}
	for at, d := range r.prefix {
		if d.handleTail != nil && strings.HasPrefix(at, d.method) && !r.shadowed(at) {
			r.often = append(r.often, d)
		}
	}
	return r
}

// shadowed reports whether there is an exact door below a prefix.
func (r *routes) shadowed(prefix string) bool {
	for at := range r.exact {
		if strings.HasPrefix(at, prefix) {
			return true
		}
	}
	return false
}

// find gives the door of a method and a raw path, and the raw tail of the path
// where the door has one.
func (r *routes) find(method, path string) (d *opened, tail string) {
	for _, d := range r.often {
		if tail, ok := strings.CutPrefix(path, d.lead); ok && method == d.method && tail != "" && strings.IndexByte(tail, '/') < 0 {
			return d, tail
		}
	}
	var buf [128]byte
	key := append(append(append(buf[:0], method...), ' '), path...)
	if d = r.exact[string(key)]; d != nil {
		return d, ""
	}
	cut := strings.LastIndexByte(path, '/') + 1
	if d = r.prefix[string(key[:len(method)+1+cut])]; d != nil && cut < len(path) {
		return d, path[cut:]
	}
	if around, tail := middle(path); tail != "" {
		if d = r.within[method+" "+around]; d != nil {
			return d, tail
		}
	}
	for _, d := range r.deep {
		if d.method == method && d.isAbove(path) {
			return d, path[len(d.lead):]
		}
	}
	return nil, ""
}

// middle takes the last segment but one out of a path.
func middle(path string) (around, tail string) {
	end := strings.LastIndexByte(path, '/')
	if end <= 0 {
		return path, ""
	}
	before := strings.LastIndexByte(path[:end], '/') + 1
	return path[:before] + path[end:], path[before:end]
}

// isAbove reports whether a path is that of a door with a deep tail.
func (d *opened) isAbove(path string) bool {
	return len(path) > len(d.lead) && strings.HasPrefix(path, d.lead)
}

// missing says why there is no door: another method, or no such path.
func (r *routes) missing(ctx *fasthttp.RequestCtx, path string) error {
	if allowed := r.allowed(path); allowed != "" {
		ctx.Response.Header.Set(fasthttp.HeaderAllow, allowed)
		return trace.Problemf(trace.ErrInvalid, "method_not_allowed", "%s is not for this path: %s is", ctx.Method(), allowed)
	}
	return trace.Problemf(trace.ErrNotFound, "no_such_path", "there is nothing at this path")
}

// allowed are the methods for which there is a door at a path.
func (r *routes) allowed(path string) string {
	if methods := r.methods[path]; methods != "" {
		return methods
	}
	if cut := strings.LastIndexByte(path, '/') + 1; cut < len(path) && r.behind[path[:cut]] != "" {
		return r.behind[path[:cut]]
	}
	if around, tail := middle(path); tail != "" && r.methods[around] != "" {
		return r.methods[around]
	}
	var methods []string
	for _, d := range r.deep {
		if d.isAbove(path) {
			methods = append(methods, d.method)
		}
	}
	return strings.Join(methods, ", ")
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
	d, tail := r.find(lent(ctx.Method()), path)
	if d == nil {
		refuse(ctx, r.missing(ctx, path))
		unrouted.count(ctx)
		return
	}
	if strings.IndexByte(tail, '%') >= 0 {
		if tail, err = url.PathUnescape(tail); err != nil {
			d.refuse(ctx, trace.Invalid("invalid_path", "", "the end of the path is not percent-encoded as it should be"))
			d.counts.count(ctx)
			return
		}
	}
	if d.handleTail == nil {
		d.tell(ctx, path, tail)
	}
	who, err := d.guard(ctx)
	switch {
	case err != nil:
	case d.handleTail != nil:
		err = d.handleTail(ctx, who, tail)
	default:
		err = d.handle(ctx, who)
	}
	if err != nil {
		d.refuse(ctx, err)
	}
	d.counts.count(ctx)
}

// tell sets the user values of a door whose handler or guard asks for them: copies,
// which may be kept.
func (d *opened) tell(ctx *fasthttp.RequestCtx, path, tail string) {
	if tail != "" {
		ctx.SetUserValue("tail", strings.Clone(tail))
	}
	if d.call != "" {
		ctx.SetUserValue("call", d.call)
	}
	if strings.HasSuffix(d.path, "}/") {
		ctx.SetUserValue("path", strings.Clone(path))
	}
}

// lent is the text of bytes that are a request's: it changes under whoever keeps it
// longer than the handler runs.
func lent(b []byte) string { return unsafe.String(unsafe.SliceData(b), len(b)) }

// rawPath is the path as it was sent, without the query, lent as the request is. Only a
// canonical one is served, so that what a proxy in front has judged is what is opened
// here: no empty, "." or ".." segments, not even in disguise.
func rawPath(uri []byte) (string, error) {
	path, _, _ := strings.Cut(lent(uri), "?")
	if !strings.HasPrefix(path, "/") {
		return "", trace.Invalid("invalid_path", "", "the request's target must be a path")
	}
	if strings.IndexByte(path, '.') < 0 && strings.IndexByte(path, '%') < 0 && !strings.Contains(path, "//") {
		return path, nil // nearly all are like this
	}
	for segment := range strings.SplitSeq(strings.TrimSuffix(path[1:], "/"), "/") {
		plain := strings.ReplaceAll(strings.ToLower(segment), "%2e", ".")
		if plain == "." || plain == ".." || segment == "" && path != "/" {
			return "", trace.Invalid("invalid_path", "", "the path has an empty or dotted segment: send it in its shortest form")
		}
	}
	return path, nil
}
