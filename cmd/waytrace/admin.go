package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net"
	"net/http/pprof"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/fasthttpadaptor"
	"golang.org/x/sys/unix"

	"waytrace/carriers"
	"waytrace/store"
	"waytrace/trace"
)

// admin is what the admin listener shows of the daemon.
type admin struct {
	store    *store.Store
	carriers []carriers.Carrier
	started  time.Time
	draining func() bool
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
	return []door{
		{"GET", "/health", anybody, a.health, refuse},
		{"GET", "/ready", anybody, a.ready, refuse},
		{"GET", "/metrics", anybody, a.metrics, refuse},
		{"GET", "/status", operator, a.status, refuse},
		{"GET", "/quarantine", operator, a.quarantine, refuse},
		{"POST", "/checkpoint", operator, a.checkpoint, refuse},
		{"GET", "/debug/pprof/", operator, profiles, refuse},
		{"GET", "/debug/pprof/{profile}", operator, profiles, refuse},
	}
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
	var reasons []string
	if a.draining() {
		reasons = append(reasons, "stopping")
	}
	if err := a.store.Ready(); err != nil {
		reasons = append(reasons, trace.Words(err))
	}
	if len(reasons) > 0 {
		ctx.SetStatusCode(fasthttp.StatusServiceUnavailable)
	}
	return writeJSON(ctx, struct {
		Ready   bool     `json:"ready"`
		Reasons []string `json:"reasons,omitempty"`
	}{len(reasons) == 0, reasons})
}

func (a *admin) metrics(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	ctx.SetContentType("text/plain; version=0.0.4; charset=utf-8")
	w := ctx.Response.BodyWriter()
	fmt.Fprintf(w, "waytrace_build_info{version=%q,go=%q} 1\n", version, runtime.Version())
	ready := 1
	if a.draining() || a.store.Ready() != nil {
		ready = 0
	}
	fmt.Fprintf(w, "waytrace_ready %d\n", ready)
	a.store.WriteMetrics(w)
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
	return writeJSON(ctx, struct {
		Version  string       `json:"version"`
		Started  time.Time    `json:"started"`
		Uptime   string       `json:"uptime"`
		Ready    bool         `json:"ready"`
		Store    store.Status `json:"store"`
		Disk     space        `json:"disk"`
		Carriers []string     `json:"carriers"`
	}{version, a.started.UTC().Truncate(time.Second), time.Since(a.started).Round(time.Second).String(),
		!a.draining() && a.store.Ready() == nil, s, disk, names})
}

// A quarantinedItem is a quarantined request as GET /quarantine lists it: without
// its body, which may hold anything.
type quarantinedItem struct {
	ID          string      `json:"id"`
	Heard       time.Time   `json:"heard"`
	Carrier     string      `json:"carrier,omitempty"`
	Account     string      `json:"account"`
	ContentType string      `json:"content_type,omitempty"`
	Size        int         `json:"size"`
	Faults      []faultItem `json:"faults"`
}

type faultItem struct {
	Index  int    `json:"index"`
	Code   string `json:"code"`
	Field  string `json:"field,omitempty"`
	Detail string `json:"detail,omitempty"`
}

// mostListed is how many quarantined requests one answer lists.
const mostListed = 1000

// quarantine lists what was taken in and not understood, newest first.
func (a *admin) quarantine(ctx *fasthttp.RequestCtx, _ trace.Asker) error {
	items, total := []quarantinedItem{}, 0
	err := a.store.EachQuarantined(func(hash [16]byte, q *trace.Quarantined) bool {
		total++
		item := quarantinedItem{ID: hex.EncodeToString(hash[:]), Heard: q.Heard.Time(), Carrier: q.Carrier,
			Account: q.Account, ContentType: q.ContentType, Size: len(q.Raw), Faults: []faultItem{}}
		for _, f := range q.Faults {
			item.Faults = append(item.Faults, faultItem(f))
		}
		items = append(items, item)
		if len(items) >= 2*mostListed {
			items = newest(items)
		}
		return true
	})
	if err != nil {
		return err
	}
	return writeJSON(ctx, struct {
		Items []quarantinedItem `json:"items"`
		Total int               `json:"total"`
	}{newest(items), total})
}

func newest(items []quarantinedItem) []quarantinedItem {
	slices.SortFunc(items, func(a, b quarantinedItem) int { return b.Heard.Compare(a.Heard) })
	return items[:min(len(items), mostListed)]
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

func writeJSON(ctx *fasthttp.RequestCtx, v any) error {
	b, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return err
	}
	ctx.SetContentType("application/json")
	ctx.Response.SetBodyRaw(append(b, '\n'))
	return nil
}
