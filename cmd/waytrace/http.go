package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base32"
	"errors"
	"net"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"

	"waytrace/ingest"
	"waytrace/trace"
)

// The server's limits. Every answer comes within three seconds; a request that
// does not arrive in full within readTimeout is cut off.
const (
	readTimeout  = 10 * time.Second
	writeTimeout = 10 * time.Second
	idleTimeout  = 75 * time.Second // longer than a balancer's
	bufferSize   = 16 << 10         // headers must fit; a push of ten events and its answer do
)

// newServer makes a server of ours around a handler. failed answers what could
// not be read as a request.
func newServer(handle fasthttp.RequestHandler, failed func(*fasthttp.RequestCtx, error)) *fasthttp.Server {
	return &fasthttp.Server{
		Name: "waytrace", NoDefaultServerHeader: true, NoDefaultContentType: true,
		Handler: handle, ErrorHandler: failed, HeaderReceived: framing,
		ReadBufferSize: bufferSize, WriteBufferSize: bufferSize,
		ReadTimeout: readTimeout, WriteTimeout: writeTimeout, IdleTimeout: idleTimeout,
		MaxRequestBodySize: ingest.MaxBody, CloseOnShutdown: true,
		DisablePreParseMultipartForm: true,
		Logger:                       silence{},
	}
}

// rehearsed makes a handler busy for a while longer on each request.
func rehearsed(handle fasthttp.RequestHandler, delay time.Duration) fasthttp.RequestHandler {
	if delay <= 0 {
		return handle
	}
	return func(ctx *fasthttp.RequestCtx) {
		for began := time.Now(); time.Since(began) < delay; {
		}
		handle(ctx)
	}
}

// silence: the errors of single connections are the clients' and are counted,
// not logged.
type silence struct{}

func (silence) Printf(string, ...any) {}

// misframedHeader marks a request that two parsers could read in two ways. A
// client that sends it itself refuses itself.
const misframedHeader = "X-Waytrace-Misframed"

var misframedName = []byte(misframedHeader)

// framing marks what is ambiguous about where a request ends: a proxy in front
// may have seen another request than we do. Repeated lengths and hosts are
// refused by the parser; only chunked bodies need a second look.
func framing(h *fasthttp.RequestHeader) fasthttp.RequestConfig {
	if h.ContentLength() != chunked {
		if hasName(h.RawHeaders(), transferEncoding) {
			h.Set(misframedHeader, "a Transfer-Encoding that is not chunked")
		}
		return fasthttp.RequestConfig{}
	}
	switch {
	case !h.IsHTTP11():
		h.Set(misframedHeader, "Transfer-Encoding in HTTP/1.0")
	case hasName(h.RawHeaders(), contentLength):
		h.Set(misframedHeader, "Content-Length and Transfer-Encoding together")
	}
	// A body that tells its length as it goes is read beyond the limit, for its door
	// to refuse it in its own words: once the server has cut it off, it has forgotten
	// whose it was.
	return fasthttp.RequestConfig{MaxRequestBodySize: 2*ingest.MaxBody + 4<<10}
}

// chunked is the length of a body that tells its own.
const chunked = -1

// refuseMisframed answers a marked request and closes the connection.
func refuseMisframed(ctx *fasthttp.RequestCtx) bool {
	why := ctx.Request.Header.PeekCanonical(misframedName)
	if len(why) == 0 {
		return false
	}
	refuse(ctx, trace.Invalid("invalid_framing", "", "the request can be read in two ways: %s", why))
	ctx.SetConnectionClose()
	return true
}

// hasName reports whether header lines as they were sent have a name.
func hasName(raw, name []byte) bool {
	for len(raw) > 0 {
		line, rest, _ := bytes.Cut(raw, lineEnd)
		at := bytes.IndexByte(line, ':')
		if at >= len(name) && bytes.EqualFold(bytes.TrimSpace(line[:at]), name) {
			return true
		}
		raw = rest
	}
	return false
}

var (
	lineEnd          = []byte{'\n'}
	contentLength    = []byte("content-length")
	transferEncoding = []byte("transfer-encoding")
)

// unread answers what fasthttp could not read as a request; the connection is
// closed behind it. Where the door is known, an overlong body is told in its
// words.
func (r *routes) unread(ctx *fasthttp.RequestCtx, err error) {
	setRequestID(ctx)
	say, counts := refuse, unrouted
	var small *fasthttp.ErrSmallBuffer
	var timeout net.Error
	switch {
	case errors.As(err, &small):
		err = trace.Invalid("header_too_large", "", "the header is longer than %d bytes", bufferSize)
	case errors.As(err, &timeout) && timeout.Timeout():
		err = trace.Invalid("too_slow", "", "the request did not arrive within %s", readTimeout)
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		err = trace.Invalid("too_large", "", "the body is longer than %d bytes", ingest.MaxBody)
		if path, bad := rawPath(ctx.RequestURI()); bad == nil {
			if d, _ := r.find(lent(ctx.Method()), path); d != nil {
				say, counts = d.refuse, d.counts
			}
		}
		drain(ctx.Conn())
	default:
		err = trace.Invalid("invalid_framing", "", "the request is not HTTP/1.1 as it should be")
	}
	say(ctx, err)
	counts.status(ctx) // when it began to arrive is not known
}

// drain reads on what a client is still sending, for a while: whoever is cut
// off in the middle of a body sees a broken connection, and not the answer.
func drain(c net.Conn) {
	const most, pause, patience = 16 << 20, 200 * time.Millisecond, 2 * time.Second
	buf := make([]byte, 32<<10)
	end := time.Now().Add(patience)
	for n := 0; n < most && time.Now().Before(end); {
		if c.SetReadDeadline(time.Now().Add(pause)) != nil {
			return
		}
		got, err := c.Read(buf)
		if n += got; err != nil {
			return
		}
	}
}

