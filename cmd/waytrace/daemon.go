package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/valyala/fasthttp"

	"waytrace/carriers"
	"waytrace/ingest"
	"waytrace/query"
	"waytrace/store"
	"waytrace/trace"
)

// A daemon opens all in order and closes in reverse:
//
//	  ┌────── relay ──▶ Kafka ◀──▶ other nodes
//	  ▼
//	store ◀── ingest ◀── routes ◀── public listener
//	  ▲ ◀──── query ◀──────┘
//	  └────── admin ◀────────────── admin listener ◀── other nodes: how are you?
type daemon struct {
	config *Config
	log    *slog.Logger
	people io.Writer // who started it

	draining atomic.Bool
	failed   chan error // what must not go on: a listener that ended by itself, a relay
	stops    []stop
	drainBy  time.Time // when connections are left to themselves; set when stopping begins

	public, admin net.Addr
}

// A stop undoes one step of opening.
type stop struct {
	name string
	run  func() error
}

// onStop registers how a step is undone, where it is done.
func (d *daemon) onStop(name string, run func() error) {
	d.stops = append(d.stops, stop{name, run})
}

// How long the parts of stopping may take: less than ten seconds in all, or
// whoever stopped us loses patience.
const (
	flushLimit = 1500 * time.Millisecond // while requests are still answered
	drainLimit = 3 * time.Second         // both listeners together
	closeLimit = 5 * time.Second
	settle     = 500 * time.Millisecond // for connections to be closed behind an answer
)

// serve runs the daemon until ctx ends or a listener fails, and stops it.
func serve(ctx context.Context, c *Config, log *slog.Logger, people io.Writer) error {
	d := &daemon{config: c, log: log, people: people, failed: make(chan error, 3)}
	err := d.open(ctx)
	if err == nil {
		select {
		case <-ctx.Done():
		case err = <-d.failed:
		}
	}
	err = errors.Join(err, d.close())
	if d.public != nil {
		fmt.Fprintln(people, "waytrace: stopped")
	}
	return err
}

// open opens all in order.
func (d *daemon) open(ctx context.Context) error {
	c := d.config
	if err := carriers.JSONBy.UnmarshalText([]byte(c.JSONDecoder)); err != nil {
		return err
	}
	trace.Folding = trace.FoldSettings{EpochAfter: time.Duration(c.Fold.EpochDays) * 24 * time.Hour, HidePreTransit: c.Fold.HidePreTransit}
	for _, doubt := range c.doubts() {
		d.log.Warn("a setting is probably a slip: " + doubt)
	}
	keys, err := openKeyring(c.Keys(), d.log)
	if err != nil {
		return err
	}
	report := func(id string, err error) {
		d.log.Error("a request failed by our own fault", "request", id, "err", err)
	}
	failures.Store(&report)

	s, err := d.openStore(ctx)
	if err != nil {
		return err
	}
	d.onStop("store", func() error { return d.closeStore(s) })

	kept, err := s.OpenQuarantine(int64(c.Quarantine.MaxSize))
	if err != nil {
		return err
	}
	d.tend(kept)
	known, err := c.Carriers.Carriers()
	if err != nil {
		return err
	}
	n, err := d.join(s, known)
	if err != nil {
		return err
	}
	d.trim(s) // stopped before the outbox is closed, which holds it back
	in := ingest.New(shelved{s, kept}, d.log, ingest.Options{
		AtOnce: c.AtOnce, BytesInFlight: int64(c.BytesInFlight), Replicated: n.replicated, Clock: n.cluster.Clock,
		Busy: s.Busy,
	})
	g := &guards{keys: keys, everybody: c.InsecureNoAuth, open: loopback(c.Listen), proxies: c.TrustedProxies, exempt: c.Exempt,
		replicated: c.Acknowledge == replicated}

	answers := query.Answers{From: s, Cache: c.answers()}
	d.foldAnew(s, mappingOf(known))
	copies, err := openClones(c.Data, s.Checkpoint, d.log)
	if err != nil {
		return err
	}
	a := &admin{store: s, clones: copies, kept: kept, replayer: in.Replayer(shelf{kept}, known), mapping: mappingOf(known), node: n, self: c.Cluster.Self, key: c.Cluster.Key,
		carriers: known, started: time.Now(), draining: d.draining.Load}
	operators := *g
	operators.open, operators.everybody = false, false // elsewhere than on loopback an operator shows a key
	inside := newRoutes(a.doors(&operators))
	server := newServer(inside.serve, inside.unread)
	server.WriteTimeout = 0 // a profile takes as long as it was asked for
	server.Concurrency = 256
	if d.admin, err = d.listen("admin listener", c.AdminListen, server, nil); err != nil {
		return err
	}
	d.onStop("clones", copies.close)

	var https *tls.Config
	if c.TLSCert != "" {
		pair, err := newCertificates(c.TLSCert, c.TLSKey, d.log)
		if err != nil {
			return err
		}
		https = pair.config()
	}
	r := newRoutes(publicDoors(in, s, answers, known, g))
	server = newServer(rehearsed(r.serve, c.Query.RehearseDelay), r.unread)
	server.Concurrency = c.Connections
	d.public, err = d.listen("public listener", c.Listen, server, https)
	if err != nil {
		return err
	}
	// The last step is the first undone: what is to end is told to begin with.
	d.onStop("compactions", func() error { s.Quiet(); return nil })
	d.onStop("log", func() error {
		// The next start reads the log: what is in tables by then it need not read.
		s.Flush(flushLimit)
		d.drainBy = time.Now().Add(drainLimit)
		return nil
	})
	d.onStop("ready", func() error { d.draining.Store(true); return nil })
	d.greet(known, keys)
	return nil
}

