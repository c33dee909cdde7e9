// Package rivals puts other databases behind the questions that a bench asks: SF's pushes
// are decoded, judged and answered as the daemon does it, by a server with its settings,
// and what they brought is kept in PostgreSQL or in Redis as a careful user of those
// would. Folding is left out, and of an answer what it alone can give: milestones, labels.
// That is to the rivals' advantage.
//
//	err := rivals.Serve(ctx, server, rivals.Options{Kind: "postgres", At: "postgres://…", Listen: "127.0.0.1:0"})
package rivals

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/valyala/fasthttp"

	"waytrace/carriers"
	"waytrace/carriers/sf"
	"waytrace/trace"
)

// Options say which rival is served.
type Options struct {
	Kind   string    // postgres or redis
	At     string    // its address, as its driver takes it
	Listen string    // host:port
	Words  io.Writer // is told where the server listens
}

// A keeper keeps what pushes bring. Its methods are safe for concurrent use.
type keeper interface {
	// keep returns when the events are on the disk. They are not its own afterwards.
	keep(ctx context.Context, events []trace.Event) error
	// read gives what is kept of a number, ErrNotFound where that is nothing.
	read(ctx context.Context, number string) (*found, error)
	// settings says which version it is and how it is set, a line each.
	settings(ctx context.Context) (string, error)
	close()
}

// found is a waybill as a rival keeps it.
type found struct {
	trace.Waybill
	pair   trace.Pair
	since  int64 // milliseconds since 1970 UTC
	zone   int16 // minutes east of UTC
	events []trace.Event
}

// patience is how long a rival may take over one request: the daemon's.
const patience = 2500 * time.Millisecond

// Serve answers POST /push/sf, GET /v1/traces/{number}, and GET /settings in plain text until ctx is over. What the rival
// keeps it finds again: nothing is removed. The server's handler is replaced.
func Serve(ctx context.Context, server *fasthttp.Server, o Options) error {
	open := map[string]func(context.Context, string) (keeper, error){"postgres": openPostgres, "redis": openRedis}[o.Kind]
	if open == nil {
		return fmt.Errorf("there is no rival %q: there are postgres and redis", o.Kind)
	}
	k, err := open(ctx, o.At)
	if err != nil {
		return fmt.Errorf("%s: %w", o.Kind, err)
	}
	defer k.close()
	ln, err := net.Listen("tcp", o.Listen)
	if err != nil {
		return err
	}
	r := &rival{keeper: k, dialect: dialect()}
	server.Handler = r.handle
	served := make(chan error, 1)
	go func() { served <- server.Serve(ln) }()
	fmt.Fprintf(o.Words, "%s: listening on http://%s\n", o.Kind, ln.Addr())
	select {
	case err := <-served:
		return fmt.Errorf("%s: %w", o.Kind, err)
	case <-ctx.Done():
		err := ln.Close() // nobody waits for an answer any more
		return errors.Join(err, <-served)
	}
}

// A rival is one that serves.
type rival struct {
	keeper
	dialect *carriers.Push
	clock   trace.Clock
	facts   sync.Pool
}

func dialect() *carriers.Push { return sf.New(sf.Settings{}).Push }

const tracesPath = "/v1/traces/"

func (r *rival) handle(ctx *fasthttp.RequestCtx) {
	path := string(ctx.Path())
	number, isTrace := strings.CutPrefix(path, tracesPath)
	switch {
	case path == "/push/sf" && ctx.IsPost():
		r.push(ctx)
	case isTrace && ctx.IsGet():
		r.trace(ctx, number)
	case path == "/settings" && ctx.IsGet():
		r.tell(ctx)
	default:
		ctx.SetStatusCode(fasthttp.StatusNotFound)
	}
}

// tell says how the rival is set.
func (r *rival) tell(ctx *fasthttp.RequestCtx) {
	wait, stop := context.WithTimeout(context.Background(), patience)
	defer stop()
	text, err := r.settings(wait)
	if err != nil {
		ctx.SetStatusCode(fasthttp.StatusServiceUnavailable)
		text = err.Error()
	}
	ctx.SetContentType("text/plain; charset=utf-8")
	ctx.SetBodyString(text)
}

// push does what the daemon's door does, but for the gate and the quarantine.
func (r *rival) push(ctx *fasthttp.RequestCtx) {
	facts, ok := r.facts.Get().(*trace.Facts)
	if !ok {
		facts = new(trace.Facts)
	}
	defer func() {
		facts.Reset()
		r.facts.Put(facts)
	}()
	in := carriers.Request{Body: ctx.PostBody(), ContentType: string(ctx.Request.Header.ContentType())}
	err := r.dialect.Decode(&in, facts)
	if err == nil {
		facts.Judge(r.clock.Now(), r.clock.Now, r.dialect.Names.Of)
		wait, stop := context.WithTimeout(context.Background(), patience)
		defer stop()
		if len(facts.Events) > 0 {
			err = r.keep(wait, facts.Events)
		}
	}
	if err != nil {
		ctx.SetStatusCode(fasthttp.StatusServiceUnavailable)
	}
	body, contentType := r.dialect.Answer(nil, &in, err)
	ctx.SetContentType(contentType)
	ctx.SetBody(body)
}

func (r *rival) trace(ctx *fasthttp.RequestCtx, asked string) {
	number, err := trace.ParseNumber(asked)
	var f *found
	if err == nil {
		wait, stop := context.WithTimeout(context.Background(), patience)
		defer stop()
		f, err = r.read(wait, number)
	}
	switch {
	case errors.Is(err, trace.ErrNotFound), errors.Is(err, trace.ErrInvalid):
		ctx.SetStatusCode(fasthttp.StatusNotFound)
		return
	case err != nil:
		ctx.SetStatusCode(fasthttp.StatusServiceUnavailable)
		return
	}
	ctx.SetContentType("application/json")
	ctx.SetBody(f.appendJSON(make([]byte, 0, 4<<10)))
}

// appendJSON appends the members of a trace that a plain answer has.
func (f *found) appendJSON(b []byte) []byte {
	member := func(name, text string) {
		b = trace.AppendString(append(b, name...), text)
	}
	member(`{"number":`, f.Number)
	member(`,"carrier":`, f.Carrier)
	var references []string
	for i := range f.events {
		for _, r := range f.events[i].References {
			if !slices.Contains(references, r.Text) {
				references = append(references, r.Text)
			}
		}
	}
	for i, text := range references {
		name := `,`
		if i == 0 {
			name = `,"references":[`
		}
		member(name, text)
	}
	if len(references) > 0 {
		b = append(b, ']')
	}
	member(`,"status":{"code":`, f.pair.Status.String())
	if f.pair.Sub != "" {
		member(`,"sub":`, f.pair.Sub)
	}
	b = append(trace.AppendTime(append(b, `,"since":"`...), f.since, f.zone), '"')
	b = strconv.AppendBool(append(b, `,"terminal":`...), f.pair.Status.Terminal())
	member(`},"legs":[{"carrier":`, f.Carrier)
	member(`,"number":`, f.Number)
	b = append(b, `,"role":"main"}],"events":[`...)
	for i := range f.events {
		if i > 0 {
			b = append(b, ',')
		}
		b = f.events[i].AppendJSON(b, trace.ZhHans)
	}
	return append(b, `]}`...)
}

// inOrder sorts events as a trace shows them, oldest first.
func inOrder(a, b *trace.Event) int {
	return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Carrier, b.Carrier), cmp.Compare(a.At.Local, b.At.Local), cmp.Compare(a.ID, b.ID))
}
