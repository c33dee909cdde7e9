package main

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http/pprof"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"
	"golang.org/x/sys/unix"

	"waytrace/carriers"
	"waytrace/ingest"
	"waytrace/store"
	"waytrace/trace"
)

// admin is what the admin listener shows of the daemon.
type admin struct {
	store    *store.Store
	kept     *store.Quarantine
	replayer *ingest.Replayer
	mapping  store.Mapping
	carriers []carriers.Carrier
	node     *node
	clones   *clones
	self     string // its name in the cluster
	key      string // what its sisters show
	started  time.Time
	draining func() bool

	refolding, replaying atomic.Bool // one at a time each
}

// doors are all doors of the admin listener. Health, readiness and metrics are
// open wherever it listens; the rest is for loopback, elsewhere for keys with
// scope admin.
func (a *admin) doors(g *guards) []door {
	anybody := func(*fasthttp.RequestCtx) (trace.Asker, error) { return trace.Asker{}, nil }
	scope := g.scope("admin")
	operator := func(ctx *fasthttp.RequestCtx) (trace.Asker, error) {
		if local, ok := ctx.LocalAddr().(*net.TCPAddr); ok && local.IP.IsLoopback() && !forwarded(ctx) && !foreignPage(ctx) {
			return trace.Asker{Account: trace.DefaultAccount}, nil
		}
		return scope(ctx)
	}
	doors := []door{
		{method: "GET", path: "/health", guard: anybody, handle: a.health},
		{method: "GET", path: "/ready", guard: anybody, handle: a.ready},
		{method: "GET", path: "/metrics", guard: anybody, handle: a.metrics},
		{method: "GET", path: "/status", guard: operator, handle: a.status},
		{method: "GET", path: "/quarantine", guard: operator, handle: a.quarantine},
		{method: "DELETE", path: "/quarantine", guard: operator, handle: a.dropAll},
		{method: "POST", path: "/quarantine/replay", guard: operator, handle: a.replayAll},
		{method: "GET", path: "/quarantine/doubtful", guard: operator, handle: a.doubtful},
		{method: "GET", path: "/quarantine/{id}", guard: operator, handle: a.quarantined},
		{method: "DELETE", path: "/quarantine/{id}", guard: operator, handle: a.drop},
		{method: "POST", path: "/quarantine/{id}/replay", guard: operator, handle: a.replay},
		{method: "GET", path: "/unmapped", guard: operator, handle: a.unmapped},
		{method: "POST", path: "/refold", guard: operator, handle: a.refold},
		{method: "GET", path: "/clone", guard: operator, handle: a.clone},
		{method: "GET", path: "/verify", guard: operator, handle: a.verify},
		{method: "GET", path: "/digests", guard: sister(a.key, operator), handle: a.digests},
		{method: "GET", path: "/relay", guard: operator, handle: a.relayStatus},
		{method: "GET", path: "/relay/parked", guard: operator, handle: a.relayParked},
		{method: "POST", path: "/relay/skip", guard: operator, handle: a.relaySkip},
		{method: "POST", path: "/relay/adopt", guard: operator, handle: a.relayAdopt},
		{method: "POST", path: "/relay/forget", guard: operator, handle: a.relayForget},
		{method: "GET", path: "/cluster", guard: sister(a.key, operator), handle: clusterReport(a.node.cluster)},
		{method: "POST", path: "/checkpoint", guard: operator, handle: a.checkpoint},
		{method: "POST", path: "/compact", guard: operator, handle: a.compact},
		{method: "GET", path: "/debug/pprof/", guard: operator, handle: profiles},
		{method: "GET", path: "/debug/pprof/{profile}", guard: operator, handle: profiles},
	}
	for i := range doors {
		doors[i].refuse = refuse
	}
	return doors
}

// The profiles of the Go runtime.
var (
	profileIndex  = fasthttpadaptor.NewFastHTTPHandlerFunc(pprof.Index)
	ownedProfiles = map[string]fasthttp.RequestHandler{
		"cmdline": fasthttpadaptor.NewFastHTTPHandlerFunc(pprof.Cmdline),
		"profile": fasthttpadaptor.NewFastHTTPHandlerFunc(pprof.Profile),
		"symbol":  fasthttpadaptor.NewFastHTTPHandlerFunc(pprof.Symbol),
		"trace":   fasthttpadaptor.NewFastHTTPHandlerFunc(pprof.Trace),
	}
)

// profiles shows the index of profiles, or one of them.
func profiles(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	name, _ := ctx.UserValue("tail").(string)
	if own := ownedProfiles[name]; own != nil {
		own(ctx)
		return nil
	}
	profileIndex(ctx)
	return nil
}

// health says that the process lives: never more, or a restart would cut its
// recovery short.
func (a *admin) health(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	ctx.SetContentType("text/plain; charset=utf-8")
	ctx.SetBodyString("alive\n")
	return nil
}