// openStore opens the store, which may take long after a crash, unless ctx ends
// first: then the process ends, and the next start begins anew.
func (d *daemon) openStore(ctx context.Context) (*store.Store, error) {
	type opened struct {
		store *store.Store
		err   error
	}
	c, done := d.config, make(chan opened, 1)
	go func() {
		s, err := store.Open(c.Data, c.store(d.log))
		done <- opened{s, err}
	}()
	select {
	case o := <-done:
		return o.store, o.err
	case <-ctx.Done():
		return nil, errors.New("stopped while the store was being opened")
	}
}

// shelved is a store whose quarantine minds its size.
type shelved struct {
	*store.Store
	kept *store.Quarantine
}

// Quarantine is in place of the store's own.
func (s shelved) Quarantine(ctx context.Context, q *trace.Quarantined) error {
	return s.kept.Keep(ctx, q)
}

// A shelf is a quarantine as a replay sees it.
type shelf struct{ *store.Quarantine }

// Next gives some of the requests behind a hash.
func (s shelf) Next(after *[16]byte) ([]ingest.Kept, error) {
	items, err := s.Quarantine.Next(after, 256)
	kept := make([]ingest.Kept, len(items))
	for i, item := range items {
		kept[i] = ingest.Kept(item)
	}
	return kept, err
}

// tend keeps the quarantine swept until the daemon stops.
func (d *daemon) tend(kept *store.Quarantine) {
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan struct{})
	go func() {
		defer close(done)
		ingest.Tend(ctx, ingest.Tended{
			Expire: kept.Expire,
			Filling: func() (string, bool) {
				load := kept.Load()
				return words(load), load.Filling()
			},
		}, time.Duration(d.config.Quarantine.Days)*24*time.Hour, d.log)
	}()
	d.onStop("quarantine", func() error {
		stop()
		<-done
		return nil
	})
}

// foldAnew folds everything behind the daemon's back where the settings of the fold
// have changed since it ran last.
func (d *daemon) foldAnew(s *store.Store, mapping store.Mapping) {
	if !s.Stale() {
		return
	}
	d.log.Warn("the settings of the fold have changed: folding all parcels anew; until that is done some may show what they meant before")
	done := make(chan struct{})
	go func() {
		defer close(done)
		sum, err := s.Refold(context.Background(), mapping, false, func(store.Refolded) bool { return !d.draining.Load() })
		switch {
		case err != nil:
			d.log.Error("folding anew failed: run `waytrace refold`", "err", err)
		case s.Stale():
			d.log.Warn("folding anew was cut off: the next start begins again")
		default:
			d.log.Info("all parcels are folded anew", "parcels", sum.Waybills, "changed", sum.Changed)
		}
	}()
	d.onStop("folding anew", func() error {
		<-done
		return nil
	})
}

// mappingOf asks the carriers what their codes mean now.
func mappingOf(known []carriers.Carrier) store.Mapping {
	codes := make(map[string]*carriers.Codes)
	for _, c := range known {
		if c.Codes != nil {
			codes[c.Code] = c.Codes
		}
	}
	return func(e *trace.Event) (version uint32, known bool) {
		c := codes[e.Source]
		if c == nil {
			return 0, false
		}
		return c.Version, c.Map(e)
	}
}