// refuse answers an error as a problem document (RFC 9457).
func refuse(ctx *fasthttp.RequestCtx, err error) {
	status := statusOf(err)
	p := problemOf(err)
	switch {
	case p != nil:
	case status != fasthttp.StatusInternalServerError:
		p = &trace.Problem{Code: codes[status], Detail: trace.Words(err)}
	default:
		p = &trace.Problem{Code: "internal", Detail: "something went wrong here; the log has the request's id"}
	}
	switch status {
	case fasthttp.StatusServiceUnavailable, fasthttp.StatusTooManyRequests:
		ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, "1")
	case fasthttp.StatusUnauthorized:
		ctx.Response.Header.Set(fasthttp.HeaderWWWAuthenticate, `Bearer realm="waytrace"`)
	case fasthttp.StatusInternalServerError:
		internalErrors.Inc()
		if log := failures.Load(); log != nil {
			(*log)(string(ctx.Response.Header.PeekBytes(requestID)), err)
		}
	}
	b := p.AppendJSON(ctx.Response.SwapBody(nil)[:0], status, fasthttp.StatusMessage(status))
	ctx.SetStatusCode(status)
	ctx.Response.Header.SetContentType("application/problem+json")
	ctx.Response.SwapBody(b)
}

// problemOf is the problem within an error, or nil. Most are nothing else.
func problemOf(err error) *trace.Problem {
	if p, ok := err.(*trace.Problem); ok {
		return p
	}
	var p *trace.Problem
	errors.As(err, &p)
	return p
}

// statusOf is the one table from errors to HTTP.
func statusOf(err error) int {
	if p := problemOf(err); p != nil {
		switch p.Code {
		case "too_large":
			return fasthttp.StatusRequestEntityTooLarge
		case "unsupported_encoding", "unsupported_media_type":
			return fasthttp.StatusUnsupportedMediaType
		case "rate_limited":
			return fasthttp.StatusTooManyRequests
		case "missing_scope":
			return fasthttp.StatusForbidden
		case "method_not_allowed":
			return fasthttp.StatusMethodNotAllowed
		case "header_too_large":
			return fasthttp.StatusRequestHeaderFieldsTooLarge
		case "already_running", "needs_clone":
			return fasthttp.StatusConflict
		case "too_slow":
			return fasthttp.StatusRequestTimeout
		}
	}
	switch {
	case errors.Is(err, trace.ErrUnavailable):
		return fasthttp.StatusServiceUnavailable
	case errors.Is(err, trace.ErrUnauthorized):
		return fasthttp.StatusUnauthorized
	case errors.Is(err, trace.ErrNotFound):
		return fasthttp.StatusNotFound
	case errors.Is(err, trace.ErrInvalid):
		return fasthttp.StatusBadRequest
	}
	return fasthttp.StatusInternalServerError
}

// codes are the problem codes of errors that bring none.
var codes = map[int]string{
	fasthttp.StatusServiceUnavailable: "unavailable",
	fasthttp.StatusUnauthorized:       "unauthorized",
	fasthttp.StatusNotFound:           "not_found",
	fasthttp.StatusBadRequest:         "invalid",
}

// requestID is the name of the header, as the wire has it.
var requestID = []byte("X-Request-Id")

// setRequestID names the request: as the client did, or anew.
func setRequestID(ctx *fasthttp.RequestCtx) {
	if id := ctx.Request.Header.PeekCanonical(requestID); validRequestID(id) {
		ctx.Response.Header.SetCanonical(requestID, id)
		return
	}
	var room [32]byte
	id := append(room[:0], processID...)
	ctx.Response.Header.SetCanonical(requestID, strconv.AppendUint(id, requests.Add(1), 32))
}

// validRequestID: up to 64 characters that cannot hurt a log or a header.
func validRequestID(id []byte) bool {
	for _, c := range id {
		if (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') && c != '-' && c != '_' && c != '.' && c != ':' {
			return false
		}
	}
	return len(id) > 0 && len(id) <= 64
}

var (
	requests  atomic.Uint64
	processID = func() string {
		var b [5]byte
		rand.Read(b[:]) // never fails: crypto/rand ends the process instead
		return base32.HexEncoding.EncodeToString(b[:]) + "-"
	}()

	// failures hears of errors that are our own mistakes.
	failures atomic.Pointer[func(id string, err error)]
)

// doorCounts counts the answers of a door, by status, and how long they took.
type doorCounts struct {
	path     string
	byStatus [600]atomic.Pointer[metrics.Counter]
	took     *durations
}

func countsOf(path string) *doorCounts {
	return &doorCounts{path: path, took: durationsOf(path)}
}

func (c *doorCounts) count(ctx *fasthttp.RequestCtx) {
	c.status(ctx)
	c.took.add(time.Since(ctx.Time()), ctx.ConnID())
}

func (c *doorCounts) status(ctx *fasthttp.RequestCtx) {
	status := ctx.Response.StatusCode()
	if status < 0 || status >= len(c.byStatus) {
		status = 0
	}
	counter := c.byStatus[status].Load()
	if counter == nil {
		counter = metrics.GetOrCreateCounter(`waytrace_http_requests_total{route="` + c.path + `",code="` + strconv.Itoa(status) + `"}`)
		c.byStatus[status].Store(counter)
	}
	counter.Inc()
}

var (
	unrouted       = countsOf("")
	internalErrors = metrics.NewCounter(`waytrace_http_internal_errors_total`)
)