// ready is 200, or 503 with the reasons.
func (a *admin) ready(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	reasons := a.unready()
	if len(reasons) > 0 {
		ctx.SetStatusCode(fasthttp.StatusServiceUnavailable)
	}
	return writeJSON(ctx, struct {
		Ready   bool     `json:"ready"`
		Reasons []string `json:"reasons,omitempty"`
	}{len(reasons) == 0, reasons})
}

// unready says why the daemon is not to be used; nil when it is.
func (a *admin) unready() []string {
	return append(unready(a.store, a.draining), a.node.unready()...)
}

func (a *admin) metrics(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	ctx.SetContentType("text/plain; version=0.0.4; charset=utf-8")
	w := ctx.Response.BodyWriter()
	fmt.Fprintf(w, "waytrace_build_info{version=%q,go=%q} 1\n", version, runtime.Version())
	ready := 1
	if len(a.unready()) > 0 {
		ready = 0
	}
	fmt.Fprintf(w, "waytrace_ready %d\n", ready)
	a.store.WriteMetrics(w)
	a.kept.WriteMetrics(w)
	a.node.WriteMetrics(w)
	metrics.WritePrometheus(w, true)
	return nil
}

// status is for people: what runs here, since when, on how much disk.
func (a *admin) status(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	s := a.store.Status()
	type space struct {
		Free  uint64 `json:"free_bytes"`
		Total uint64 `json:"total_bytes"`
	}
	var disk space
	var fs unix.Statfs_t
	if unix.Statfs(s.Directory, &fs) == nil {
		disk = space{fs.Bavail * uint64(fs.Bsize), fs.Blocks * uint64(fs.Bsize)}
	}
	names := make([]string, len(a.carriers))
	for i, c := range a.carriers {
		names[i] = c.Code
	}
	type fill struct {
		store.QuarantineLoad
		Warning string `json:"warning,omitempty"`
	}
	reasons := a.unready()
	among, err := a.node.status(a.self)
	if err != nil {
		return err
	}
	kept := fill{QuarantineLoad: a.kept.Load()}
	if kept.Filling() {
		kept.Warning = "the quarantine is filling: " + words(kept.QuarantineLoad) + "; replay or drop, or raise quarantine.max_size"
	}
	return writeJSON(ctx, struct {
		Version  string       `json:"version"`
		Started  time.Time    `json:"started"`
		Uptime   string       `json:"uptime"`
		Ready    bool         `json:"ready"`
		Store    store.Status `json:"store"`
		Disk     space        `json:"disk"`
		Carriers []string     `json:"carriers"`
		Kept     fill         `json:"quarantine"`
		Reasons  []string     `json:"not_ready,omitempty"`
		togetherness
	}{version, a.started.UTC().Truncate(time.Second), time.Since(a.started).Round(time.Second).String(),
		len(reasons) == 0, s, disk, names, kept, reasons, among})
}

// words say how much lies in quarantine.
func words(l store.QuarantineLoad) string {
	return fmt.Sprintf("%d requests, %d%% of %s", l.Requests, 100*l.Bytes/l.Limit, Size(l.Limit))
}

// parameters reads those of the address: each one that is known, once.
func parameters(ctx *fasthttp.RequestCtx, known ...string) (map[string]string, error) {
	given := make(map[string]string)
	for name, value := range ctx.QueryArgs().All() {
		_, twice := given[string(name)]
		switch {
		case !slices.Contains(known, string(name)):
			return nil, trace.Invalid("invalid_parameter", fmt.Sprintf("%.40s", name), "there is no such parameter here; there are: %s", strings.Join(known, ", "))
		case twice:
			return nil, trace.Invalid("invalid_parameter", string(name), "%s is given more than once", name)
		}
		given[string(name)] = string(value)
	}
	return given, nil
}

// checkpoint writes a copy of the directory beside it and says where.
func (a *admin) checkpoint(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	data, err := filepath.Abs(a.store.Status().Directory)
	if err != nil {
		return err
	}
	parent := strings.TrimRight(data, "/") + ".checkpoints"
	if err := os.MkdirAll(parent, 0o750); err != nil {
		return err
	}
	dir := filepath.Join(parent, time.Now().UTC().Format("20060102T150405.000Z"))
	if err := a.store.Checkpoint(dir); err != nil {
		return err
	}
	return writeJSON(ctx, struct {
		Directory string `json:"directory"`
	}{dir})
}

// compact compacts the whole directory: what is measured afterwards does not depend on
// when the database got round to it. It takes as long as it takes.
func (a *admin) compact(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	began := time.Now()
	if err := a.store.Compact(ctx); err != nil {
		return err
	}
	return writeJSON(ctx, struct {
		Seconds float64 `json:"seconds"`
	}{time.Since(began).Seconds()})
}

func writeJSON(ctx *fasthttp.RequestCtx, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	ctx.SetContentType("application/json")
	ctx.Response.SetBodyRaw(append(b, '\n'))
	return nil
}