// listen opens a listener and serves it until it is stopped.
func (d *daemon) listen(name, address string, server *fasthttp.Server, https *tls.Config) (net.Addr, error) {
	ln, err := net.Listen("tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: %w: is another waytrace running? choose another address with --listen or --admin-listen", name, err)
	}
	at := ln.Addr()
	ln = turnstile{patient{ln}, server, https != nil}
	if https != nil {
		ln = tls.NewListener(ln, https)
	}
	var leaving atomic.Bool
	handle := server.Handler
	server.Handler = func(ctx *fasthttp.RequestCtx) {
		handle(ctx)
		if leaving.Load() {
			ctx.SetConnectionClose()
		}
	}
	done := make(chan error, 1)
	go func() {
		err := server.Serve(ln)
		if err != nil {
			d.failed <- fmt.Errorf("%s: %w", name, err)
		}
		done <- err
	}()
	d.onStop(name, func() error {
		// First nobody new comes in, then each connection that is open is closed
		// behind its next answer, and at last those that have nothing to ask: so a
		// client is hardly ever cut off with a question on its lips.
		ln.Close()
		leaving.Store(true)
		for end := time.Now().Add(settle); server.GetOpenConnectionsCount() > 0 && time.Now().Before(end) && time.Now().Before(d.drainBy); {
			time.Sleep(settle / 50)
		}
		ctx, cancel := context.WithDeadline(context.Background(), d.drainBy)
		defer cancel()
		if err := server.ShutdownWithContext(ctx); err != nil && !errors.Is(err, net.ErrClosed) {
			d.log.Warn("connections were cut off", "listener", name, "err", err)
		}
		return <-done
	})
	return at, nil
}

// patient is a listener that waits for a descriptor to become free instead of
// ending: too many connections are no reason to stop serving those that are there.
type patient struct{ net.Listener }

func (p patient) Accept() (net.Conn, error) {
	for {
		c, err := p.Listener.Accept()
		if !errors.Is(err, syscall.EMFILE) && !errors.Is(err, syscall.ENFILE) {
			return c, err
		}
		noDescriptors.Inc()
		time.Sleep(50 * time.Millisecond)
	}
}

// closeStore closes the store, or leaves a long compaction to its end: what was
// acknowledged is synced, and the next start reads it from the log.
func (d *daemon) closeStore(s *store.Store) error {
	done := make(chan error, 1)
	go func() { done <- s.Close() }()
	select {
	case err := <-done:
		return err
	case <-time.After(closeLimit):
		d.log.Warn("the store did not close in time; everything acknowledged is on disk", "limit", closeLimit)
		return nil
	}
}

// close undoes all that was opened, in reverse.
func (d *daemon) close() (err error) {
	d.drainBy = time.Now().Add(drainLimit)
	for i := len(d.stops) - 1; i >= 0; i-- {
		if e := d.stops[i].run(); e != nil {
			err = errors.Join(err, fmt.Errorf("stopping %s: %w", d.stops[i].name, e))
		}
	}
	return err
}

// greet tells whoever started the daemon where it is and what to try.
func (d *daemon) greet(known []carriers.Carrier, keys *Keyring) {
	curl, base := "curl -s", "http://"+d.public.String()
	if d.config.TLSCert != "" {
		curl, base = "curl -sk", "https://"+d.public.String()
	}
	data, err := filepath.Abs(d.config.Data)
	if err != nil {
		data = d.config.Data
	}
	fmt.Fprintf(d.people, "waytrace: listening on %s\n", base)
	fmt.Fprintf(d.people, "waytrace: admin on http://%s\n", d.admin)
	fmt.Fprintf(d.people, "waytrace: data in %s\n", data)

	// What is listened to everywhere is tried from here.
	base = strings.NewReplacer("[::]", "127.0.0.1", "0.0.0.0", "127.0.0.1").Replace(base)
	token, key := "", ""
	for _, c := range known {
		if c.Code == "sf" && len(c.Push.Door.Tokens) > 0 {
			token = "/<token>"
		}
	}
	if !keys.Empty() {
		key = " -H 'Authorization: Bearer <key>'"
	}
	// The second scan of SF's own sample, so that pushing the whole of it adds the first.
	fmt.Fprintf(d.people, `waytrace: try  %s %s/push/sf%s -d '{"Body":{"WaybillRoute":[{"mailno":"SF7444400031887","acceptAddress":"test","acceptTime":"2020-05-11 16:56:54","remark":"test","opCode":"80","id":"158918741457126","orderid":"202003225d33322239ddW1df5t3"}]}}' && %s %s/v1/traces/SF7444400031887%s`+"\n",
		curl, base, token, curl, base, key)
}

var noDescriptors = metrics.NewCounter(`waytrace_http_accepts_without_descriptor_total`)
